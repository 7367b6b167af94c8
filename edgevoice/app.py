"""The composition root: the only place that knows concrete classes.

Everything is built here from settings, in one order, and taken down in the opposite one.  Loading engines is the slow part of a start, so
they are loaded side by side; a failure of one names it and ends the start.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import dataclasses
import functools
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgevoice import rt
from edgevoice.audio import read, to_int16
from edgevoice.clock import Clock, MonotonicClock
from edgevoice.engines.protocols import Llm, Stt, Tts, TurnEnd, Vad, WakeWord
from edgevoice.errors import EngineError, ModelError
from edgevoice.models import find
from edgevoice.pipeline.care import Loader
from edgevoice.pipeline.engines import Engines
from edgevoice.pipeline.lending import Lender, Loans
from edgevoice.pipeline.rules import safety_of, toolbox_of
from edgevoice.rt import Core
from edgevoice.rt.contract import Device
from edgevoice.settings import Settings
from edgevoice.trace import Trace

if TYPE_CHECKING:
    from edgevoice.adapters.wyoming.offered import Offered

_log = logging.getLogger(__name__)

Progress = Callable[[str], None]

_SPARED = "turn end"
"""the engine that a conversation can do without"""

_FAR_WAKE = "wake word at the loudspeaker"

PASSING_ROWS = 1000
"""of a trace that is only listened to: half a minute"""


def load_vad(settings: Settings) -> Vad:
    from edgevoice.engines import vad

    return vad.load(settings.vad, find(settings.paths, settings.vad.model))


def load_wake(settings: Settings, *, far_end: bool = False) -> WakeWord:
    """One that can be exchanged (``ExchangeableWake``), for what ``open_wake`` makes of other settings."""
    from edgevoice.engines.exchange import ExchangeableWake

    return ExchangeableWake(open_wake(settings, far_end=far_end))


def open_wake(settings: Settings, *, far_end: bool = False) -> WakeWord:
    """``far_end``: the one that listens to the loudspeaker, so that the device does not wake itself."""
    from edgevoice.engines import wake

    model = settings.wake.keyword_model
    return wake.load(settings.wake, find(settings.paths, model) if settings.wake.keywords and model else None, far_end=far_end,
                     primed=not far_end)


def load_turn_end(settings: Settings) -> TurnEnd:
    from edgevoice.engines import turn_end

    return turn_end.load(find(settings.paths, settings.dialog.turn_model))


def load_stt(settings: Settings) -> Stt:
    from edgevoice.engines import stt

    final = settings.stt.final_model
    return stt.load(settings.stt, find(settings.paths, settings.stt.model), find(settings.paths, final) if final else None)


def load_llm(settings: Settings) -> Llm:
    from edgevoice.engines import llm

    return llm.load(settings.llm, find(settings.paths, settings.llm.model))


def load_tts(settings: Settings) -> Tts:
    from edgevoice.engines import tts

    return tts.load(settings.tts, find(settings.paths, settings.tts.model))


def make_lender(settings: Settings, wanted: Callable[[], bool]) -> Lender:
    """Engines of its own, each loaded when it is first asked for; ``wanted``: whether the device itself needs the machine now."""
    aside = dataclasses.replace(settings, llm=dataclasses.replace(settings.llm, system_prompt="", prompt_cache=False))
    return Lender(Loans(stt=functools.partial(load_stt, settings), llm=functools.partial(load_llm, aside),
                        tts=functools.partial(load_tts, settings)), settings, wanted)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""glibc's malloc.h"""


