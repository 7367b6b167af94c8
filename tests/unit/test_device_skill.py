"""What is asked of the device itself, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from edgevoice.doers import slowness
from edgevoice.skills import device
from edgevoice.skills.deeds import Deed
from edgevoice.skills.hearing import hear


@pytest.mark.parametrize(("text", "kind", "arguments"), [
    ("Turn it up.", "volume", {"louder": True}), ("louder please", "volume", {"louder": True}),
    ("turn the volume up a bit", "volume", {"louder": True}),
    ("can you speak up", "volume", {"louder": True}), ("turn down the volume", "volume", {"louder": False}),
    ("a bit quieter", None, {}), ("quieter", "volume", {"louder": False}), ("be quieter", "volume", {"louder": False}),
    ("volume to 40 percent", "volume", {"percent": 40}), ("Set the volume to forty percent.", "volume", {"percent": 40}),
    ("volume 40%", "volume", {"percent": 40}), ("set your volume to 250", "volume", {"percent": 100}),
    ("turn it down to 20 percent", "volume", {"percent": 20}), ("volume to maximum", "volume", {"percent": 100}),
    ("What's your volume?", "volume", {}), ("how loud are you", "volume", {}),
    ("mute yourself", "mute", {"muted": True}), ("turn off your microphone", "mute", {"muted": True}),
    ("stop listening", "mute", {"muted": True}), ("unmute yourself", "mute", {"muted": False}),
    ("how are you", "device_state", {"network": False}), ("Are you online?", "device_state", {"network": True}),
    ("why were you slow", "slowness", {}), ("Why did that take so long?", "slowness", {}),
    ("mute", None, {}), ("mute the television", None, {}), ("turn it off", None, {}), ("turn up the heating", None, {}),
    ("how are you going to do that", None, {}), ("why are you so late for dinner", None, {}), ("volume of a sphere", None, {}),
    ("set the volume of the radio to 40 percent", None, {}), ("turn up the volume by ten percent", None, {}),
    ("volume to half past six", None, {}), ("stop listening to the radio", None, {})])
def test_each_sentence_is_one_deed_or_none(text: str, kind: str | None, arguments: dict[str, Any]) -> None:
    assert device.asked(hear(text)) == (None if kind is None else Deed(kind, arguments))


def test_a_small_number_is_asked_back() -> None:
    assert device.asked(hear("volume to five")) == device.SAY_PERCENT


@pytest.mark.parametrize(("stages", "told"), [
    (None, "I have not answered you by voice yet."),
    ({"wait": 0.6, "text": 0.01, "first_token": 0.7, "first_sound": 0.2, "voice_to_voice": 1.52},
     "My last answer began 1.5 seconds after your last word: 0.7 to think of the first word, and 0.6 to be sure that you had finished."),
    ({"voice_to_voice": 0.2, "wait": 0.04}, "My last answer began 0.2 seconds after your last word.")])
def test_where_the_time_went_is_told_in_a_sentence(stages: dict[str, float] | None, told: str) -> None:
    assert slowness(stages) == told
