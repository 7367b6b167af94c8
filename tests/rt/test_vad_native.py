"""The voice-activity network in C: the same probabilities as onnxruntime and as the formulas, on every kernel and for any samples."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from edgevoice.audio import read
from edgevoice.engines.protocols import SPEECH_RATE, Float32
from edgevoice.engines.silero import MODEL_FILE, SileroVad
from edgevoice.engines.silero_native import SileroNative, load_net
from edgevoice.engines.silero_weights import read_weights
from edgevoice.errors import EdgeVoiceError, EngineError, ModelError
from edgevoice.models import find
from edgevoice.rt._vad import Net, Stream, kernels
from edgevoice.settings import PathSettings
from tests.fakes.silero_file import onnx, random_weights

EXT = Path(__file__).resolve().parents[2] / "ext"
SOURCES = ["vad", "vad_scalar", "vad_vector", "vad_neon", "vad_avx2"]
COMPILERS = [name for name in ("cc", "gcc", "clang") if shutil.which(name)]
FRAME = 512
PROMISED = 1e-3
"""what onnxruntime and we may differ by on real audio"""
USUAL = 1e-4
"""what they do differ by: 3.4e-5 at worst in 35 minutes of it; kernels differ from each other by less"""
ALLOWED = re.compile(r"ev_vad_\w+|mem(cpy|move|set)|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail")
ONCE = re.compile(r"cos|sin|sincos|__cpu_(model|indicator_init)")
"""what only ev_vad_net_init may use: the tables and the choice of a kernel"""


@pytest.fixture(scope="module")
def model() -> Path:
    try:
        return find(PathSettings(), "silero-vad") / MODEL_FILE
    except EdgeVoiceError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def speech(shared: Path) -> list[Float32]:
    """Every labelled utterance, the pairs with echo, and half a minute of a kitchen."""
    folder = shared / "audio"
    files = sorted([*(folder / "stt").glob("*.flac"), *(folder / "echo").glob("*.flac")])
    kitchen = next((folder / "noise").glob("*.flac"))
    return [*(read(path, rate=SPEECH_RATE) for path in files), read(kitchen, rate=SPEECH_RATE)[:30 * SPEECH_RATE]]


@pytest.fixture(scope="module")
def truth(model: Path, speech: list[Float32]) -> list[Float32]:
    vad = SileroVad(model)
    return [probabilities(vad, clip) for clip in speech]


@pytest.fixture(scope="module")
def net() -> Net:
    return Net(random_weights().values())


@pytest.fixture(scope="module")
def clip() -> Float32:
    """Three seconds of something between speech and noise, with pauses."""
    rng = np.random.default_rng(2)
    t = np.arange(3 * SPEECH_RATE) / SPEECH_RATE
    hum = sum(np.sin(2 * np.pi * k * 140 * t + k) / k for k in range(1, 20))
    return np.asarray((0.1 * hum + 0.05 * rng.normal(size=t.size)) * (np.sin(2 * np.pi * 1.5 * t) > -0.3), np.float32)


def probabilities(vad: SileroVad | SileroNative | Stream, samples: np.ndarray) -> Float32:
    vad.reset()
    return np.array([vad.process(samples[i:i + FRAME]) for i in range(0, len(samples) - FRAME + 1, FRAME)], np.float32)


def by_the_formulas(weights: dict[str, Float32], samples: Float32) -> Float32:
    """The network in float64, straight from its definition."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    context, hidden, cell = np.zeros(64), np.zeros(128), np.zeros(128)
    made = []
    for i in range(0, len(samples) - FRAME + 1, FRAME):
        x = np.concatenate([context, samples[i:i + FRAME]])
        context = x[-64:]
        x = np.pad(x, (0, 64), mode="reflect")
        spectrum = np.stack([w["stft.forward_basis_buffer"][:, 0] @ x[t:t + 256] for t in range(0, 512, 128)], axis=1)
        y = np.hypot(spectrum[:129], spectrum[129:])
        for layer, stride in enumerate((1, 2, 2, 1)):
            padded = np.pad(y, ((0, 0), (1, 1)))
            kernel = w[f"encoder.{layer}.reparam_conv.weight"]
            columns = [np.tensordot(kernel, padded[:, t:t + 3], 2) for t in range(0, y.shape[1], stride)]
            y = np.maximum(np.stack(columns, axis=1) + w[f"encoder.{layer}.reparam_conv.bias"][:, None], 0)
        gates = (w["decoder.rnn.weight_ih"] @ y[:, 0] + w["decoder.rnn.bias_ih"]
                 + w["decoder.rnn.weight_hh"] @ hidden + w["decoder.rnn.bias_hh"]).reshape(4, 128)
        into, keep, out = 1 / (1 + np.exp(-gates[[0, 1, 3]]))
        cell = keep * cell + into * np.tanh(gates[2])
        hidden = out * np.tanh(cell)
        logit = w["decoder.decoder.2.weight"][0, :, 0] @ np.maximum(hidden, 0) + w["decoder.decoder.2.bias"][0]
        made.append(1 / (1 + np.exp(-logit)))
    return np.array(made, np.float32)


