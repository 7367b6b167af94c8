"""Try a model: load it in its engine and do one tiny real run, in a child process.

Theory: sherpa-onnx ends the whole process on a bad file (``exit(255)``, no exception), llama.cpp may abort on one, and a model may need
more memory than there is; so a model is accepted only after a child process has run it.  The child prints one JSON line of
facts on success.  The engines' packages are used directly, not through ``edgevoice.engines``, so that a fault is the model's own.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgevoice.engines import llama_kernels
from edgevoice.errors import EngineError, ModelError
from edgevoice.models import child, families

DEADLINE_S = 240.0
"""A 1 GB model read from an SD card at 20 MB/s takes 50 s before it runs at all."""
MISSING = 3
"""The child's exit code for an engine's package that is not installed."""
REFUSED = 4
"""The child's exit code for a model that loads but does not do what its family does."""

SMALLEST_VOCABULARY = 1000
"""Moonshine's have 32,768 tokens; far below that a file was cut."""

Facts = dict[str, Any]


def attempt(family: str, folder: Path, *, keep_fds: Sequence[int] = (), deadline_s: float = DEADLINE_S) -> Facts:
    """Run the model in a child; what it measured.  ``ModelError`` if it is no good, ``EngineError`` if its engine is missing."""
    ended = child.run("edgevoice.models.trial", [family, str(folder)], deadline_s=deadline_s, keep_fds=keep_fds)
    if ended.code == 0 and not ended.timed_out:
        facts: Facts = json.loads(ended.stdout.strip().splitlines()[-1])
        return facts
    if ended.code == MISSING:
        package = ended.stderr.strip().splitlines()[-1]
        raise EngineError(f"a {family} model cannot be tried without the package {package}: install it with `pip install {package}`")
    reason = ended.last_line() if ended.code == REFUSED else ended.reason()
    raise ModelError(f"the engine refused it as a {family} model in a trial run: {reason}")


class _Refused(Exception):
    """The model ran and its result is not what its family gives."""


def _silero(folder: Path) -> Facts:
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "silero_vad_16k_op15.onnx"), providers=["CPUExecutionProvider"])
    state = np.zeros((2, 1, 128), np.float32)
    probability = np.zeros(1)
    for _ in range(8):
        frame = np.zeros((1, 64 + 512), np.float32)
        probability, state = session.run(None, {"input": frame, "state": state, "sr": np.array(16000, np.int64)})
    value = float(probability.reshape(-1)[0])
    if not 0.0 <= value < 0.5:
        raise _Refused(f"it takes silence for speech with a probability of {value}")
    return {"silence": value}


def _smart_turn(folder: Path) -> Facts:
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(next(folder.glob("smart-turn-v3*.onnx"))), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input_features": np.full((1, 80, 800), -1.0, np.float32)})
    value = float(np.asarray(found).reshape(-1)[0])
    if not 0.0 <= value <= 1.0:
        raise _Refused(f"for silence it returns {value}, which is no probability")
    return {"silence": round(value, 4)}


def _moonshine(folder: Path) -> Facts:
    import sherpa_onnx

    _check_vocabulary(folder / "tokens.txt")
    recognizer = sherpa_onnx.OfflineRecognizer.from_moonshine_v2(
        encoder=str(folder / "encoder_model.ort"), decoder=str(folder / "decoder_model_merged.ort"), tokens=str(folder / "tokens.txt"))
    stream = recognizer.create_stream()
    stream.accept_waveform(16000, _murmur(16000))
    recognizer.decode_stream(stream)
    return {"heard": str(stream.result.text)}


def _zipformer(folder: Path) -> Facts:
    import sherpa_onnx

    roles = _roles("zipformer-transducer", folder)
    recognizer = sherpa_onnx.OnlineRecognizer.from_transducer(
        tokens=roles["tokens"], encoder=roles["encoder"], decoder=roles["decoder"], joiner=roles["joiner"], num_threads=1)
    stream = recognizer.create_stream()
    stream.accept_waveform(16000, _murmur(16000))
    stream.input_finished()
    while recognizer.is_ready(stream):
        recognizer.decode_stream(stream)
    return {"heard": str(recognizer.get_result(stream))}


