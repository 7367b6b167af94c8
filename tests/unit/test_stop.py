"""What means "be silent", and what only sounds like it."""

from __future__ import annotations

import pytest

from edgevoice.dialog.stop import is_again, is_stop, is_wait


@pytest.mark.parametrize("text", ["Stop.", "stop", "Okay, stop. Thank you.", "Ok stop, thank you!", "No, stop it please", "Never mind.",
                                  "Nevermind", "That's enough, thanks.", "be quiet now", "Stop, stop!", "Shut up"])
def test_stop(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize("text", ["", "thank you", "Stop the music", "When does the shop stop selling bread?", "enough rice for two",
                                  "cancel the timer", "no", "quietly", "Don't stop"])
def test_not_stop(text: str) -> None:
    assert not is_stop(text)


@pytest.mark.parametrize("text", ["Wait.", "Wait, wait.", "No, wait a second, please.", "Hold on.", "Okay, hang on one moment."])
def test_wait_is_a_stop_of_which_more_comes(text: str) -> None:
    assert is_wait(text) and is_stop(text)


@pytest.mark.parametrize("text", ["", "Stop.", "Wait, stop.", "Wait for my brother.", "Hold on to it."])
def test_not_wait(text: str) -> None:
    assert not is_wait(text)


@pytest.mark.parametrize("text", ["Say that again.", "Could you repeat that, please?", "Pardon?", "What did you say?", "Sorry, come again?",
                                  "I didn't get that.", "Please say it again"])
def test_again(text: str) -> None:
    assert is_again(text)


@pytest.mark.parametrize("text", ["", "Say hello again.", "Repeat the song.", "What did you say about the moon?",
                                  "Again, why is the sky blue?"])
def test_not_again(text: str) -> None:
    assert not is_again(text)