class TestTheSameProbabilities:
    @pytest.mark.parametrize("kernel", kernels())
    def test_as_onnxruntime_on_every_frame_of_real_audio(self, kernel: str, model: Path, speech: list[Float32],
                                                         truth: list[Float32]) -> None:
        vad = SileroNative(model, kernel)
        assert vad.net.kernel == kernel
        worst = max(float(np.abs(probabilities(vad, clip) - right).max()) for clip, right in zip(speech, truth, strict=True))
        assert sum(len(right) for right in truth) > 6000
        assert worst < USUAL < PROMISED

    @pytest.mark.parametrize("kernel", kernels())
    def test_as_the_formulas_for_any_weights(self, kernel: str, clip: Float32) -> None:
        for seed in (1, 2):
            weights = random_weights(seed)
            right = by_the_formulas(weights, clip)
            assert np.ptp(right) > 0.01  # it does depend on the audio
            np.testing.assert_allclose(probabilities(Stream(Net(weights.values(), kernel)), clip), right, rtol=0, atol=1e-5)

    def test_as_onnxruntime_where_the_signal_is_clipped_or_too_loud(self, model: Path, speech: list[Float32]) -> None:
        theirs, ours = SileroVad(model), SileroNative(model)
        loudest = max(speech, key=lambda clip: float(np.abs(clip).max()))
        for gain, limit in ((20.0, 1.0), (1e4, 1.0), (10.0, 30.0)):
            distorted = np.clip(loudest * np.float32(gain), -limit, limit).astype(np.float32)
            np.testing.assert_allclose(probabilities(ours, distorted), probabilities(theirs, distorted), rtol=0, atol=USUAL)

    def test_int16_is_float_by_32768(self, net: Net, clip: Float32) -> None:
        whole = np.round(clip * 32767).astype(np.int16)
        whole[:4] = [-32768, 32767, 0, 1]
        np.testing.assert_array_equal(probabilities(Stream(net), whole), probabilities(Stream(net), (whole / 32768).astype(np.float32)))

    def test_a_view_with_gaps_is_read_as_what_it_shows(self, net: Net, clip: Float32) -> None:
        stereo = np.stack([clip, -3 * clip], axis=1)
        np.testing.assert_array_equal(probabilities(Stream(net), stereo[:, 0]), probabilities(Stream(net), clip))


