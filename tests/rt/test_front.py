"""The front end: what it hears without an echo, what it takes off, what it notices over its own voice, and what it does by itself."""

from __future__ import annotations

import ctypes
import itertools
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgevoice.audio import read, to_int16
from edgevoice.engines.silero import MODEL_FILE
from edgevoice.engines.silero_native import SileroNative
from edgevoice.errors import EdgeVoiceError
from edgevoice.models import find
from edgevoice.rt._core import Core, ScriptedDevice
from edgevoice.settings import PathSettings
from tests.bench import echoes
from tests.bench.echoes import Float32, Int16, Judged, Scene

EXT = Path(__file__).resolve().parents[2] / "ext"
RATE, HOP = 16000, 160
FRAME = 512
COMPILERS = [name for name in ("cc", "gcc", "clang") if shutil.which(name)]
OBJECTS = ("front", "aec", "aec_far", "aec_residue", "phat", "fft", "decimate")
ALLOWED = re.compile(r"ev_\w+|mem(cpy|move|set)|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|f(max|min|abs)f|sqrtf|log10f?|ceil|"
                     r"(cos|sin|sincos)f?")
SLEEPS = re.compile(r"ev_(nap|now|front_(start|stop|wait|take)|host_(wait|take|write|counters))")


@pytest.fixture(scope="module")
def vad() -> SileroNative:
    try:
        return SileroNative(find(PathSettings(), "silero-vad") / MODEL_FILE)
    except EdgeVoiceError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def sentences(shared: Path) -> list[Float32]:
    """Read aloud by several people: what the device is made to say."""
    files = sorted((shared / "audio" / "stt").glob("*.flac"))
    clips = [read(path, rate=RATE) for path in files]
    long = [clip for clip in clips if len(clip) > 2 * RATE]
    assert len(long) >= 10
    return long


@pytest.fixture(scope="module")
def voice(shared: Path) -> Int16:
    path = sorted((shared / "audio" / "commands").glob("*.flac"))[3]
    return to_int16(read(path, rate=RATE))


def plain(vad: SileroNative, clip: Int16 | Float32) -> Float32:
    vad.reset()
    return np.array([vad.process(clip[at:at + FRAME]) for at in range(0, len(clip) - FRAME + 1, FRAME)], np.float32)


def run(core: Any, near: Int16, far: Int16 | None = None) -> list[Any]:
    """Feed whole hops and read what comes; works for both cores, with and without a thread."""
    hop = core.hop
    found = []
    for at in range(0, len(near) - hop + 1, hop):
        if far is not None:
            core.write(1, far[at:at + hop], timeout_s=0)
        core.process(near[at:at + hop], hop)
        found.append(core.read(5.0))
    assert all(hops is not None for hops in found)
    return found


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_its_objects_call_nothing_that_waits(compiler: str, level: str, tmp_path: Path) -> None:
    objects = []
    for name in OBJECTS:
        objects.append(tmp_path / f"{name}.o")
        subprocess.run([compiler, "-std=c11", level, "-fPIC", "-c", EXT / f"{name}.c", "-o", objects[-1]], check=True)
    listed = subprocess.run(["nm", "-u", "-P", *objects], check=True, capture_output=True, text=True).stdout
    symbols = {line.split()[0] for line in listed.splitlines() if " U" in line}
    assert "ev_aec_block" in symbols, listed
    assert not {symbol for symbol in symbols if not ALLOWED.fullmatch(symbol)}
    assert not {symbol for symbol in symbols if SLEEPS.fullmatch(symbol)}


