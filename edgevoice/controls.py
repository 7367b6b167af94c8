"""What people and programs elsewhere can have the device do: each edge translates its messages into these verbs.

Theory: a verb that only moves the conversation is a plain function and has acted when it returns; one that reads files or loads an engine
is a coroutine whose slow part is on another thread.  Arguments were checked by the edge (types, bounds); what cannot be done *now* is
``Failed`` with a reason.  A configuration read anew is applied as far as a running device can: volumes, the conversation's policy and the
wake words; the rest is named, and waits for a restart.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from edgevoice import waterfall
from edgevoice.adapters.house import Failed, Verb
from edgevoice.dialog.machine import ASK_QUEUE, SAY_QUEUE
from edgevoice.dialog.table import State
from edgevoice.engines.exchange import ExchangeableWake
from edgevoice.errors import ConfigError, EdgeVoiceError
from edgevoice.pipeline.health import HealthMeter
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.session import Session
from edgevoice.rt.contract import Channel, Int16
from edgevoice.settings import Settings, WakeSettings
from edgevoice.trace import Trace

_VOLUMES: Mapping[str, Channel | None] = {"volume": None, "voice_volume": "voice", "announcement_volume": "announcement",
                                          "alarm_volume": "alarm", "earcon_volume": "earcon"}
"""settings of [audio], and the channel each is of"""
_POLICY: Mapping[str, str] = {
    "barge_in": "barge_in", "barge_in_words": "barge_in_words", "listen_timeout_s": "listen_timeout_s", "followup_s": "followup_s",
    "earcons": "earcons", "speculation_attempts": "speculations_a_turn"}
"""settings of [dialog], and what each is called in the machine's policy"""
_READ_BY_OTHERS = frozenset({"update.public_keys", "update.compatible"})
"""settings that are read when they are needed, by commands"""
_IN_HEALTH = frozenset({"heat_and_power", "resources"})
"""checks whose figures every snapshot of health has"""