def spare_memory() -> None:
    """Let glibc give back what engines free, instead of keeping the largest moment of each thread: over 24 questions the process
    stays about 45 MiB smaller.  Before the first thread that allocates; elsewhere than on glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, 1 << 20)
        mallopt(_M_TRIM_THRESHOLD, 4 << 20)


def load_engines(settings: Settings, progress: Progress = lambda _: None) -> Engines:
    """All engines of a conversation; ``progress`` is told each as it is ready.  Raises the first failure, in a fixed order.

    Without a turn-end model turns end by words and silence: a line in the log, once all that is needed is there.
    """
    safety_of(settings.safety)  # whoever wrote a rule that is none shall not wait for the engines to be told
    toolbox_of(settings)
    spare_memory()
    started = time.monotonic()

    def timed(name: str, load: Callable[[Settings], object]) -> object:
        engine = load(settings)
        if name != _FAR_WAKE:
            progress(f"{name} ready after {time.monotonic() - started:.1f} s")
        return engine

    # The packages are imported one after another first: two threads importing numpy's dependants at once deadlock on import locks.
    jobs: list[tuple[str, Callable[[Settings], object]]] = [
        ("speech synthesis", load_tts), ("language model", load_llm), ("speech recognition", load_stt), ("voice activity", load_vad)]
    if settings.wake.enabled:
        jobs += [("wake word", load_wake), (_FAR_WAKE, lambda settings: load_wake(settings, far_end=True))]
    if settings.dialog.hears_turn_ends:
        jobs.append((_SPARED, load_turn_end))
    with concurrent.futures.ThreadPoolExecutor(len(jobs), "edgevoice-load") as pool:
        futures = {name: pool.submit(timed, name, load) for name, load in jobs}
    made = {}
    failure: BaseException | None = None
    spared: BaseException | None = None
    for name, future in futures.items():
        error = future.exception()
        if error is None:
            made[name] = future.result()
        elif name == _SPARED and isinstance(error, (ModelError, EngineError)):
            spared = error
        elif failure is None:
            failure = error
    if failure is not None:
        for engine in made.values():
            engine.close()  # type: ignore[attr-defined]
        raise failure
    if spared is not None:
        _log.warning("the end of a turn is told by words and silence alone: %s", spared)
    return Engines(vad=made["voice activity"], stt=made["speech recognition"], llm=made["language model"],  # type: ignore[arg-type]
                   tts=made["speech synthesis"], wake=made.get("wake word"),  # type: ignore[arg-type]
                   far_wake=made.get(_FAR_WAKE),  # type: ignore[arg-type]
                   turn_end=made.get(_SPARED))  # type: ignore[arg-type]


def loaders(settings: Settings) -> dict[str, Loader]:
    """How to get an engine in place of one that hangs or fails, by the names of ``pipeline.care``."""
    models: list[tuple[str, Callable[[Settings], Any], str]] = [
        ("stt", load_stt, settings.stt.model), ("llm", load_llm, settings.llm.model), ("tts", load_tts, settings.tts.model)]
    if settings.dialog.hears_turn_ends:
        models.append(("turn", load_turn_end, settings.dialog.turn_model))
    return {name: Loader(functools.partial(load, settings), _size(find(settings.paths, model))) for name, load, model in models}


def _size(model: Path) -> int:
    """Bytes of memory, about: the files, and half as much to work in."""
    files = [model] if model.is_file() else [path for path in model.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files) * 3 // 2


def make_core(settings: Settings) -> Core:
    audio = settings.audio
    core = rt.make_core(audio.rate, audio.hop_ms, capture_ms=audio.capture_ms, playback_ms=audio.playback_ms, volume=audio.volume)
    volumes: dict[rt.Channel, float] = {"voice": audio.voice_volume, "announcement": audio.announcement_volume,
                                        "alarm": audio.alarm_volume, "earcon": audio.earcon_volume}
    for channel, gain in volumes.items():
        core.set_volume(gain, channel)
    core.set_ducking(10 ** (audio.duck_db / 20))
    core.mute(audio.muted)
    return core


def make_device(settings: Settings, core: Core) -> Device:
    """The sound card that the settings name; a scripted device is made by whoever scripts it."""
    audio = settings.audio
    if audio.backend == "virtual":
        heard = to_int16(read(audio.input, audio.rate)) if audio.input else None
        return rt.ScriptedDevice(core, noise=heard, max_seconds=0.0)  # what it plays is not kept
    make = rt.PyAudioDevice if audio.backend == "pyaudio" else rt.PortAudioDevice
    return make(core, input=audio.input, output=audio.output, latency_ms=audio.latency_ms, channels=audio.channels,
                channel=audio.channel, clocks=audio.clocks)


def fit_rate(settings: Settings) -> Settings:
    """With a device rate that the sound cards can do, where they cannot do the one that is set: the core resamples either way."""
    audio = settings.audio
    rate = rt.rate_for(audio.rate, audio.input, audio.output) if audio.backend == "portaudio" else audio.rate
    return settings if rate == audio.rate else dataclasses.replace(settings, audio=dataclasses.replace(audio, rate=rate))


def make_trace(settings: Settings, clock: Clock | None = None, *, kept: bool = True) -> tuple[Trace, Clock]:
    """``kept``: whether anybody will ask for all that happened; otherwise, as in a daemon that runs for weeks, only the last of it."""
    clock = clock or MonotonicClock()
    return (Trace(clock) if kept else Trace(clock, PASSING_ROWS)), clock


def offered(settings: Settings) -> Offered:
    """What a Wyoming client is told: what is installed, and which of it is lent."""
    from edgevoice.adapters.wyoming.offered import Model, Offered
    from edgevoice.engines import wake
    from edgevoice.models import Store, catalogue, default_root, inventory

    store = Store(default_root(settings.paths))
    versions = inventory.versions(store, {"stt": settings.stt.model, "tts": settings.tts.model})

    def model(part: str, name: str) -> Model:
        entry = catalogue.get(name)
        language = next((piece for piece in re.split("[-_]", Path(name).name) if len(piece) == 2 and piece.isalpha()), "en")
        if entry is None:
            return Model(Path(name).name, Path(name).name, versions[part], (language,), "unknown")
        return Model(name, f"{entry.summary} ({entry.licence})", versions[part], (language,), str(entry.origins[0]))

    words = wake.about(settings.wake) if settings.wake.enabled else []
    wyoming, lends = settings.wyoming, settings.lend.enabled
    return Offered(metadata.version("edgevoice"), model("stt", settings.stt.model) if lends else None,
                   model("tts", settings.tts.model) if lends else None,
                   [Model(word.name, word.phrase, "", word.languages or ("en",), word.author or "unknown", word.website, word.phrase)
                    for word in words],
                   satellite=wyoming.satellite, name=settings.mqtt.id or socket.gethostname(), area=wyoming.area)


def announce(trace: Trace, settings: Settings, sample: int) -> None:
    """The trace's first row: what ran, and which device frame its time belongs to."""
    trace.emit("session", sample=sample, rate=settings.audio.rate, version=metadata.version("edgevoice"),
               models={"vad": settings.vad.model, "stt": settings.stt.model, "llm": settings.llm.model, "tts": settings.tts.model},
               wake=list(settings.wake.words) if settings.wake.enabled else [])


@contextlib.contextmanager
def running(device: Device) -> Iterator[None]:
    device.start()
    try:
        yield
    finally:
        device.stop()


