"""The daemon: a conversation with its sound card, its health and its edges, until it is stopped.

Law: edges come last and go first, and none of them can keep the conversation from starting, going on or ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import functools
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from edgevoice import journal
from edgevoice.adapters.sdnotify import Notifier
from edgevoice.errors import EXIT_OK, EXIT_RESTART, DeviceError, EngineError
from edgevoice.settings import MqttSettings, Settings

if TYPE_CHECKING:
    from edgevoice.adapters.house import House
    from edgevoice.adapters.http import HttpEdge
    from edgevoice.adapters.mqtt import MqttAdapter
    from edgevoice.adapters.mqtt.home import HomeLink
    from edgevoice.adapters.wyoming import WyomingEdge
    from edgevoice.controls import Controls
    from edgevoice.guests import Guests
    from edgevoice.household import Household
    from edgevoice.pipeline.lending import Lender
    from edgevoice.pipeline.session import Session
    from edgevoice.pipeline.sound_health import SoundHealth
    from edgevoice.rt import DeviceState, SupervisedDevice
    from edgevoice.timekeeper import Timekeeper
    from edgevoice.trace import Trace
    from edgevoice.update.life import Life

WATCH_S = 0.25
"""how often the device and the threads are looked at"""
HEALTH_S = 10.0
"""how often the sound path's health is told"""
FIRST_LOOK_S = 3.0
"""after the start, when there is something to tell of"""


class View(Protocol):
    """What is shown of the conversation; ``on_event`` never raises and never waits."""

    failure: Exception | None

    def on_event(self, row: dict[str, Any]) -> None: ...


def serve(settings: Settings, view: View, *, seconds: float | None = None, out: Path | None = None, config: Path | None = None,
          life: Life | None = None) -> int:
    """Run until SIGINT or SIGTERM, for ``seconds``, or until an edge asks for a restart; the exit code.  With ``out``, record both sides
    and write recording, trace and timeline there.  ``config`` is where the settings came from, ``life``
    what updates are told of."""
    faulthandler.enable()  # what every thread does when a watchdog's SIGABRT or a bug ends us
    return asyncio.run(_serve(settings, view, seconds, out, config, life))


async def _serve(settings: Settings, view: View, seconds: float | None, out: Path | None, config: Path | None, life: Life | None) -> int:
    from edgevoice import app
    from edgevoice.heartbeat import Beat, Heartbeat
    from edgevoice.household import Household
    from edgevoice.pipeline.rules import toolbox_of
    from edgevoice.pipeline.session import Session
    from edgevoice.recording import Recorder
    from edgevoice.rt import SupervisedDevice
    from edgevoice.update import running

    notifier = Notifier.of()
    notifier.status("starting")
    stop, restart = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    wanted = settings.audio.rate
    settings = app.fit_rate(settings)
    if settings.audio.rate != wanted:
        tell(f"the sound card cannot do {wanted} Hz; it runs at {settings.audio.rate} Hz and is resampled", journal.NOTICE)
    core = app.make_core(settings)
    try:
        card = app.make_device(settings, core)
        card.start()  # before the engines are loaded: who has no microphone shall not wait to be told
        card.stop()
    except DeviceError as error:
        tell(f"no sound yet: {error}; it is looked for until it comes", journal.WARNING)
    household = await asyncio.to_thread(Household.of, settings)
    engines = await asyncio.to_thread(app.load_engines, settings, tell)
    if stop.is_set():
        engines.close()
        core.close()
        return EXIT_OK
    trace, clock = app.make_trace(settings, kept=out is not None)
    trace.listen(view.on_event)
    if life is not None:
        trace.listen(life.on_event)
    device = SupervisedDevice(core, lambda: app.make_device(settings, core), lambda state: _sound_changed(trace, state))
    recorder = Recorder(settings.audio.rate) if out is not None else None
    timekeeper = _timekeeper(settings, trace)
    session = Session(core, engines, settings, trace, clock, tap=recorder.take if recorder else None, may_rest=True,
                      loaders=app.loaders(settings), skills=(*(timekeeper.skills if timekeeper else ()),
                                                             *((household.skill,) if household else ())),
                      tools=toolbox_of(settings))
    if timekeeper is not None:
        timekeeper.register(session.deeds)
    stuck: list[str] = []
    until = None if seconds is None else time.monotonic() + seconds

    def ask_restart() -> None:
        restart.set()
        stop.set()

    try:
        with app.running(device):
            await session.start()
            async with (edges(session, settings, trace, device, config=config, restart=ask_restart, household=household,
                              timekeeper=timekeeper, life=life) as made,
                        # After them, so that what rings at once is told to the house.
                        timekeeper.running(session) if timekeeper else contextlib.nullcontext(),
                        running.reloading(made.controls, tell),
                        running.updated(life, lambda: running.ways(session, made.controls, trace, timekeeper, settings, wanted,
                                                                   ask_restart), tell)):
                app.announce(trace, settings, core.counters().captured)
                how = f"say \"{settings.wake.words[0].replace('_', ' ')}\"" if settings.wake.enabled and settings.wake.words else "speak"
                front = core.front()
                if not core.locked or (front is not None and not front.fifo):
                    tell("no real-time rights here: sound may be lost while the machine is busy (allow RLIMIT_RTPRIO and RLIMIT_MEMLOCK; "
                         "the systemd unit does)", journal.WARNING)
                look = _Look(trace, lambda: session.sound(device.state))
                heartbeat = Heartbeat(notifier, settings.audio.rate, well=f"listening; {how}")
                tell(f"listening; {how}")
                while not stop.is_set() and (until is None or time.monotonic() < until):
                    heartbeat.look(Beat(core.counters(), session.failure, None if device.state.open else device.state.problem))
                    if life is not None and heartbeat.ready:
                        life.ready()
                    if not device.running:
                        raise EngineError("the thread that looks after the sound card ended by itself")
                    if session.failure is not None:
                        raise EngineError(session.failure)
                    if isinstance(view.failure, BrokenPipeError):
                        raise view.failure
                    look.now_and_then()
                    try:
                        await asyncio.wait_for(stop.wait(), WATCH_S)
                    except TimeoutError:
                        continue
    finally:
        notifier.stopping()
        stuck = await session.stop()
        core.close()
        if not stuck:
            session.close_engines()
    if recorder is not None and out is not None:
        recorder.write(out, trace.events())
    if stuck:
        raise EngineError(f"did not end within 3 s: {', '.join(stuck)}")
    if restart.is_set():
        tell("ends to be started afresh, as it was asked to", journal.NOTICE)
        return EXIT_RESTART
    return EXIT_OK