class TestState:
    def test_reset_forgets_all(self, net: Net, clip: Float32) -> None:
        stream = Stream(net)
        fresh = probabilities(stream, clip)
        again = np.array([stream.process(clip[i:i + FRAME]) for i in range(0, len(clip) - FRAME + 1, FRAME)], np.float32)
        assert np.abs(again - fresh).max() > 1e-6  # without a reset the first frames know what came before
        np.testing.assert_array_equal(probabilities(stream, clip), fresh)

    def test_streams_of_one_net_do_not_meet(self, net: Net, clip: Float32) -> None:
        clips = [clip * np.float32(gain) for gain in (0.1, 0.5, 1.0, 2.0)]
        alone = [probabilities(Stream(net), each) for each in clips]
        made: dict[int, list[Float32]] = {i: [] for i in range(len(clips))}

        def work(i: int) -> None:
            stream = Stream(net)
            made[i].extend(probabilities(stream, clips[i]) for _ in range(20))

        threads = [threading.Thread(target=work, args=(i,)) for i in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i, runs in made.items():
            assert len(runs) == 20
            for run in runs:
                np.testing.assert_array_equal(run, alone[i])

    def test_a_stream_keeps_its_net_alive(self, clip: Float32) -> None:
        weights = random_weights(7)
        stream = Stream(Net(weights.values()))
        right = by_the_formulas(weights, clip)
        del weights
        np.testing.assert_allclose(probabilities(stream, clip), right, rtol=0, atol=1e-5)


class TestHostileSamples:
    @pytest.mark.parametrize("kernel", kernels())
    def test_nan_and_denormals_are_silence_and_the_rest_is_clipped(self, kernel: str, clip: Float32) -> None:
        net = Net(random_weights().values(), kernel)

        def after(frame: Float32) -> Float32:
            """What is said of a frame and of ordinary audio around it."""
            return probabilities(Stream(net), np.concatenate([clip[:FRAME * 10], frame, clip[FRAME * 10:]]))

        zeros = np.zeros(FRAME, np.float32)
        for silent in (np.nan, 1e-40, -1e-45, 9e-11):
            np.testing.assert_array_equal(after(np.full(FRAME, silent, np.float32)), after(zeros), err_msg=str(silent))
        for loud in (np.inf, 1e38, 33.0):
            for sign in (1, -1):
                limit = np.full(FRAME, sign * 32.0, np.float32)
                np.testing.assert_array_equal(after(np.full(FRAME, sign * loud, np.float32)), after(limit))
        one = clip[:FRAME].copy()
        one[100] = np.nan
        zero = clip[:FRAME].copy()
        zero[100] = 0
        np.testing.assert_array_equal(after(one), after(zero))

    @pytest.mark.parametrize("kernel", kernels())
    def test_any_bits_give_a_probability_and_leave_no_trace_after_a_reset(self, kernel: str, clip: Float32) -> None:
        stream = Stream(Net(random_weights().values(), kernel))
        fresh = probabilities(stream, clip)
        rng = np.random.default_rng(11)
        for _ in range(200):
            probability = stream.process(np.frombuffer(rng.bytes(4 * FRAME), np.float32))
            assert 0.0 <= probability <= 1.0
        extreme = rng.choice(np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 3e38, 1e-45], np.float32), (200, FRAME))
        assert all(0.0 <= stream.process(frame) <= 1.0 for frame in extreme)
        settled = [stream.process(np.zeros(FRAME, np.float32)) for _ in range(20)]
        assert np.isfinite(settled).all()
        np.testing.assert_array_equal(probabilities(stream, clip), fresh)

    def test_long_silence_and_constant_level_stay_in_range(self, model: Path) -> None:
        theirs, ours = SileroVad(model), SileroNative(model)
        for level in (0.0, 1.0, -1.0):
            samples = np.full(FRAME * 500, level, np.float32)
            np.testing.assert_allclose(probabilities(ours, samples), probabilities(theirs, samples), rtol=0, atol=USUAL)


class TestRefusals:
    @pytest.mark.parametrize("frame", [
        np.zeros(511, np.float32), np.zeros((1, 512), np.float32), np.zeros(0, np.float32), [0.0] * 512, None])
    def test_another_shape_is_refused(self, net: Net, frame: object) -> None:
        with pytest.raises(ValueError, match=r"a frame of shape .*: wants \(512,\)"):
            Stream(net).process(frame)  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", [np.float64, np.int32, np.uint8, np.complex64])
    def test_another_type_is_refused(self, net: Net, kind: type) -> None:
        with pytest.raises(ValueError, match=f"a frame of {np.dtype(kind)}: wants float32 or int16"):
            Stream(net).process(np.zeros(FRAME, kind))

    def test_a_kernel_of_another_machine_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / MODEL_FILE
        path.write_bytes(onnx(random_weights()))
        absent = "neon" if "neon" not in kernels() else "avx2"
        for name in (absent, "", "AVX2"):
            with pytest.raises(ValueError, match=f"no voice-activity kernel '{name}' here: there are best, scalar"):
                load_net(path, name)
            with pytest.raises(ValueError, match=f"no voice-activity kernel '{name}'"):
                Net(random_weights().values(), name)
        assert load_net(path).kernel == kernels()[-1]

    def test_weights_of_other_sizes_are_refused(self) -> None:
        arrays = list(random_weights().values())
        for wrong in (arrays[:-1], [*arrays[:-1], np.zeros(2, np.float32)], []):
            with pytest.raises(ValueError, match="weights of sizes"):
                Net(wrong)

    @pytest.mark.parametrize("kind", ["no window", "another transform"])
    def test_a_basis_that_is_no_fourier_basis_is_refused_by_name(self, kind: str, tmp_path: Path) -> None:
        weights = random_weights()
        basis = weights["stft.forward_basis_buffer"]
        if kind == "no window":
            basis[:] = 1
        else:
            basis[200, 0, 77] += 2e-5
        path = tmp_path / MODEL_FILE
        path.write_bytes(onnx(weights))
        with pytest.raises(ModelError, match=f"{path}: not the Silero VAD network for 16 kHz: .*Fourier"):
            SileroNative(path)

    def test_an_absent_file_says_how_to_get_it(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"no such file .*edgevoice models pull silero-vad"):
            SileroNative(tmp_path / MODEL_FILE)

    def test_closed_is_closed(self, tmp_path: Path) -> None:
        path = tmp_path / MODEL_FILE
        path.write_bytes(onnx(random_weights()))
        vad = SileroNative(path)
        vad.close()
        vad.close()
        vad.reset()
        with pytest.raises(EngineError, match="closed"):
            vad.process(np.zeros(FRAME, np.float32))


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_the_objects_call_nothing_that_waits_or_allocates(compiler: str, level: str, tmp_path: Path) -> None:
    symbols: dict[str, set[str]] = {}
    for name in SOURCES:
        made = tmp_path / f"{name}.o"
        subprocess.run([compiler, "-std=c11", level, "-Wall", "-Wextra", "-Werror", "-fPIC", "-c", EXT / f"{name}.c", "-o", made],
                       check=True)
        listed = subprocess.run(["nm", "-u", "-P", made], check=True, capture_output=True, text=True).stdout
        symbols[name] = {line.split()[0] for line in listed.splitlines() if " U" in line}
    assert "ev_vad_forward_scalar" in symbols["vad"]
    for name, used in symbols.items():
        unknown = {symbol for symbol in used if not ALLOWED.fullmatch(symbol) and not (name == "vad" and ONCE.fullmatch(symbol))}
        assert not unknown, name