class TestBothCores:
    """What the twin promises too."""

    @pytest.fixture
    def core(self, rt: Any, vad: SileroNative) -> Any:
        vad.reset()
        core = rt.Core(RATE, HOP)
        assert core.front() is None
        assert core.start_front(vad, cancel_echo=False)
        core.live.begin(1)
        yield core
        core.close()

    def test_probabilities_are_those_of_the_plain_network(self, core: Any, vad: SileroNative, voice: Int16) -> None:
        near = voice[:len(voice) // HOP * HOP]
        hops = run(core, near)
        np.testing.assert_array_equal(np.concatenate([each.near for each in hops]), near)
        clean = np.concatenate([each.clean for each in hops])
        np.testing.assert_array_equal(clean, near[:len(clean)] / np.float32(32768.0))
        assert len(near) - len(clean) < 256
        found = np.concatenate([each.probabilities for each in hops])
        expected = plain(vad, near)[:len(found)]
        assert found.max() > 0.9 and len(found) >= len(near) // FRAME - 1
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_the_ledger_holds_with_both_rings(self, core: Any) -> None:
        for _ in range(60):
            core.process(np.ones(HOP, np.int16), HOP)
        first = core.read(5.0)
        while first.index + len(first.near) < 60 * HOP:
            first = core.read(5.0)
        core.process(np.ones(8, np.int16), 8)  # part of a hop is not handed out, and is counted
        assert core.read(0.0) is None
        counters = core.counters()
        assert counters.captured == counters.consumed + counters.dropped + counters.depth == 60 * HOP + 8

    def test_speech_pauses_what_is_armed(self, core: Any, voice: Int16) -> None:
        core.arm(1)
        reflexes = [each.reflex for each in run(core, voice[:3 * RATE]) if each.reflex]
        assert len(reflexes) == 1 == core.front().reflexes
        generation, onset = reflexes[0]
        assert generation == 1 and 0 <= onset < 3 * RATE
        core.write(1, np.full(4 * HOP, 1000, np.int16))
        core.process(None, 2 * HOP)
        assert not core.process(None, HOP).any()
        core.resume(1)
        assert core.process(None, HOP).any()

    @pytest.mark.parametrize("how", ["never armed", "disarmed", "dead"])
    def test_speech_pauses_nothing_else(self, core: Any, voice: Int16, how: str) -> None:
        if how != "never armed":
            core.arm(1)
        if how == "disarmed":
            core.disarm()
        if how == "dead":
            core.live.cancel(1)
        assert not [each.reflex for each in run(core, voice[:3 * RATE]) if each.reflex]
        assert core.front().reflexes == 0

    def test_it_is_started_once(self, core: Any, vad: SileroNative) -> None:
        with pytest.raises(RuntimeError, match="already started"):
            core.start_front(vad)

    @pytest.mark.parametrize("wrong", [{"onset": 1.5}, {"onset": 0.3, "offset": 0.4}, {"offset": 0.0}, {"min_speech_ms": -1.0}])
    def test_thresholds_that_are_none(self, rt: Any, vad: SileroNative, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=r"thresholds|min_speech_ms"):
            rt.Core(RATE, HOP).start_front(vad, **wrong)


class TestRates:
    @pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000, 96000])
    def test_a_tone_keeps_level_and_place(self, vad: SileroNative, rate: int) -> None:
        tone = 0.5 * np.sin(2 * np.pi * 1000.0 * np.arange(rate) / rate)
        clean = echoes.through_front(vad, to_int16(tone.astype(np.float32)), np.zeros(rate, np.int16), rate=rate).clean
        expected = 0.5 * np.sin(2 * np.pi * 1000.0 * np.arange(len(clean)) / RATE)
        assert len(clean) >= RATE - 256 - 64
        assert np.abs(clean - expected)[200:].max() < 2e-3

    def test_what_cannot_be_heard_at_16_khz_is_taken_out(self, vad: SileroNative) -> None:
        tone = to_int16((0.5 * np.sin(2 * np.pi * 11000.0 * np.arange(48000) / 48000)).astype(np.float32))
        clean = echoes.through_front(vad, tone, np.zeros(48000, np.int16), rate=48000).clean
        assert np.abs(clean[200:]).max() < 1e-3


