"""Real streams through PortAudio, on a loudspeaker and microphone that PulseAudio plays, and on an ALSA card that overruns."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.pulse import MISSING, PulseServer, favour
from tests.rt.play_and_capture import voice

ROOT = Path(__file__).resolve().parents[2]
RATE = 16000
VOICE = voice()


@contextmanager
def child(environment: dict[str, str], device: str, core: str, path: Path, card: str = "",
          latency_ms: int = 100, clocks: str = "auto") -> Iterator[subprocess.Popen[str]]:
    program = Path(__file__).with_name("play_and_capture.py")
    with subprocess.Popen([sys.executable, program, device, core, path, card, str(latency_ms), clocks], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**environment, "PYTHONPATH": str(ROOT)}, cwd=ROOT) as process:
        favour(process.pid)
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Ask for the child's report."""
    out, errors = process.communicate(timeout=60)
    assert not errors
    report: dict[str, Any] = json.loads(out.splitlines()[-1])
    return report


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


LISTEN = """
import sys
import numpy as np
from edgevoice.rt import _core, portaudio_device, pyaudio_device
device = {"portaudio": portaudio_device.PortAudioDevice, "pyaudio": pyaudio_device.PyAudioDevice}[sys.argv[1]]
core = _core.Core(16000, 160)
card = device(core, channels=2, channel=int(sys.argv[2]), input=" ".join(sys.argv[3:]))
card.start()
near = []
while sum(map(len, near)) < 3 * 16000:
    hops = core.read(1.0)
    near += [] if hops is None else [hops.near]
card.stop()
sys.stdout.buffer.write(np.concatenate(near).tobytes())
"""


def lag(piece: np.ndarray, within: np.ndarray) -> tuple[float, float]:
    """(samples later, correlation) at which ``piece`` is found in the first second of ``within``."""
    wide = within[:RATE + len(piece)].astype(np.float64)
    size = 1 << int(np.ceil(np.log2(len(wide) + len(piece))))
    match = np.fft.irfft(np.fft.rfft(wide, size) * np.conj(np.fft.rfft(piece.astype(np.float64), size)), size)[:RATE]
    at = int(np.argmax(match))
    other = wide[at:at + len(piece)]
    return at, float(match[at] / (np.linalg.norm(piece.astype(np.float64)) * np.linalg.norm(other) + 1.0))