def _piper(folder: Path) -> Facts:
    import unicodedata

    import sherpa_onnx

    declared = int(json.loads((folder / "config.json").read_text(encoding="utf-8"))["audio"]["sample_rate"])
    vits = sherpa_onnx.OfflineTtsVitsModelConfig(model=str(folder / "model.onnx"), tokens=str(folder / "tokens.txt"))
    tts = sherpa_onnx.OfflineTts(sherpa_onnx.OfflineTtsConfig(model=sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=1)))
    how = sherpa_onnx.GenerationConfig()
    how.phoneme_codepoints = [[ord(letter) for letter in unicodedata.normalize("NFD", "tˈɛst.")]]
    audio = tts.generate("", how)
    seconds = len(audio.samples) / tts.sample_rate
    if tts.sample_rate != declared:
        raise _Refused(f"it says {tts.sample_rate} Hz, its config.json {declared}")
    if not (0.1 < seconds < 5.0 and max(abs(sample) for sample in audio.samples) > 0.01):
        raise _Refused(f"for one syllable it makes {seconds:.2f} s of sound, or silence")
    return {"rate": tts.sample_rate, "speakers": tts.num_speakers, "seconds": round(seconds, 3)}


def _gguf(folder: Path) -> Facts:
    import llama_cpp
    import numpy as np

    llama_kernels.load()
    model = llama_cpp.Llama(str(folder / "model.gguf"), n_ctx=64, n_batch=32, n_threads=1, verbose=False)
    tokens = model.tokenize(b"Good morning", add_bos=True)
    model.eval(tokens)
    # the context's own row: Llama.scores holds every position only where logits_all is asked for
    logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), shape=(model.n_vocab(),))
    if not np.isfinite(logits).all():
        raise _Refused("its logits are not finite")
    facts = {"parameters": int(llama_cpp.llama_model_n_params(model.model)), "vocabulary": int(model.n_vocab()),
             "trained_context": int(llama_cpp.llama_model_n_ctx_train(model.model)), "next": int(logits.argmax())}
    model.close()
    return facts


TRIALS: dict[str, Callable[[Path], Facts]] = {
    "silero": _silero,
    "smart-turn": _smart_turn,
    "moonshine-v2": _moonshine,
    "zipformer-transducer": _zipformer,
    "piper-vits": _piper,
    "gguf": _gguf,
}

_PACKAGES = {"sherpa_onnx": "sherpa-onnx", "onnxruntime": "onnxruntime", "llama_cpp": "llama-cpp-python", "numpy": "numpy"}


def _murmur(samples: int) -> list[float]:
    """Quiet noise that is the same everywhere (Knuth's linear congruence), as a list: sherpa-onnx takes lists fastest."""
    value, out = 1, []
    for _ in range(samples):
        value = (value * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append((value / 2**31 - 1.0) * 0.003)
    return out


def _check_vocabulary(path: Path) -> None:
    """``base64 id`` a line: with a wrong one the recognizer says nothing at all, and no error either."""
    try:
        pairs = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
        numbers = {int(number) for token, number in pairs if base64.b64decode(token, validate=True)}
    except ValueError as error:
        raise _Refused(f"{path.name} is no list of base64 tokens and numbers ({error})") from error
    if len(numbers) < SMALLEST_VOCABULARY:
        raise _Refused(f"{path.name} has {len(numbers)} tokens, too few for a language")


def _roles(family: str, folder: Path) -> dict[str, str]:
    known = families.get(family)
    filled = families.fill(known.installed, (path.name for path in folder.iterdir())) if known else None
    if filled is None:
        raise _Refused(f"{folder} lacks files of a {family} model")
    return {role: str(folder / name) for role, name in filled.items()}


def main(arguments: Sequence[str]) -> int:
    """In the child: family and folder to an exit code, with facts on stdout or a reason on stderr."""
    family, folder = arguments
    try:
        facts = TRIALS[family](Path(folder))
    except ModuleNotFoundError as error:
        print(_PACKAGES.get((error.name or "").split(".")[0], error.name), file=sys.stderr)
        return MISSING
    except Exception as error:  # noqa: BLE001 - the parent needs one line, whatever the engine throws
        print(f"{type(error).__name__}: {error}".replace("\n", " ") if not isinstance(error, _Refused) else error, file=sys.stderr)
        return REFUSED
    print(json.dumps(facts))
    return 0