class Edges(NamedTuple):
    """Those that there are, and what they do with the device."""

    mqtt: MqttAdapter | None
    http: HttpEdge | None
    controls: Controls
    wyoming: WyomingEdge | None


@contextlib.asynccontextmanager
async def edges(session: Session, settings: Settings, trace: Trace, device: SupervisedDevice | None = None, *, config: Path | None = None,
                restart: Callable[[], None] | None = None, household: Household | None = None,
                timekeeper: Timekeeper | None = None, life: Life | None = None) -> Any:
    """Whatever the settings let the outside see and do, while the block runs; yields ``Edges``.  ``household``:
    the house that ``session`` is spoken to about; ``timekeeper``: its timers; ``life``: what updates are told of."""
    from edgevoice import app
    from edgevoice.adapters import metrics
    from edgevoice.controls import Controls
    from edgevoice.doers import Doers
    from edgevoice.engines.exchange import ExchangeableWake
    from edgevoice.guests import Guests
    from edgevoice.host import Host
    from edgevoice.pipeline.health import HealthMeter
    from edgevoice.pipeline.latencies import Latencies

    latencies = Latencies(session.rate)
    trace.listen(latencies.on_event)
    meter = HealthMeter(session, settings, trace.clock, latencies, Host(Path.cwd()), device=lambda: device.state if device else None,
                        versions=await asyncio.to_thread(_editions, settings))
    wake = session.wake if isinstance(session.wake, ExchangeableWake) else None
    far_wake = session.far_wake if isinstance(session.far_wake, ExchangeableWake) else None
    controls = Controls(session, settings, trace, meter, config=config, wake=wake, load_wake=app.open_wake, restart=restart,
                        far_wake=far_wake, load_far_wake=functools.partial(app.open_wake, far_end=True),
                        agenda=timekeeper.pending if timekeeper else None)
    link = None if household is None else _home_link(settings, household, session)
    mqtt = _mqtt(settings.mqtt, controls, link)
    Doers(controls, latencies, broker=mqtt is not None).register(session.deeds)
    if timekeeper is not None:
        meter.add("agenda", timekeeper.health)
    lender = _lender(settings, session)
    guests = Guests(settings, app.load_engines) if settings.http.enabled and settings.http.conversations else None
    http = _http(settings, controls, guests, lender)
    if life is not None:
        meter.add("update", life.health)
    wyoming = await _wyoming(settings, session, lender)
    if wyoming is not None:
        meter.add("wyoming", wyoming.health)
        wyoming.start()
    if http is not None:
        meter.add("http", http.health)
    if guests is not None:
        meter.add("conversations", lambda: (guests.health(), []))
    if http is not None:
        http.start()
    if mqtt is not None:
        meter.add("mqtt", mqtt.health)
        if session.tools is not None:
            session.tools.way = mqtt.outbox
        mqtt.start()
    files = settings.health
    exporter = None
    if files.json_file or files.prometheus_file:
        exporter = asyncio.create_task(metrics.export(
            meter.look, files.every_s, json_file=files.json_file, prometheus_file=files.prometheus_file))
    try:
        yield Edges(mqtt, http, controls, wyoming)
    finally:
        if exporter is not None:
            exporter.cancel()
        if lender is not None and not await asyncio.to_thread(lender.close):
            tell("an engine on loan did not end in time", journal.WARNING)
        if link is not None:
            link.close()
        if wyoming is not None and not await wyoming.stop():
            tell("Wyoming: it did not end in time", journal.WARNING)
        if http is not None and not await http.stop():
            tell("HTTP: it did not end in time", journal.WARNING)
        if mqtt is not None and not await mqtt.stop():
            tell("MQTT: the network did not let it say goodbye", journal.WARNING)