@pytest.mark.pulse
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
class TestPulse:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[PulseServer]:
        with PulseServer(tmp_path / "server") as server:
            yield server

    def test_what_is_played_comes_back_bit_for_bit(self, server: PulseServer, tmp_path: Path) -> None:
        """The server is an ordinary process: on a busy machine it may be late itself, so it gets a few tries; the core gets one."""
        for _ in range(6):
            with child(server.environment, "portaudio", "native", tmp_path / "heard.npz", latency_ms=600) as process:
                assert said(process) == "running"
                report, heard = finish(process), np.load(tmp_path / "heard.npz")
                assert report == {"error": None, "running": True, "stopped": False, "xruns_in": report["xruns_in"], "balanced": True,
                                  "clocks": None, "events": [["first", 0], ["end", len(VOICE)]]}
                begin, back = (int(np.flatnonzero(heard[end])[0]) for end in ("far", "near"))
                np.testing.assert_array_equal(heard["far"][begin:begin + len(VOICE)], VOICE)
                assert back > begin
                if np.array_equal(heard["near"][back:back + len(VOICE)], VOICE):
                    return
        pytest.fail("not one of six round trips came back whole")

    def test_two_streams_carry_the_sound_over_to_the_other_clock(self, server: PulseServer, tmp_path: Path) -> None:
        """The far end is bit for bit what was played; the microphone hears it resampled, and always as much later, but for the few samples
        that the clocks are still drawn together by in the first seconds.  A busy machine tears holes into one of the two streams, so four
        of five stretches will do, in one of a few tries."""
        found: list[tuple[float, float]] = []
        for _ in range(6):
            with child(server.environment, "portaudio", "native", tmp_path / "heard.npz", latency_ms=300, clocks="two") as process:
                assert said(process) == "running"
                report, heard = finish(process), np.load(tmp_path / "heard.npz")
            assert report["error"] is None and report["running"] and report["balanced"]
            assert report["events"] == [["first", 0], ["end", len(VOICE)]]
            begin = int(np.flatnonzero(heard["far"])[0])
            np.testing.assert_array_equal(heard["far"][begin:begin + len(VOICE)], VOICE)
            drift, _, wanted, _ = report["clocks"]
            assert abs(drift) <= 1500 and wanted > 25
            found = [lag(VOICE[at:at + RATE // 10], heard["near"][begin + at:]) for at in range(0, len(VOICE) - RATE // 10, RATE // 10)]
            usual = np.median([delay for delay, _ in found])
            if sum(alike > 0.5 and abs(delay - usual) < 0.005 * RATE for delay, alike in found) >= 0.8 * len(found):
                return
        pytest.fail(f"not one of six voices came back whole: {found}")

    @pytest.mark.parametrize("core", ["native", "twin"])
    def test_the_fallback_plays_and_captures(self, server: PulseServer, core: str, tmp_path: Path) -> None:
        """PyAudio asks for the shortest latency there is, so a busy machine tears holes; between them every sample is right."""
        with child(server.environment, "pyaudio", core, tmp_path / "heard.npz") as process:
            assert said(process) == "running"
            report, heard = finish(process), np.load(tmp_path / "heard.npz")
            assert report["balanced"] and report["events"] == [["first", 0], ["end", len(VOICE)]]
            begin = int(np.flatnonzero(heard["far"])[0])
            np.testing.assert_array_equal(heard["far"][begin:begin + len(VOICE)], VOICE)
            windows = {VOICE[at:at + 160].tobytes() for at in range(len(VOICE) - 160)}
            whole = sum(heard["near"][at:at + 160].tobytes() in windows for at in range(0, len(heard["near"]) - 160, 160))
            assert whole >= RATE // 160  # a second of it

    @pytest.mark.parametrize("device", ["portaudio", "pyaudio"])
    def test_one_channel_of_two_is_heard_or_their_mean(self, tmp_path: Path, device: str) -> None:
        tones = np.sin(2 * np.pi * np.outer(np.arange(6 * RATE), [500, 1300]) / RATE) * 8000
        sound = tmp_path / "stereo.raw"
        sound.write_bytes(tones.astype(np.int16).tobytes())
        heard = []
        with PulseServer(tmp_path / "server", apart=True, channels=2) as server:
            for channel in (1, 2, 0):
                play = ["pacat", "-p", "--raw", f"--rate={RATE}", "--channels=2", "--format=s16le", "-d", "loop", str(sound)]
                with subprocess.Popen(play, env=server.environment) as player:
                    made = subprocess.run([sys.executable, "-c", LISTEN, device, str(channel)], cwd=ROOT, capture_output=True,
                                          env={**server.environment, "PYTHONPATH": str(ROOT)}, check=True)
                    player.kill()
                spectrum = np.abs(np.fft.rfft(np.frombuffer(made.stdout, np.int16)[-RATE:]))
                heard.append([spectrum[tone - 2:tone + 3].max() / spectrum.max() for tone in (500, 1300)])
        assert heard[0][0] == 1.0 and heard[0][1] < 0.1, heard
        assert heard[1][1] == 1.0 and heard[1][0] < 0.1, heard
        assert min(heard[2]) > 0.7, heard

    @pytest.mark.parametrize(("device", "clocks"), [("portaudio", "one"), ("portaudio", "two"), ("pyaudio", "auto")])
    def test_a_server_that_dies_is_a_device_that_is_gone(self, server: PulseServer, device: str, clocks: str, tmp_path: Path) -> None:
        with child(server.environment, device, "native", tmp_path / "heard.npz", clocks=clocks) as process:
            assert said(process) == "running"
            server.unplug()
            report = json.loads(said(process))
            process.communicate(timeout=60)
            assert report["error"].startswith("sound device ") and "unplugged" in report["error"]
            assert not report["running"] and not report["stopped"] and report["balanced"]

    @pytest.mark.parametrize("device", ["portaudio", "pyaudio"])
    def test_a_name_that_is_not_there(self, server: PulseServer, device: str, tmp_path: Path) -> None:
        with child(server.environment, device, "native", tmp_path / "heard.npz", "nonesuch") as process:
            assert finish(process)["refused"].startswith("no input device is 'nonesuch'; there are: 0 'pulse', 1 'default'")


DRIFT = """
import json, time
from edgevoice.rt import _core
from edgevoice.rt.portaudio_device import PortAudioDevice
core = _core.Core(16000, 160)
device = PortAudioDevice(core, input="simcard", output="simout")
device.start()
until, drifts = time.monotonic() + 20, []
while time.monotonic() < until and device.error is None:
    core.read(0.2)
    if time.monotonic() > until - 10:
        drifts.append(device.clocks.drift_ppm)
clocks, error, cards = device.clocks, device.error, [device.input.name, device.output.name]
device.stop()
counters = core.counters()
print(json.dumps({"error": error, "cards": cards, "drift": sum(drifts) / len(drifts), "fill": clocks.fill_ms,
                  "wanted": clocks.wanted_ms, "late": sum(core.lateness().counts),
                  "balanced": counters.captured == counters.consumed + counters.dropped + counters.depth}))
"""


@pytest.fixture(scope="module")
def card(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an ALSA plugin that is paced by the clock, has a finite ring, and counts upwards in its samples."""
    folder = tmp_path_factory.mktemp("card")
    if not shutil.which("cc") or not Path("/usr/include/alsa/asoundlib.h").exists():
        pytest.skip("no C compiler or no libasound2-dev to build a virtual ALSA card")
    subprocess.run(["cc", "-O2", "-w", "-fPIC", "-shared", "-DPIC", "-o", folder / "evsim.so", shared / "virtual-audio" / "pcm_evsim.c",
                    "-lasound"], check=True)
    return folder


def card_environment(folder: Path, rate: int, fast: tuple[int, int] = (0, 0)) -> dict[str, str]:
    """``fast``: by how many ppm the clocks of ``simcard`` and of a second card, ``simout``, are fast."""
    configuration = folder / f"asound-{rate}-{fast[0]}-{fast[1]}.conf"
    configuration.write_text(
        "</usr/share/alsa/alsa.conf>\n"
        f'pcm_type.evsim {{ lib "{folder}/evsim.so" }}\n'
        f'pcm.simcard {{ type evsim rate {rate} ppm {fast[0]} hint {{ show on description "sim card" }} }}\n'
        f'pcm.simout {{ type evsim rate {rate} ppm {fast[1]} hint {{ show on description "sim out" }} }}\n', encoding="ascii")
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder), "ALSA_CONFIG_PATH": str(configuration), "JACK_NO_START_SERVER": "1"}


class TestAlsaCard:
    def test_a_card_of_another_rate_says_what_it_can_do(self, card: Path, tmp_path: Path) -> None:
        with child(card_environment(card, 48000), "portaudio", "native", tmp_path / "heard.npz", "simcard") as process:
            refused = finish(process)["refused"]
            assert refused.startswith("input device ") and refused.endswith("'simcard' cannot do 16000 Hz mono; it can do 48000 Hz")

    @pytest.mark.parametrize(("does", "wanted", "fits"), [(48000, 16000, 48000), (44100, 16000, 44100), (16000, 16000, 16000),
                                                          (16000, 48000, 48000)])
    def test_the_core_takes_a_rate_that_the_card_can_do(self, card: Path, does: int, wanted: int, fits: int) -> None:
        """Or the wanted one, where there is none that is known."""
        program = f"from edgevoice.rt import rate_for; print(rate_for({wanted}, 'simcard', 'simcard'))"
        made = subprocess.run([sys.executable, "-c", program], env={**card_environment(card, does), "PYTHONPATH": str(ROOT)}, cwd=ROOT,
                              capture_output=True, text=True, check=True)
        assert made.stdout.split() == [str(fits)]

    def test_its_own_overruns_are_counted_and_it_goes_on(self, card: Path, tmp_path: Path) -> None:
        with child(card_environment(card, RATE), "portaudio", "native", tmp_path / "heard.npz", "simcard") as process:
            time.sleep(1.5)
            process.send_signal(signal.SIGSTOP)  # longer than the card's ring
            time.sleep(1.0)
            process.send_signal(signal.SIGCONT)
            assert said(process) == "running"
            report = finish(process)
            assert report["error"] is None and report["balanced"]
            assert report["xruns_in"] >= 1
            near = np.load(tmp_path / "heard.npz")["near"].astype(np.int64)
            counting = near[np.flatnonzero(near)]
            jumps = np.flatnonzero((np.diff(counting) != 1) & (np.diff(counting) != -31999))
            assert 1 <= len(jumps) <= 8  # the card lost audio; nothing else did

    @pytest.mark.parametrize("fast", [(600, 0), (0, 600)])
    def test_two_cards_are_two_streams_whose_drift_is_found(self, card: Path, fast: tuple[int, int]) -> None:
        """Without the converter the two would be 190 frames apart after these 20 s.  The card's callbacks come in bunches, on a timer of
        2 ms, and on a busy machine late as well: the best of a few estimates counts."""
        drifts = []
        for _ in range(4):
            made = subprocess.run([sys.executable, "-c", DRIFT], env={**card_environment(card, RATE, fast), "PYTHONPATH": str(ROOT)},
                                  cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
            report = json.loads(made.stdout)
            assert report["error"] is None and report["balanced"] and report["cards"] == ["simcard", "simout"] and report["late"] > 0
            drifts.append(report["drift"])
            if abs(report["drift"] - fast[0] + fast[1]) < 350 and abs(report["fill"] - report["wanted"]) < 10:
                return
        pytest.fail(f"the clocks are {fast} ppm fast, and {drifts} were found")
