"""``edgevoice devices``, on cards that are not there and on a real sound server."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgevoice.cli import devices
from edgevoice.cli.devices import Probed, table
from edgevoice.errors import DeviceError
from edgevoice.rt.cards import Card, choose, require_rate
from edgevoice.rt.quiet import without_noise
from tests.fakes.pulse import MISSING, PulseServer

ROOT = Path(__file__).resolve().parents[2]

MIC = Card(0, "USB Audio: Mic (hw:1,0)", "ALSA", 1, 0, 44100.0, True, False)
SPEAKER = Card(1, "bcm2835 Headphones", "ALSA", 0, 2, 48000.0, False, True)
BOTH = Card(2, "usb", "ALSA", 2, 2, 48000.0, False, False)
CARDS = [MIC, SPEAKER, BOTH]


@pytest.mark.parametrize(("wanted", "direction", "card"), [
    ("", "input", MIC), ("", "output", SPEAKER), ("2", "input", BOTH), ("mic", "input", MIC), ("USB", "input", BOTH),
    ("usb a", "input", MIC), ("headphones", "output", SPEAKER)])
def test_a_card_is_chosen_by_default_index_name_or_part(wanted: str, direction: str, card: Card) -> None:
    assert choose(CARDS, wanted, direction) is card


@pytest.mark.parametrize(("wanted", "direction", "message"), [
    ("7", "input", "no input device is '7'; there are: 0 'USB Audio: Mic (hw:1,0)', 2 'usb'"),
    ("mic", "output", "no output device is 'mic'; there are: 1 'bcm2835 Headphones', 2 'usb'"),
    ("0", "output", "no output device is '0'; there are: 1 'bcm2835 Headphones', 2 'usb'")])
def test_one_that_is_not_there_is_told_with_those_that_are(wanted: str, direction: str, message: str) -> None:
    with pytest.raises(DeviceError) as caught:
        choose(CARDS, wanted, direction)
    assert str(caught.value) == message


def test_a_machine_without_a_microphone() -> None:
    with pytest.raises(DeviceError, match="there is no input device on this machine"):
        choose([SPEAKER], "", "input")


def test_without_a_default_the_first_that_fits_is_taken() -> None:
    assert choose([SPEAKER, BOTH], "", "input") is BOTH


def test_a_rate_that_a_card_cannot_do_is_told_with_those_that_it_can() -> None:
    require_rate(MIC, "input", 44100, lambda index, direction, rate: rate == 44100)
    with pytest.raises(DeviceError) as caught:
        require_rate(MIC, "input", 16000, lambda index, direction, rate: (index, direction) == (0, "input") and rate >= 44100)
    assert str(caught.value) == "input device 0 'USB Audio: Mic (hw:1,0)' cannot do 16000 Hz mono; it can do 44100, 48000 Hz"
    with pytest.raises(DeviceError, match="nor any other common rate: it is busy or not usable"):
        require_rate(MIC, "input", 16000, lambda index, direction, rate: False)


def test_the_table_marks_defaults() -> None:
    lines = table([Probed(MIC, [44100, 48000], []), Probed(SPEAKER, [], [])]).splitlines()
    assert lines[1].split("  ")[0] == "0" and "* 44100 48000" in lines[1] and lines[1].endswith("-")
    assert "* busy, or none of these rates" in lines[2]
    assert table([]).startswith("no sound device found")


def test_an_absent_pyaudio_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    with pytest.raises(DeviceError, match="PyAudio is not installed"):
        devices.run(argparse.Namespace(json=False))


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgevoice", "devices", *arguments], env=environment, cwd=ROOT, capture_output=True,
                          text=True, timeout=60)


def test_what_is_not_there_makes_no_noise(tmp_path: Path) -> None:
    """ALSA's own configuration alone names a dozen devices that hardly a machine has."""
    result = command({**os.environ, "ALSA_CONFIG_PATH": "/usr/share/alsa/alsa.conf", "XDG_RUNTIME_DIR": str(tmp_path)}, "--json")
    assert result.returncode == 0 and not result.stderr
    assert isinstance(json.loads(result.stdout)["devices"], list)


def test_stderr_is_held_back_only_for_the_noise(capfd: pytest.CaptureFixture[str]) -> None:
    with without_noise():
        os.write(2, b"ALSA lib pcm.c:2721:(snd_pcm_open_noupdate) Unknown PCM sysdefault\nsomething else\n")
        os.write(2, b"Expression 'ret' failed in 'src/x.c', line: 1\n")
        assert capfd.readouterr().err == ""
    os.write(2, b"after\n")
    assert capfd.readouterr().err.splitlines()[-2:] == ["something else", "after"]


def test_a_library_that_aborts_meanwhile_still_leaves_a_word() -> None:
    program = "import os\nfrom edgevoice.rt.quiet import without_noise\nwith without_noise():\n    os.abort()"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode < 0 and "Aborted" in result.stderr


@pytest.mark.pulse
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_a_sound_server_s_devices_and_their_rates(tmp_path: Path) -> None:
    with PulseServer(tmp_path / "server") as server:
        result = command(server.environment, "--json")
        shown = command(server.environment)
    assert (result.returncode, result.stderr, shown.returncode, shown.stderr) == (0, "", 0, "")
    found = {card["name"]: card for card in json.loads(result.stdout)["devices"]}
    assert set(found) >= {"pulse", "default"}
    assert found["default"]["default_input"] and found["default"]["default_output"]
    for card in (found["pulse"], found["default"]):
        assert card["inputs"] > 0 and card["outputs"] > 0
        assert card["input_rates"] == card["output_rates"] == [16000, 44100, 48000]
    assert "* 16000 44100 48000" in shown.stdout and "pulse" in shown.stdout