class Controls:
    """A ``House``; on the loop's thread.  ``config`` is the file that the settings came from, ``wake`` the detector if it can be changed,
    ``load_wake`` makes another one, as ``far_wake`` and ``load_far_wake`` for the one at the loudspeaker; ``restart`` begins the end;
    ``agenda`` tells of timers."""

    def __init__(self, session: Session, settings: Settings, trace: Trace, meter: HealthMeter, *, config: Path | None = None,
                 wake: ExchangeableWake | None = None, load_wake: Callable[[Settings], Any] | None = None,
                 restart: Callable[[], None] | None = None, far_wake: ExchangeableWake | None = None,
                 load_far_wake: Callable[[Settings], Any] | None = None, agenda: Callable[[], dict[str, Any]] | None = None) -> None:
        self._agenda = agenda
        self._far_wake, self._load_far_wake = far_wake, load_far_wake
        self._session, self._settings, self._trace, self._meter = session, settings, trace, meter
        self._config, self._wake, self._load_wake, self._restart = config, wake, load_wake, restart
        self._volumes = {channel: float(getattr(settings.audio, name)) for name, channel in _VOLUMES.items()}
        self._profile = config.stem if config is not None else ""
        self._known = _known_words(settings.wake)
        self._release = _release(settings)
        self._names = self._profiles()
        self._version = metadata.version("edgevoice")

    @property
    def verbs(self) -> Mapping[str, Verb]:
        return {"barge_in": self.barge_in, "stop": self.stop, "cancel": self.cancel, "mute": self.mute, "listen": self.listen,
                "resume": self.resume, "say": self.say, "ask": self.ask, "volume": self.volume, "wake_word": self.wake_word,
                "profile": self.profile, "reload": self.reload, "models": self.models, "doctor": self.doctor, "restart": self.restart}

    def state(self) -> dict[str, Any]:
        settings, machine = self._settings, self._session.machine
        return {
            "state": machine.state.value, "turn": machine.turn, "muted": self._session.muted, "volume": self._volumes[None],
            "volumes": {channel: gain for channel, gain in self._volumes.items() if channel is not None},
            "wake_words": [*settings.wake.words, *settings.wake.keywords] if settings.wake.enabled else [], "wake_words_known": self._known,
            "sensitivity": settings.wake.sensitivity, "profile": self._profile, "profiles": self._names,
            "models": {"vad": settings.vad.model, "stt": settings.stt.model, "llm": settings.llm.model, "tts": settings.tts.model},
            "models_installed": self._release[0], "models_latest": self._release[1], "version": self._version,
            "time": round(time.time(), 3), **({} if self._agenda is None else {"agenda": self._agenda()})}

    def health(self) -> dict[str, Any]:
        return self._meter.look()

    def listen_to(self, listener: Callable[[dict[str, Any]], None]) -> None:
        self._trace.listen(listener)

    def listen_replies(self, listener: Callable[[ReplyStream], None]) -> None:
        self._session.listen_replies(listener)

    def listen_sound(self, listener: Callable[[int, Int16], None]) -> None:
        self._session.listen_sound(listener)

    @property
    def rate(self) -> int:
        return self._session.rate

    def before(self, origin: str) -> int | None:
        return next((place for place, event in enumerate(self._session.machine.questions) if event.origin == origin), None)

    def withdraw(self, origin: str) -> None:
        questions = self._session.machine.questions
        for event in [event for event in questions if event.origin == origin]:
            questions.remove(event)

    def timing(self, turn: int) -> dict[str, Any] | None:
        return waterfall.brief(self._trace.events(), turn, self._session.rate)

    # The conversation.

    def barge_in(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Announcements that wait go on waiting.  Behind a muted microphone there is nobody to be listened to, but silence is kept."""
        if self._session.muted:
            self._session.stop_speaking()
        else:
            self._session.listen()
        return {"listening": not self._session.muted}

    def stop(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Silence, now: an announcement that waits would be the next thing heard."""
        waiting = len(self._session.machine.waiting)
        self._session.stop_speaking()
        return {"announcements_dropped": waiting} if waiting else {}

    def cancel(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {"turn": present(self._session, arguments), **self.stop({})}

    def mute(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        self._session.mute(bool(arguments.get("muted", not self._session.muted)))
        return {"muted": self._session.muted}

    async def listen(self, _: Mapping[str, Any]) -> dict[str, Any]:
        if self._session.muted:
            raise Failed("unavailable", "the microphone is muted")
        self._session.listen()
        await asyncio.sleep(0)  # until the loop has handled it
        return {"turn": self._session.machine.turn}

    async def resume(self, _: Mapping[str, Any]) -> dict[str, Any]:
        resume(self._session)
        await asyncio.sleep(0)
        return {}

    async def say(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        machine, urgent = self._session.machine, arguments.get("priority") == "urgent"
        if len(machine.waiting) >= SAY_QUEUE and not urgent:
            raise Failed("busy", f"{SAY_QUEUE} announcements wait already to be said")
        before = machine.turn
        self._session.say(arguments["text"], channel=arguments.get("channel", "announcement"), urgent=urgent)
        await asyncio.sleep(0)
        return {"turn": machine.turn} if machine.turn != before else {"waiting": len(machine.waiting)}

    async def ask(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """``origin`` and ``patient`` are what an edge may add: see ``Session.ask``."""
        machine, patient = self._session.machine, bool(arguments.get("patient"))
        if patient and len(machine.questions) >= ASK_QUEUE:
            raise Failed("busy", f"{ASK_QUEUE} questions wait already for their turn")
        self._session.ask(arguments["text"], patient=patient, origin=arguments.get("origin", ""))
        await asyncio.sleep(0)
        return {"turn": machine.turn}

    # What is set.

    @property
    def volume_now(self) -> float:
        """The gain of all sound."""
        return self._volumes[None]

    def volume(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        channel = cast("Channel | None", arguments.get("channel"))
        self._volumes[channel] = float(arguments["volume"])
        self._session.set_volume(self._volumes[channel], channel)
        return {"volume": self._volumes[channel], "channel": channel}

    async def wake_word(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        wake = self._settings.wake
        wanted = dataclasses.replace(wake, words=list(arguments.get("words", wake.words)),
                                     sensitivity=float(arguments.get("sensitivity", wake.sensitivity)))
        await self._exchange(dataclasses.replace(self._settings, wake=wanted))
        return {"words": wanted.words, "sensitivity": wanted.sensitivity}

    async def reload(self, _: Mapping[str, Any]) -> dict[str, Any]:
        if self._config is None:
            raise Failed("unavailable", "it was started without a configuration file")
        return await self._become(self._config.stem, self._config)

    async def profile(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        name = arguments["name"]
        if self._config is None:
            raise Failed("unavailable", "it was started without a configuration file, beside which profiles would lie")
        if name not in self._profiles():
            raise Failed("unavailable", f"there are {', '.join(self._profiles())}")
        made = await self._become(name, self._config if name == self._config.stem else self._config.with_suffix(".d") / f"{name}.toml")
        return {"profile": name, **made}

    # The device.

    async def models(self, _: Mapping[str, Any]) -> dict[str, Any]:
        from edgevoice.models import Store, default_root
        from edgevoice.models.inventory import items

        found = await asyncio.to_thread(lambda: items(Store(default_root(self._settings.paths))))
        return {"models": [{"name": item.name, "state": item.state, "family": item.family, "bytes": item.size, "licence": item.licence}
                           for item in found if item.state != "available"]}

    async def doctor(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """What is known to be wrong, and those of ``edgevoice doctor``'s checks that disturb nobody; the machine is in health already."""
        from edgevoice import checks

        wanted = [check for check in checks.TABLE if not check.disturbs and check.name not in _IN_HEALTH]
        results = await asyncio.to_thread(checks.carry_out, wanted, checks.Place(self._settings))
        health = self.health()
        findings = list(health["alerts"])
        findings += [{"name": result.name, "severe": found.status == "problem", "text": f"{found.text}: {found.remedy}"}
                     for result in results if (found := result.found).status in ("problem", "warning")]
        findings.sort(key=lambda finding: not finding["severe"])
        left_out = ", ".join(check.name for check in checks.TABLE if check.disturbs)
        return {"ok": not any(finding["severe"] for finding in findings), "summary": findings[0]["text"] if findings else health["summary"],
                "findings": findings, "looked_at": ["health", *(result.name for result in results if result.found.status != "skipped")],
                "not_looked_at": f"what would disturb: stop the service and run `edgevoice doctor` ({left_out}), then with --acoustic"}

    def restart(self, _: Mapping[str, Any]) -> dict[str, Any]:
        if self._restart is None:
            raise Failed("unavailable", "nobody would start it again")
        self._restart()
        return {}

    # How.

    def _profiles(self) -> list[str]:
        """The configuration itself, and the files in the folder beside it that is called as it is, with ``.d``."""
        if self._config is None:
            return []
        return [self._config.stem, *sorted(path.stem for path in self._config.with_suffix(".d").glob("*.toml"))[:63]]

    async def _become(self, profile: str, file: Path) -> dict[str, Any]:
        """Take on the settings of ``file``, and be called ``profile`` if they can be."""
        before, self._profile = self._profile, profile
        try:
            made = await self._take(file)
        except Exception:
            self._profile = before
            raise
        self._changed()
        return made

    async def _take(self, file: Path) -> dict[str, Any]:
        """Read ``file`` and apply what can be; nothing, if anything in it is wrong."""
        self._names = self._profiles()
        try:
            wanted = await asyncio.to_thread(_read, file)
        except ConfigError as error:
            raise Failed("failed", "; ".join(error.problems), error.problems) from error
        except EdgeVoiceError as error:
            raise Failed("failed", str(error)) from error
        return await self.take(wanted)

    async def take(self, wanted: Settings) -> dict[str, Any]:
        """Apply of ``wanted`` what a running device can; the names of what was, and of what needs a restart."""
        old, applied, rest = self._settings, [], []
        sections = {field.name for field in dataclasses.fields(Settings)}
        different = [(section, field.name) for section in sections for field in dataclasses.fields(getattr(old, section))
                     if getattr(getattr(old, section), field.name) != getattr(getattr(wanted, section), field.name)]
        wakes = [name for section, name in different if section == "wake"]
        if wakes and self._wake is not None and wanted.wake.enabled:
            await self._exchange(dataclasses.replace(old, wake=wanted.wake))
            old = self._settings
        for section, name in sorted(different):
            value = getattr(getattr(wanted, section), name)
            if section == "audio" and name in _VOLUMES:
                self.volume({"volume": value, "channel": _VOLUMES[name]})
            elif section == "dialog" and name in _POLICY and not (name == "barge_in" and wanted.wake.enabled != old.wake.enabled):
                self._session.machine.policy = dataclasses.replace(self._session.machine.policy, **cast(Any, {_POLICY[name]: value}))
            elif f"{section}.{name}" not in _READ_BY_OTHERS and not (section == "wake" and old.wake == wanted.wake):
                rest.append(f"{section}.{name}")
                continue
            applied.append(f"{section}.{name}")
            old = dataclasses.replace(old, **{section: dataclasses.replace(
                getattr(old, section), **{name: getattr(getattr(wanted, section), name)})})
        self._settings = old
        return {"applied": applied, "needs_restart": rest}

    async def _exchange(self, wanted: Settings) -> None:
        """Another wake word detector, for the settings of ``wanted``."""
        if self._wake is None or self._load_wake is None:
            raise Failed("unavailable", "wake words are switched off; wake.enabled and a restart switch them on")
        if not wanted.wake.words and not wanted.wake.keywords:
            raise Failed("unavailable", "one word at least")
        try:
            made = await asyncio.to_thread(self._load_wake, wanted)
            far = await asyncio.to_thread(self._load_far_wake, wanted) if self._far_wake is not None and self._load_far_wake else None
        except EdgeVoiceError as error:
            raise Failed("failed", str(error)) from error
        self._wake.exchange(made)
        if self._far_wake is not None and far is not None:
            self._far_wake.exchange(far)
        self._settings = wanted
        self._changed()

    def _changed(self) -> None:
        """Something of ``state`` that no row of the trace tells of."""
        self._trace.emit("settings", profile=self._profile, wake_words=list(self._settings.wake.words),
                         sensitivity=self._settings.wake.sensitivity)


def present(session: Session, arguments: Mapping[str, Any]) -> int:
    """The present turn; ``Failed`` where another one is meant."""
    now = session.machine.turn
    turn = arguments.get("turn", now)
    if turn != now:
        raise Failed("unavailable", f"turn {turn:g} is not the present one ({now})")
    return now


def resume(session: Session) -> None:
    """``Failed`` where there is nothing to go on with."""
    if session.machine.state is not State.HOLDING:
        raise Failed("unavailable", "no reply is paused")
    session.resume()


def _read(file: Path) -> Settings:
    """The settings that would be in force; ``ConfigError`` with every finding, also of the files that they name."""
    from edgevoice import config
    from edgevoice.checks import beyond
    from edgevoice.update import in_force

    wanted = in_force.load(file)
    config.refuse(beyond.problems(file, wanted))
    return wanted


def _release(settings: Settings) -> tuple[str, str]:
    from edgevoice.models import Store, default_root
    from edgevoice.models.inventory import release

    names = [settings.vad.model, settings.stt.model, settings.llm.model, settings.tts.model]
    return release(Store(default_root(settings.paths)), [name for name in names if name and "/" not in name])


def _known_words(settings: WakeSettings) -> list[str]:
    if not settings.enabled:
        return []
    from edgevoice.engines import wake

    try:
        return wake.available(wake.own_folder(settings))[:64]
    except EdgeVoiceError:
        return list(settings.words)
