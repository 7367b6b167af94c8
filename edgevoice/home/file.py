"""A user's own file of the house: rooms, things and intents (``read``), and folder of sentences (``sentence_files``).

Laws: a file is accepted whole or refused whole, all its mistakes at once, each with the entry it is in and what would be right.  The
wiring of a thing has the keys of MQTT discovery; docs/home.md has an example.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hassil import Intents

from edgevoice.errors import ConfigError
from edgevoice.home.discovery import full
from edgevoice.home.house import DOMAINS, MOST_NAME, Area, Thing

MOST_BYTES = 2_000_000
"""no house is described in more"""
_AREA = {"name", "floor", "aliases"}
_INTENT = {"name", "say", "publish"}


@dataclass(frozen=True, slots=True)
class OwnIntent:
    """What a sentence of the user's own does: ``messages`` to publish, and what is said then."""

    name: str
    messages: tuple[tuple[str, str], ...] = ()
    say: str = "Done."


@dataclass(frozen=True, slots=True)
class HouseFile:
    areas: tuple[Area, ...] = ()
    things: tuple[Thing, ...] = ()
    intents: tuple[OwnIntent, ...] = ()


def read(path: Path) -> HouseFile:
    """``ConfigError`` with every mistake, if there is any."""
    try:
        raw = path.read_bytes()
        if len(raw) > MOST_BYTES:
            raise ConfigError(f"{path}: {len(raw)} bytes; a house's file is no longer than {MOST_BYTES}")
        told = tomllib.loads(raw.decode())
    except OSError as error:
        raise ConfigError(f"home.file = {str(path)!r}: {error.strerror or error}; it names a TOML file, see docs/home.md") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; it is a TOML file, see docs/home.md") from error
    problems = [f"{path}: {key}: not known; there are [[area]], [[thing]] and [[intent]]" for key in told
                if key not in ("area", "thing", "intent")]
    areas = [_area(entry, problems, where) for entry, where in _entries(told, "area", path, problems)]
    things = [_thing(entry, problems, where) for entry, where in _entries(told, "thing", path, problems)]
    intents = [_intent(entry, problems, where) for entry, where in _entries(told, "intent", path, problems)]
    ids = [thing.id for thing in things if thing is not None]
    twice = sorted({id for id in ids if ids.count(id) > 1})
    problems += [f"{path}: two things are {id!r}; give one of them another name or id" for id in twice]
    if problems:
        raise ConfigError(problems[0], tuple(problems))
    return HouseFile(tuple(filter(None, areas)), tuple(filter(None, things)), tuple(filter(None, intents)))


def sentence_files(folder: Path) -> list[Mapping[str, Any]]:
    """The YAML files of ``folder``, in order of their names; ``ConfigError`` for the first that is none of hassil's."""
    if not folder.is_dir():
        raise ConfigError(f"home.sentences = {str(folder)!r}: no such folder; it holds YAML files, see docs/home.md")
    made: list[Mapping[str, Any]] = []
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        try:
            told = yaml.safe_load(path.read_text(encoding="utf-8"))
            if not isinstance(told, dict) or not set(told) <= {"language", "intents", "lists", "expansion_rules", "skip_words"}:
                raise ConfigError(f"{path}: has no \"intents\"; it looks as Home Assistant's custom_sentences do")
            made_of = Intents.from_dict({"language": "en", "intents": {}, **told})
            for data in (data for intent in made_of.intents.values() for data in intent.data):
                assert data.sentences is not None  # parsed where they are asked for
        except ConfigError:
            raise
        except Exception as error:  # yaml's and hassil's, which have no common class
            raise ConfigError(f"{path}: {' '.join(str(error).split())[:300]}") from error
        made.append(told)
    return made


def _entries(told: Mapping[str, Any], name: str, path: Path, problems: list[str]) -> list[tuple[dict[str, Any], str]]:
    listed = told.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        problems.append(f"{path}: {name} is no list of tables; write [[{name}]]")
        return []
    return [(entry, f"{path}: {name} {n} ({entry.get('name', 'without a name')})") for n, entry in enumerate(listed, 1)]


def _area(entry: dict[str, Any], problems: list[str], where: str) -> Area | None:
    problems += [f"{where}: {key}: not known; there are {', '.join(sorted(_AREA))}" for key in entry if key not in _AREA]
    name = _text(entry, "name", problems, where, needed=True)
    return Area(name, _text(entry, "floor", problems, where), _texts(entry, "aliases", problems, where)) if name else None


def _thing(entry: dict[str, Any], problems: list[str], where: str) -> Thing | None:
    entry = dict(entry)
    name, kind = _text(entry, "name", problems, where, needed=True), entry.pop("kind", None)
    if kind not in DOMAINS:
        problems.append(f"{where}: kind = {kind!r}: not known; one of {', '.join(DOMAINS)}")
        return None
    aliases, confirm = _texts(entry, "aliases", problems, where), entry.pop("confirm", False)
    area, id = _text(entry, "area", problems, where), _text(entry, "id", problems, where) or f"{kind}.{name.lower().replace(' ', '_')}"
    if not isinstance(confirm, bool):
        problems.append(f"{where}: confirm = {confirm!r}: true or false")
    for key in ("name", "aliases", "area", "id"):
        entry.pop(key, None)
    wiring = full(entry)
    if not any(key.endswith("topic") for key in wiring):
        problems.append(f"{where}: has no topic; give it a command_topic, a state_topic, or both")
    return Thing(id, name, kind, area, str(wiring.get("device_class") or ""), str(wiring.get("unit_of_measurement") or ""), aliases, wiring,
                 confirm is True) if name else None


def _intent(entry: dict[str, Any], problems: list[str], where: str) -> OwnIntent | None:
    problems += [f"{where}: {key}: not known; there are {', '.join(sorted(_INTENT))}" for key in entry if key not in _INTENT]
    name, say = _text(entry, "name", problems, where, needed=True), _text(entry, "say", problems, where, longest=300) or "Done."
    listed = entry.get("publish", [])
    messages = [(str(one.get("topic", "")), str(one.get("payload", ""))) for one in listed if isinstance(one, dict)] if isinstance(
        listed, list) else []
    if not messages or not all(topic and not set(topic) & set("+#\0") for topic, _ in messages):
        problems.append(f"{where}: publish is no list of {{topic = \"…\", payload = \"…\"}}")
    return OwnIntent(name, tuple(messages), say) if name else None


def _text(entry: Mapping[str, Any], key: str, problems: list[str], where: str, *, needed: bool = False, longest: int = MOST_NAME) -> str:
    value = entry.get(key, "")
    if not isinstance(value, str) or len(value) > longest or (needed and not value.strip()):
        problems.append(f"{where}: {key} = {value!r}: a text of at most {longest} characters" + (" is needed" if needed else ""))
        return ""
    return value.strip()


def _texts(entry: Mapping[str, Any], key: str, problems: list[str], where: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and 0 < len(one) <= MOST_NAME for one in value):
        problems.append(f"{where}: {key} = {value!r}: a list of texts")
        return ()
    return tuple(value)
