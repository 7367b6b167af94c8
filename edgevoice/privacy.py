"""What is kept of whoever speaks with the device: what, where, for how long, and which setting decides.

Theory: a row for each thing that could hold words, sound or habits, as a function of the settings in force; nothing is asked of a running
device.  A row that is off says so, since "not kept" is what people want to read.  ``tests/unit/test_privacy.py`` holds the table against
what a conversation really leaves on the disk.

Law: whatever is written anywhere has a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from edgevoice.models import default_root
from edgevoice.settings import Settings

Place = Literal["memory", "disk", "network", "nowhere"]


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing.  ``personal``: it holds what was said or answered, or can be heard."""

    what: str
    place: Place
    where: str
    how_long: str
    holds: str
    personal: bool
    setting: str

    def document(self) -> dict[str, Any]:
        """JSON-ready, with the bytes that are there now."""
        return asdict(self) | {"bytes": _size(self.where) if self.place == "disk" else None}


def kept(settings: Settings) -> list[Kept]:
    """Every row, what is personal and leaves the process first."""
    order = {"network": 0, "disk": 1, "memory": 2, "nowhere": 3}
    found = [row(settings) for row in ROWS]
    return sorted(found, key=lambda one: (not one.personal or one.place == "nowhere", order[one.place]))


def leaves(rows: Sequence[Kept]) -> list[str]:
    """What of the personal goes over the network."""
    return [row.what for row in rows if row.personal and row.place == "network"]


def on_the_disk(rows: Sequence[Kept]) -> list[str]:
    """What of the personal is written down on the device."""
    return [row.what for row in rows if row.personal and row.place == "disk"]


def verdict(rows: Sequence[Kept]) -> str:
    """One line."""
    away, here = leaves(rows), on_the_disk(rows)
    told = [f"leaves the device: {', '.join(away)}"] if away else ["nothing that is said or answered leaves the device"]
    return "; ".join([*told, f"is written to its disk: {', '.join(here)}" if here else "nor is written to its disk"])


def _sound(settings: Settings) -> Kept:
    seconds = settings.audio.capture_ms / 1000 + settings.dialog.max_utterance_s
    return Kept("sound of the microphone", "memory", "the process", f"until it is recognized, {seconds:.0f} s at most",
                "what was heard; no command of the daemon writes it anywhere", True, "audio.capture_ms, dialog.max_utterance_s")


def _history(settings: Settings) -> Kept:
    turns = settings.dialog.max_turns
    return Kept("the conversation", "memory", "the process", f"the last {turns} turns, until it is restarted" if turns else "not kept",
                "what was said and answered, for the language model", True, "dialog.max_turns")


def _trace(_: Settings) -> Kept:
    return Kept("the trace of the daemon", "memory", "the process", "the last 1,000 rows, about half a minute of conversation",
                "times, and the words of those turns; `converse --trace` and `demo` alone write one to a file", True, "")


def _output(settings: Settings) -> Kept:
    if settings.privacy.log_words:
        return Kept("output and log of the daemon", "disk", "the journal, or where the output goes", "as long as the log is kept",
                    "what was said and answered", True, "privacy.log_words")
    return Kept("output and log of the daemon", "disk", "the journal, or where the output goes", "as long as the log is kept",
                "times, lengths and errors; words are on a terminal alone", False, "privacy.log_words")


def _mqtt(settings: Settings) -> Kept:
    mqtt = settings.mqtt
    if not mqtt.host:
        return Kept("MQTT", "nowhere", "no broker is set", "not kept", "nothing", False, "mqtt.host")
    holds = "words said and answered, times, state, health" if mqtt.words else "times, lengths, state, health; no words"
    return Kept("MQTT", "network", f"the broker {mqtt.host}", "state and health until the next; the rest as its subscribers like", holds,
                mqtt.words, "mqtt.words")


def _http(settings: Settings) -> Kept:
    http = settings.http
    if not http.enabled:
        return Kept("HTTP", "nowhere", "it is not served", "not kept", "nothing", False, "http.enabled")
    told = "what is said and answered, and the loudspeaker's sound" if http.words else \
        "what is asked or spoken there and its answer; of the rest times and lengths"
    return Kept("HTTP", "network", f"whoever may connect to {http.address}, port {http.port}", "nothing is kept for them", told, True,
                "http.enabled, http.words, http.token_file")


