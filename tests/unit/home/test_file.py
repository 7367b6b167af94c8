"""A user's own file and sentences: read whole, or every mistake told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgevoice.errors import ConfigError
from edgevoice.home import file
from edgevoice.home.resolve import Do, Run
from edgevoice.household import Household
from edgevoice.settings import HomeSettings, Settings

NOW = datetime(2026, 11, 7, 20, 0, tzinfo=UTC)
HOUSE = """
[[area]]
name = "Kitchen"
floor = "Ground floor"
aliases = ["Cook room"]

[[thing]]
name = "Pendant"
kind = "light"
area = "Kitchen"
aliases = ["big light"]
cmd_t = "k/set"
stat_t = "k"

[[thing]]
name = "Pump"
kind = "switch"
command_topic = "p/set"

[[intent]]
name = "MovieNight"
say = "Enjoy the film."
publish = [{topic = "scene", payload = "movie"}]
"""
SENTENCES = """
language: en
intents:
  MovieNight:
    data:
      - sentences: ["(it is|start) movie night"]
  HassTurnOff:
    data:
      - sentences: ["kill [the] {name}"]
        requires_context: {domain: [light]}
"""


def test_rooms_things_and_intents_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "house.toml").write_text(HOUSE)
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "mine.yaml").write_text(SENTENCES)
    made = Household.of(Settings(home=HomeSettings(
        file=str(tmp_path / "house.toml"), sentences=str(tmp_path / "words"), confirm=["pump"])))
    assert made is not None

    def parts(text: str) -> tuple[object, ...]:
        plan = made.talk.hear(text, NOW)
        return () if plan is None else plan.parts

    for text in ("turn off the pendant", "turn off the big light", "kill the pendant", "turn off the cook room lights"):
        (part,) = parts(text)
        assert isinstance(part, Do) and part.ids == ("light.pendant",) and part.act.verb == "off", text
    assert parts("start movie night") == (Run((("scene", "movie"),), "Enjoy the film."),)
    assert getattr(parts("turn on the pump")[0], "text", "") == "Shall I turn on the pump?"


def test_every_mistake_is_told(tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    path.write_text('[[thing]]\nname = "A"\nkind = "lamp"\n[[thing]]\nname = "B"\nkind = "light"\n[[room]]\nname = "C"\n'
                    '[[intent]]\nname = "D"\n[[area]]\nnme = "E"\n')
    with pytest.raises(ConfigError) as refused:
        file.read(path)
    told = "\n".join(refused.value.problems)
    for part in ("room: not known", "thing 1 (A): kind = 'lamp'", "thing 2 (B): has no topic", "intent 1 (D): publish", "nme: not known"):
        assert part in told, told


@pytest.mark.parametrize(("text", "part"), [("name = ", "house.toml"), ("thing = 3", "[[thing]]")])
def test_what_is_no_such_file_is_told(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / "house.toml").write_text(text)
    with pytest.raises(ConfigError, match=part.replace("[", r"\[").replace("]", r"\]")):
        file.read(tmp_path / "house.toml")
    with pytest.raises(ConfigError, match=r"home\.file"):
        file.read(tmp_path / "none.toml")


@pytest.mark.parametrize("text", ["[1", "intents: {A: {data: [{sentences: ['(open']}]}}", "- a", "automation: 3"])
def test_sentences_that_are_none_are_told_by_their_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        file.sentence_files(tmp_path)


def test_no_house_without_a_broker_or_a_file() -> None:
    assert Household.of(Settings()) is None