def build(folder: Path, compiler: str, *flags: str) -> Path:
    program = folder / "vad_drive"
    sources = [EXT / f"{name}.c" for name in SOURCES]
    subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", *flags, *sources, EXT / "tests" / "vad_drive.c", "-o", program, "-lm"],
                   check=True)
    return program


def drive(command: list[str | Path], audio: np.ndarray) -> Float32:
    result = subprocess.run([*command, "int16" if audio.dtype == np.int16 else "float"], input=audio.tobytes(), capture_output=True,
                            timeout=300)
    assert result.returncode == 0 and not result.stderr, result.stderr.decode(errors="replace")
    return np.frombuffer(result.stdout, np.float32)


def blob(folder: Path, weights: dict[str, Float32]) -> Path:
    path = folder / "weights"
    path.write_bytes(b"".join(array.tobytes() for array in weights.values()))
    return path


@pytest.mark.sanitizer
@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
def test_sanitizers_find_nothing(tmp_path: Path, clip: Float32) -> None:
    weights = random_weights()
    program = build(tmp_path, COMPILERS[0], "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    place = blob(tmp_path, weights)
    garbage = np.frombuffer(np.random.default_rng(3).bytes(4 * FRAME * 50), np.float32)
    whole = np.random.default_rng(4).integers(-32768, 32768, FRAME * 50).astype(np.int16)
    right = by_the_formulas(weights, clip)
    for kernel in (*kernels(), "best"):
        np.testing.assert_allclose(drive([program, place, kernel], clip), right, rtol=0, atol=1e-5)
        assert ((made := drive([program, place, kernel], garbage)) >= 0).all() and (made <= 1).all() and len(made) == 50
        assert len(drive([program, place, kernel], whole)) == 50


@pytest.mark.skipif(not shutil.which("aarch64-linux-gnu-gcc") or not shutil.which("qemu-aarch64-static"),
                    reason="no cross compiler for arm64 (apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)")
def test_arm64_says_the_same_under_emulation(tmp_path: Path, clip: Float32) -> None:
    weights = random_weights()
    program = build(tmp_path, "aarch64-linux-gnu-gcc", "-O2", "-static")
    place = blob(tmp_path, weights)
    right = by_the_formulas(weights, clip)
    for kernel in ("neon", "vector", "scalar", "best"):
        np.testing.assert_allclose(drive(["qemu-aarch64-static", program, place, kernel], clip), right, rtol=0, atol=1e-5)
    audio = np.frombuffer(np.random.default_rng(3).bytes(4 * FRAME * 20), np.float32)
    assert np.isfinite(drive(["qemu-aarch64-static", program, place, "neon"], audio)).all()


def test_speech_is_told_from_silence(model: Path, shared: Path) -> None:
    """Not only equal, but right: sure inside the labelled utterances, sure of nothing outside."""
    vad = SileroNative(model)
    folder = shared / "audio" / "commands"
    edges = json.loads((folder / "edges.json").read_text())
    inside, outside = [], []
    for name in sorted(edges)[:15]:
        said = probabilities(vad, read(folder / name, rate=SPEECH_RATE))
        middle = (np.arange(len(said)) + 0.5) * FRAME / SPEECH_RATE
        speaking = np.any([(middle > start) & (middle < end) for start, end in edges[name]], axis=0)
        near = np.any([(middle > start - 0.3) & (middle < end + 0.3) for start, end in edges[name]], axis=0)
        inside += list(said[speaking])
        outside += list(said[~near])
    assert np.median(inside) > 0.9 and np.median(outside) < 0.1
    assert len(read_weights(model)) == 15