def _wyoming(settings: Settings) -> Kept:
    wyoming = settings.wyoming
    if not wyoming.enabled:
        return Kept("Wyoming", "nowhere", "it is not served", "not kept", "nothing", False, "wyoming.enabled")
    if wyoming.satellite:
        return Kept("Wyoming", "network", "the Home Assistant that is connected", "as it likes",
                    "the microphone's sound after the wake word, to the end of the sentence; text and sound of what it sends", True,
                    "wyoming.satellite, wyoming.allow")
    return Kept("Wyoming", "network", "whoever wyoming.allow lets in", "nothing is kept for them",
                "text and sound of what they send themselves; nothing of the device's microphone", False, "wyoming.enabled, wyoming.allow")


def _agenda(settings: Settings) -> Kept:
    if not settings.skills.enabled:
        return Kept("timers, reminders and lists", "nowhere", "switched off", "not kept", "nothing", False, "skills.enabled")
    from edgevoice.daemon import state_folder

    return Kept("timers, reminders and lists", "disk", str(state_folder(settings.skills.folder) / "agenda.json"),
                "until they are over or taken off", "names, items and times that one asked for", True, "skills.enabled, skills.folder")


def _replies(settings: Settings) -> Kept:
    if not settings.mqtt.host:
        return Kept("replies for who missed some", "nowhere", "no broker is set", "not kept", "nothing", False, "mqtt.host")
    return Kept("replies for who missed some", "memory", "the process", "the last 32, until it is restarted",
                "what was answered; what is given out of it is as mqtt.words says", True, "mqtt.words")


def _store(settings: Settings) -> Kept:
    mqtt = settings.mqtt
    if not mqtt.host or not mqtt.events:
        return Kept("events for the broker", "nowhere", "none wait on the disk", "not kept", "nothing", False, "mqtt.events")
    from edgevoice.daemon import state_folder

    holds = "words said and answered, and times" if mqtt.words else "times and lengths; no words"
    return Kept("events for the broker", "disk", str(state_folder(mqtt.folder) / "mqtt-events.sqlite"),
                f"until the broker has them, {mqtt.events} at most", holds, mqtt.words, "mqtt.events, mqtt.words")


def _tools(settings: Settings) -> Kept:
    tools = settings.tools
    if not tools.file and not tools.topics:
        return Kept("tools of the language model", "nowhere", "none reaches out", "not kept", "nothing", False, "tools.file, tools.topics")
    return Kept("tools of the language model", "network", "the topics and programs that are allowed", "as those like",
                "what the model takes out of the words for a tool", True, "tools.file, tools.topics")


def _house(settings: Settings) -> Kept:
    if not settings.mqtt.host or not (settings.home.learn or settings.home.file):
        return Kept("names and states of the house", "nowhere", "no house is set", "not kept", "nothing", False, "home.learn, home.file")
    return Kept("names and states of the house", "memory", "the process", "until it is restarted", "what the broker and the file tell",
                False, "home.learn, home.file")


def _health(settings: Settings) -> Kept:
    files = [file for file in (settings.health.json_file, settings.health.prometheus_file) if file]
    if not files:
        return Kept("health snapshots", "nowhere", "no file is set", "not kept", "nothing", False, "health.json_file")
    return Kept("health snapshots", "disk", ", ".join(files), "the last one", "figures, and the text of the last error", False,
                "health.json_file, health.prometheus_file")


def _prompts(settings: Settings) -> Kept:
    if not settings.llm.prompt_cache:
        return Kept("the prompt cache", "nowhere", "switched off", "not kept", "nothing", False, "llm.prompt_cache")
    folder = default_root(settings.paths) / settings.llm.model
    return Kept("the prompt cache", "disk", str(folder), "until the system prompt changes",
                "what the model made of llm.system_prompt, beside the model; nothing that was said", False, "llm.prompt_cache")


def _phrases(settings: Settings) -> Kept:
    if not settings.faults.phrases_s:
        return Kept("spoken phrases", "nowhere", "switched off", "not kept", "nothing", False, "faults.phrases_s")
    return Kept("spoken phrases", "memory", "the process", "until it is restarted", "sound of fixed sentences", False, "faults.phrases_s")


def _models(settings: Settings) -> Kept:
    return Kept("models", "disk", str(default_root(settings.paths)), "until `edgevoice models remove`", "weights, as they were pulled",
                False, "paths.models")


ROWS: tuple[Callable[[Settings], Kept], ...] = (
    _sound, _history, _trace, _output, _mqtt, _http, _wyoming, _replies, _agenda, _store, _house, _tools, _health, _prompts, _phrases,
    _models)


def _size(where: str) -> int | None:
    """Bytes of the files and folders that it names; ``None`` where it names none that is there."""
    total = 0
    paths = [path for name in where.split(", ") if (path := Path(name).expanduser()).exists()]
    if not paths:
        return None
    for path in paths:
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else []
        total += sum(file.stat().st_size for file in files)
    return total
