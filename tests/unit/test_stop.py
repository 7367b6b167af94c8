"""What means "be silent", and what only sounds like it."""

from __future__ import annotations

import pytest

from edgevoice.dialog.stop import is_stop


@pytest.mark.parametrize("text", ["Stop.", "stop", "Okay, stop. Thank you.", "Ok stop, thank you!", "No, stop it please", "Never mind.",
                                  "Nevermind", "That's enough, thanks.", "be quiet now", "Stop, stop!", "Shut up"])
def test_stop(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize("text", ["", "thank you", "Stop the music", "When does the shop stop selling bread?", "enough rice for two",
                                  "cancel the timer", "no", "quietly", "Don't stop"])
def test_not_stop(text: str) -> None:
    assert not is_stop(text)
