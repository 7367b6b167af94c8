"""Sound cards as they are asked for, and one channel of several."""

from __future__ import annotations

import numpy as np
import pytest

from edgevoice.errors import DeviceError
from edgevoice.rt.cards import Card, require_channels, streams
from edgevoice.rt.pyaudio_device import one_channel

CARD = Card(3, "USB mic", "ALSA", 2, 0, 48000.0, True, False)


def test_a_card_with_too_few_channels_is_named_with_what_it_has() -> None:
    require_channels(CARD, 2)
    with pytest.raises(DeviceError, match=r"input device 3 'USB mic' has 2 channels, and audio.channels asks for 4"):
        require_channels(CARD, 4)


@pytest.mark.parametrize(("channel", "heard"), [(1, [100, -7, 32767]), (2, [201, -8, 32767]), (0, [150, -7, 32767])])
def test_one_channel_or_the_mean_of_all_without_overflow(channel: int, heard: list[int]) -> None:
    captured = np.array([[100, 201], [-7, -8], [32767, 32767]], np.int16)
    np.testing.assert_array_equal(one_channel(captured, channel), np.array(heard, np.int16))


USB = Card(1, "USB Audio: - (hw:1,0)", "ALSA", 1, 0, 48000.0, False, False)
HEADSET = Card(2, "USB Audio: #1 (hw:1,1)", "ALSA", 0, 2, 48000.0, False, False)
HDMI = Card(4, "vc4-hdmi-0: MAI PCM i2s-hifi-0 (hw:0,0)", "ALSA", 0, 2, 48000.0, False, False)
NAMED = Card(5, "Jabra: USB (hw:Jabra,0)", "ALSA", 1, 2, 48000.0, False, False)
SERVER = Card(6, "pulse", "ALSA", 32, 32, 44100.0, True, True)


@pytest.mark.parametrize(("capture", "playback", "tried"), [
    (SERVER, SERVER, ("one", "two")), (USB, HEADSET, ("one", "two")), (USB, HDMI, ("two",)), (NAMED, HDMI, ("two",)),
    (USB, SERVER, ("two",)), (NAMED, NAMED, ("one", "two"))])
def test_one_stream_is_tried_where_both_ends_have_one_clock(capture: Card, playback: Card, tried: tuple[str, ...]) -> None:
    assert streams(capture, playback, "auto") == tried


def test_who_asks_for_one_or_for_two_streams_gets_them() -> None:
    assert streams(USB, HDMI, "one") == ("one",) and streams(SERVER, SERVER, "two") == ("two",)