def _timekeeper(settings: Settings, trace: Trace) -> Timekeeper | None:
    """With what an earlier process left to it."""
    if not settings.skills.enabled:
        return None
    from edgevoice.clock import wall_clock
    from edgevoice.timekeeper import Timekeeper

    path = state_folder(settings.skills.folder) / "agenda.json"
    made = Timekeeper(path, wall_clock(settings.skills.timezone), trace.clock, trace, functools.partial(tell, priority=journal.WARNING))
    made.load()
    return made


def _editions(settings: Settings) -> dict[str, str]:
    from edgevoice.models import Store, default_root
    from edgevoice.models.inventory import versions

    return versions(Store(default_root(settings.paths)), {
        "vad": settings.vad.model, "stt": settings.stt.model, "llm": settings.llm.model, "tts": settings.tts.model,
        "turn": settings.dialog.turn_model})


def _mqtt(settings: MqttSettings, house: House, home: HomeLink | None) -> MqttAdapter | None:
    if not settings.host:
        return None
    from edgevoice.adapters.mqtt import MqttAdapter

    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    except OSError:  # the unit allows no such sockets
        tell("MQTT: this service has no network yet: now that mqtt.host is set, sudo edgevoice service install gives it one",
             journal.WARNING)
    return MqttAdapter(settings, house, folder=state_folder(settings.folder), told=functools.partial(tell, priority=journal.WARNING),
                       home=home)


def _home_link(settings: Settings, household: Household, session: Session) -> HomeLink:
    """The household's way to its house."""
    from edgevoice.adapters.mqtt.home import HomeLink

    link = HomeLink(household.house, prefix=settings.mqtt.discovery_prefix, own=settings.mqtt.prefix, learn=settings.home.learn,
                    confirm=tuple(settings.home.confirm), settled=household.talk.warm)
    household.keeper.way = link
    household.serve(session.deeds)
    return link


def _lender(settings: Settings, session: Session) -> Lender | None:
    """For the edges that lend the engines; nothing is loaded before somebody asks."""
    if not settings.lend.enabled:
        return None
    from edgevoice import app
    from edgevoice.dialog.table import State

    owing = (State.LISTENING, State.SPECULATING, State.THINKING, State.HOLDING)
    return app.make_lender(settings, lambda: session.machine.state in owing)


async def _wyoming(settings: Settings, session: Session, lender: Lender | None) -> WyomingEdge | None:
    if not settings.wyoming.enabled:
        return None
    from edgevoice import app
    from edgevoice.adapters.wyoming import WyomingEdge

    return WyomingEdge(settings.wyoming, session, await asyncio.to_thread(app.offered, settings), engines=lender,
                       detector=functools.partial(app.open_wake, settings), audio_s=settings.lend.audio_s,
                       words=(settings.dialog.first_chunk_words, settings.tts.max_chunk_words), told=tell)


def _http(settings: Settings, house: House, guests: Guests | None, lender: Lender | None) -> HttpEdge | None:
    if not settings.http.enabled:
        return None
    from edgevoice.adapters.http import HttpEdge
    from edgevoice.adapters.http.openai import OpenAi

    return HttpEdge(settings.http, house, told=tell, conversations=guests,
                    groups=[OpenAi(lender, settings)] if lender is not None else [])


def state_folder(named: str) -> Path:
    """Where what shall survive a restart is kept: ``named``, else what systemd or the desktop's rules say."""
    if named:
        return Path(named).expanduser()
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "edgevoice"


class _Look:
    """Tells how the sound path does: all of it to the trace every ``HEALTH_S``, and on stderr what is newly wrong with it."""

    def __init__(self, trace: Trace, health: Callable[[], SoundHealth]) -> None:
        self._trace, self._health = trace, health
        self._due = time.monotonic() + FIRST_LOOK_S
        self._told: set[str] = set()

    def now_and_then(self) -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + HEALTH_S
        health = self._health()
        self._trace.emit("health", **health.document())
        away = health.device is not None and not health.device.open  # which is told as it happens
        found = {} if away else {alert.name: alert for alert in health.alerts}
        for name in found.keys() - self._told:
            tell(found[name], journal.WARNING)
        self._told = set(found)


def _sound_changed(trace: Trace, state: DeviceState) -> None:
    trace.emit("device", open=state.open, problem=state.problem, losses=state.losses, reopened=state.reopened)
    if not state.open:
        tell(f"no sound: {state.problem}; looking for it", journal.WARNING)
    elif state.losses or state.reopened:
        tell("the sound is back", journal.NOTICE)


def tell(text: str, priority: int = journal.INFO) -> None:
    """A line for a person; any thread.  ``priority``: what the journal sorts it by."""
    with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
        sys.stderr.write(journal.line(text, priority, sys.stderr))
        sys.stderr.flush()