class TestEcho:
    """Rooms of the bench's kind, with other voices and seeds."""

    def judge(self, vad: SileroNative, sentences: list[Float32], seed: int, kind: echoes.Kind, seconds: float = 16.0,
              commands: Path | None = None) -> tuple[Scene, Judged]:
        made = echoes.scene(seed, kind, sentences, seconds, commands)
        return made, echoes.through_front(vad, made.near, made.far)

    def test_it_sleeps_while_the_far_end_is_silent(self, vad: SileroNative, voice: Int16) -> None:
        judged = echoes.through_front(vad, voice, np.zeros(len(voice), np.int16))
        assert judged.state.blocks == 0 and not judged.state.awake and judged.state.delay_ms is None
        np.testing.assert_array_equal(judged.clean, voice[:len(judged.clean)] / np.float32(32768.0))
        np.testing.assert_allclose(judged.probabilities, plain(vad, voice)[:len(judged.probabilities)], atol=1e-6)

    def test_it_hears_as_well_after_the_far_end_as_before(self, vad: SileroNative, sentences: list[Float32], voice: Int16) -> None:
        """Falling asleep loses and repeats no sample of what voice activity hears."""
        far = np.concatenate([to_int16(sentences[0][:RATE]), np.zeros(RATE + len(voice), np.int16)])
        near = np.concatenate([np.zeros(2 * RATE, np.int16), voice])
        judged = echoes.through_front(vad, near, far)
        assert len(judged.probabilities) >= len(near) // FRAME - 1
        last = 2 * RATE // FRAME
        found, expected = judged.probabilities[last + 1:], plain(vad, near)[last + 1:len(judged.probabilities)]
        np.testing.assert_allclose(found, expected, atol=0.05)
        assert found.max() > 0.9

    @pytest.mark.parametrize("seed", [11, 12])
    def test_a_room_is_cancelled_and_its_delay_found(self, vad: SileroNative, sentences: list[Float32], seed: int) -> None:
        made, judged = self.judge(vad, sentences, seed, "plain")
        assert echoes.erle_db(made.near, judged.clean, 8.0, 16.0) > 10.0
        assert judged.state.delay_ms == pytest.approx(made.delay_ms, abs=2.0)
        assert judged.state.erle_db > 6.0 and judged.state.converged and not judged.state.noncausal and not judged.state.useless
        assert not judged.onsets()

    @pytest.mark.parametrize("seed", [21, 22])
    def test_drift_is_followed(self, vad: SileroNative, sentences: list[Float32], seed: int) -> None:
        made, judged = self.judge(vad, sentences, seed, "drift", 20.0)
        assert echoes.erle_db(made.near, judged.clean, 12.0, 20.0) > 15.0
        assert abs(judged.state.drift_ppm) == pytest.approx(200.0, abs=10.0)
        assert not judged.onsets()

    def test_drift_may_go_on_beyond_a_block(self, vad: SileroNative, sentences: list[Float32]) -> None:
        """At 200 ppm a block of 256 samples has passed after 80 s: both ways round, the filter moves by a partition and goes on."""
        for seed in (34, 35):  # of some delay, so that there is room for it to shrink
            made, judged = self.judge(vad, sentences, seed, "drift", 110.0)
            for at in range(60, 110, 10):
                assert echoes.erle_db(made.near, judged.clean, at, at + 10.0) > 14.0, (seed, at)

    def test_a_changed_path_is_noticed_and_learned(self, vad: SileroNative, sentences: list[Float32]) -> None:
        made, judged = self.judge(vad, sentences, 41, "change", 24.0)
        assert judged.state.path_changes >= 1
        assert echoes.erle_db(made.near, judged.clean, 17.0, 24.0) > 12.0

    @pytest.mark.parametrize("kind", echoes.KINDS)
    def test_its_own_voice_is_not_speech(self, vad: SileroNative, sentences: list[Float32], kind: echoes.Kind) -> None:
        for seed in (51, 52):
            made, judged = self.judge(vad, sentences, seed, kind)
            bare = echoes.through_front(vad, made.near, made.far, cancel_echo=False)
            assert bare.onsets(), "without a canceller this room must be a hard one"
            assert not judged.onsets(), (kind, seed)

    @pytest.mark.parametrize("seed", [25, 31, 76, 100, 106])
    def test_its_own_voice_by_a_way_that_is_new_is_not_speech(self, vad: SileroNative, sentences: list[Float32], seed: int) -> None:
        """Rooms that change at once, most of them with a shorter way, so that the echo comes before it is predicted: each was taken for a
        user before its phase was asked."""
        _, judged = self.judge(vad, sentences, seed, "change", 14.0)
        assert judged.state.erle_db > 0.0 and not judged.onsets()

    def test_a_user_who_talks_over_it_is_heard(self, vad: SileroNative, sentences: list[Float32], shared: Path) -> None:
        noticed = total = 0
        for seed in (61, 62, 63):
            made, judged = self.judge(vad, sentences, seed, "plain", 20.0, shared / "audio" / "commands")
            onsets = judged.onsets()
            for user in made.users:
                total += 1
                noticed += any(user.start <= onset <= user.start + RATE // 2 for onset in onsets)
        assert total >= 9 and noticed >= total - 1

    def test_a_reference_that_comes_too_late_is_reported(self, vad: SileroNative, sentences: list[Float32]) -> None:
        made = echoes.scene(71, "plain", sentences, 12.0)
        ahead = int((made.delay_ms + 100.0) * RATE / 1000)
        state = echoes.through_front(vad, made.near[ahead:], made.far[:len(made.far) - ahead]).state
        assert state.noncausal and state.useless

    def test_headphones_are_no_failure(self, vad: SileroNative, sentences: list[Float32]) -> None:
        far = to_int16(echoes.far_end(1, sentences, 8.0))
        noise = np.random.default_rng(3).normal(0.0, 30.0, len(far)).astype(np.int16)
        state = echoes.through_front(vad, noise, far).state
        assert state.awake and not state.noncausal and not state.useless and state.path_changes == 0

    def test_tones_without_an_echo_do_not_lead_the_filter_astray_for_good(self, vad: SileroNative) -> None:
        """After two minutes of these it predicted ever more, until no number was left."""
        t = np.arange(130 * RATE) / RATE
        forgotten = 0
        for hz, loud in ((220, 0.1), (440, 0.03), (1000, 0.003)):
            far = 0.3 * 32767 * np.sin(2 * np.pi * hz * t) * (t % 3 < 2)
            near = np.random.default_rng(0).normal(0, loud * 32767, len(t)) * (0.2 + 0.8 * (t % 3.1 < 1.7))
            judged = echoes.through_front(vad, near.clip(-32768, 32767).astype(np.int16), far.astype(np.int16))
            forgotten += judged.state.path_changes
            assert np.all(np.isfinite(judged.clean)) and np.max(np.abs(judged.clean)) <= 1.5
            assert np.all(np.isfinite(judged.probabilities))
        assert forgotten, "what it had learned was thrown away"

    def test_switched_off_it_says_so(self, vad: SileroNative, voice: Int16) -> None:
        state = echoes.through_front(vad, voice, voice, cancel_echo=False).state
        assert not state.cancelling and state.blocks == 0


class TestThread:
    def test_the_reflex_needs_no_python(self, vad: SileroNative, voice: Int16) -> None:
        """A thread holds the GIL for half a second while the user begins to speak; the reply is silent within two hops of the decision."""
        core = Core(RATE, HOP, playback_ms=8000)
        assert core.start_front(vad)
        device = ScriptedDevice(core, max_seconds=20.0)
        hold = ctypes.PyDLL(None).usleep  # a PyDLL function keeps the GIL
        core.live.begin(1)
        core.write(1, np.full(6 * RATE, 500, np.int16), timeout_s=0)
        core.arm(1)
        loud = int(np.argmax(np.abs(voice.astype(np.int32)) > 1000))
        device.start()
        try:
            start = device.say(voice[max(0, loud - RATE // 10):], at=device.position + RATE // 20)
            hold(500_000)
            reflexes, deadline = [], time.monotonic() + 5.0
            events = []
            while time.monotonic() < deadline and not (reflexes and events):
                hops = core.read(0.05)
                reflexes += [hops.reflex for hops in [hops] if hops is not None and hops.reflex]
                events += [event for event in core.events() if event.kind == "paused"]
        finally:
            device.stop()
            core.close()
        assert len(reflexes) == 1 and len(events) == 1
        onset = reflexes[0][1]
        assert start - RATE // 20 <= onset <= start + RATE // 2
        # two frames of 32 ms decide, a block of 16 ms may wait, 5 ms fade, and two hops from the decision on; the onset is said 16 ms early
        assert events[0].sample <= onset + (16 + 64 + 32 + 16 + 5) * RATE // 1000 + 2 * HOP

    def test_nothing_is_lost_to_a_reader_that_stalls(self, vad: SileroNative) -> None:
        core = Core(RATE, HOP, capture_ms=200)
        assert core.start_front(vad)
        for index in range(400):
            core.process(np.full(HOP, index, np.int16), HOP)
            time.sleep(0.0002)
        seen = -1
        while core.front().hops != seen:  # until it has come to rest
            seen = core.front().hops
            time.sleep(0.1)
        before = core.counters()
        assert before.captured == 400 * HOP == before.consumed + before.dropped + before.depth
        assert before.dropped > 0 and core.front().dropped > 0
        got = 0
        while (hops := core.read(0.0)) is not None:
            got += len(hops.near)
        after = core.counters()
        assert got == after.consumed and after.depth == 0 and after.captured == after.consumed + after.dropped
        core.close()

    def test_positions_count_on_over_lost_audio(self, vad: SileroNative, voice: Int16) -> None:
        """A ring of 200 ms that nobody empties for a second: what comes afterwards knows where it belongs, and is as it was spoken."""
        core = Core(RATE, HOP, capture_ms=200)
        core.start_front(vad, threaded=False)
        found = []
        for at in range(0, len(voice) - HOP + 1, HOP):
            core.process(voice[at:at + HOP], HOP)
            core.step_front()
            if not RATE <= at < 2 * RATE:
                while (hops := core.read(0.0)) is not None:
                    found.append(hops)
        jumps = [(a, b) for a, b in itertools.pairwise(found) if b.index != a.index + len(a.near)]
        assert len(jumps) == 1 and core.counters().dropped == jumps[0][1].index - jumps[0][0].index - len(jumps[0][0].near)
        for hops in found:
            clean = voice[hops.clean_index:hops.clean_index + len(hops.clean)] / np.float32(32768.0)
            np.testing.assert_array_equal(hops.clean, clean)
        truth = plain(vad, voice)
        for hops in found:
            first = hops.frame_index // FRAME
            np.testing.assert_allclose(hops.probabilities, truth[first:first + len(hops.probabilities)], atol=1e-6)
        core.close()

    def test_silence_stands_for_hops_that_the_device_s_side_dropped(self, vad: SileroNative) -> None:
        core = Core(RATE, HOP, capture_ms=200)
        core.start_front(vad, threaded=False)
        for _ in range(500):  # 5 s into a ring of 320 ms: the rest is dropped before the front end sees it
            core.process(np.full(HOP, 1000, np.int16), HOP)
        core.step_front()
        for _ in range(10):
            core.read(0.0)
            core.process(np.full(HOP, 2000, np.int16), HOP)
            core.step_front()
        last = None
        while (hops := core.read(0.0)) is not None:
            last = hops
        assert last is not None and last.clean is not None
        assert last.clean_index + len(last.clean) <= 510 * HOP < last.clean_index + len(last.clean) + 256
        np.testing.assert_allclose(last.clean[-100:], 2000 / 32768)
        core.close()

    def test_a_core_that_is_forgotten_ends_its_thread(self, vad: SileroNative) -> None:
        names = [Path(f"/proc/self/task/{task.name}/comm") for task in Path("/proc/self/task").iterdir()]
        before = sum(path.read_text().startswith("edgevoice-front") for path in names)
        core = Core(RATE, HOP)
        core.start_front(vad)
        del core
        names = [Path(f"/proc/self/task/{task.name}/comm") for task in Path("/proc/self/task").iterdir()]
        assert sum(path.read_text().startswith("edgevoice-front") for path in names) == before

    def test_an_engine_without_a_network_is_refused(self) -> None:
        core = Core(RATE, HOP)
        assert core.start_front(object()) is False
        core.process(None, HOP)
        hops = core.read(1.0)
        assert hops is not None and hops.clean is None


def test_a_muted_microphone_gives_zeros_to_all_and_the_canceller_forgets_nothing(vad: Any) -> None:
    """Zeros say nothing about the room: a filter that learned from them would let the echo through afterwards."""
    chance = np.random.default_rng(3)
    seconds = 12
    far = (2000 * chance.standard_normal(seconds * 16000)).astype(np.int16)
    path = np.zeros(1200, np.float32)
    path[800:] = chance.standard_normal(400) * np.exp(-np.arange(400) / 60.0) * 0.15
    near = np.convolve(far.astype(np.float32), path)[:len(far)].astype(np.int16)
    core = Core(16000, 160, capture_ms=1000, playback_ms=1000)
    core.start_front(vad, threaded=False)
    core.live.begin(1)
    left = []
    for at in range(0, len(far), 160):
        core.mute(6 * 16000 <= at < 9 * 16000)
        core.write(1, far[at:at + 160])
        core.process(near[at:at + 160], 160)
        core.step_front()
        hops = core.read(0)
        left.append(hops.clean)
        if core.muted:
            assert not hops.near.any()
    clean = np.concatenate(left)
    block = 256
    muted = clean[6 * 16000 + block:9 * 16000 - block]
    assert not muted.any()

    def power(sound: np.ndarray) -> float:
        return float(np.mean(np.square(sound, dtype=np.float64)))

    before, after = power(clean[5 * 16000:6 * 16000 - block]), power(clean[9 * 16000 + 2 * block:9 * 16000 + 8000])
    assert after < 4 * before, "the filter is as good as it was"
    core.close()
