"""Skills: exact or silent.  What they answer is right, and what is not for them they leave alone."""

from __future__ import annotations

import collections
import json
import random
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.clock import wall_clock
from edgevoice.dialog.spoken import spoken
from edgevoice.skills import unsure
from edgevoice.skills.hearing import hear
from edgevoice.skills.numbers import number
from edgevoice.skills.router import MODEL, SKILLS, Router
from tests.bench.exact_questions import is_right, questions
from tests.bench.questions import SPOKEN

SATURDAY = datetime(2026, 11, 7, 14, 5, tzinfo=ZoneInfo("Europe/Berlin"))
TODAY = "Today is Saturday, November 7, 2026."
NOT_TAKEN = (Path(__file__).parent / "not_for_skills.txt").read_text(encoding="utf-8").splitlines()


WORDS = ["what is", "how many", "two", "three", "hundred", "point", "and", "a", "half", "times", "minus", "percent", "of", "the", "root",
         "to", "the power of", "feet", "in", "days", "until", "march", "5", "7.5", "1,000", "-", "/", "x", "a mile", "square root of"]


def told(text: str, now: datetime = SATURDAY) -> str | None:
    return Router(lambda: now).route(text).answer


def test_of_2000_generated_questions_every_answer_is_right_and_few_are_refused() -> None:
    wrong, refused = [], collections.Counter[str]()
    for asked in questions(2026, 2000):
        answer = told(asked.text, asked.now)
        if answer is None:
            refused[asked.kind] += 1
        elif not is_right(asked, answer):
            wrong.append((asked.text, answer, str(asked.right), str(asked.now)))
    assert wrong == []
    assert refused.total() <= 200, refused
    assert refused.total() - refused["unusual"] <= 20, refused


def test_the_judge_of_answers_can_say_no() -> None:
    asked = next(asked for asked in questions(1, 200) if asked.kind == "sums" and asked.right == int(asked.right))
    assert is_right(asked, f"That is {asked.right}.".replace("-", "minus "))
    for wrong in (f"That is {asked.right + 1}.", f"That is about {asked.right}.", "That is so.", f"That is {asked.right}.5."):
        assert not is_right(asked, wrong.replace("-", "minus "))


def test_a_word_that_is_not_understood_is_never_passed_over() -> None:
    rng = random.Random(4)
    for asked in questions(77, 500):
        words = asked.text.split()
        words.insert(rng.randrange(len(words) + 1), rng.choice(("kitchen", "about", "war", "your", "she", "not")))
        assert told(" ".join(words), asked.now) is None, words


@pytest.mark.parametrize("text", [*NOT_TAKEN, *SPOKEN])
def test_what_is_not_for_a_skill_is_left_to_the_model(text: str) -> None:
    routed = Router(lambda: SATURDAY).route(text)
    assert (routed.skill, routed.answer) == (MODEL, None)


def test_coffee_orders_and_commands_of_the_house_are_left_alone(shared: Path) -> None:
    labels = json.loads((shared / "audio/commands/labels.json").read_text())
    orders = [" ".join(map(str, label["slots"].values())) for label in labels.values()]
    files = [path for path in sorted((shared / "text/intents").glob("*.yaml")) if "GetCurrent" not in path.name]
    sentences = [line.strip().removeprefix("- ").strip("\"'") for path in files
                 for line in path.read_text(encoding="utf-8").splitlines() if line.strip().startswith("- ")]
    assert len(orders) > 100 and len(sentences) > 500
    assert [text for text in (*orders, *sentences) if told(text) is not None] == []


@pytest.mark.parametrize(("text", "answer"), [
    ("What is seven times eight?", "7 times 8 is 56."), ("whats 7 x 8", "7 times 8 is 56."),
    ("two plus three times four", "2 plus 3 times 4 is 14."), ("half of ten plus six", "Half of 10, plus 6 is 11."),
    ("what is the square root of two", "The square root of 2 is about 1.41."),
    ("what is ten divided by zero", "Nothing can be divided by zero."),
    ("what's the square root of minus four", "There is no real number that is the square root of minus 4."),
    ("three hundred and five minus a dozen", "305 minus 12 is 293."), ("what is 80 plus 15%", "80 plus 15 percent is 92."),
    ("two and a half times minus four", "2.5 times minus 4 is minus 10."), ("1 divided by 16", "1 divided by 16 is 0.0625."),
    ("two to the power of one hundred", "2 to the power of 100 is about 1.27 times 10 to the power of 30."),
    ("how many times does seven go into sixty three", "63 divided by 7 is 9."),
    ("how many grams is three ounces", "3 ounces are about 85 grams."), ("how many ounces in a cup", "1 US cup is 8 US fluid ounces."),
    ("convert 350 degrees Fahrenheit to Celsius", "350 degrees Fahrenheit are about 177 degrees Celsius."),
    ("how many feet in a mile", "1 mile is 5280 feet."), ("minus 300 celsius in fahrenheit", "Nothing is as cold as that."),
    ("five feet eleven inches in centimeters", "5 feet 11 inches are 180.34 centimeters."),
    ("I'm how much is 48 fluid ounces in table spoons", "48 US fluid ounces are 96 US tablespoons."),
    ("what day is it to-day", TODAY),
    ("A how much is forty-six times nineteen in a quarter", "46 times 19.25 is 885.5."), ("tell me the date", TODAY),
    ("what's twenty pounds and kilograms", "20 pounds are about 9.07 kilograms."),
    ("Squared root of 324 pleas.", "The square root of 324 is 18."),
    ("how many days in a year", "There are 365 days in a year, and 366 in a leap year."),
    ("What time is it?", "It is 2:05 PM."), ("time is it now", "It is 2:05 PM."), ("can you tell me the time please", "It is 2:05 PM."),
    ("what's tomorrow's date", "Tomorrow is Sunday, November 8, 2026."), ("what day is the fifth of March", "March 5, 2027 is a Friday."),
    ("how many days until Christmas", "It is 48 days until Christmas."), ("how many days until Friday", "It is 6 days until Friday."),
    ("what is the date on Friday", "Friday is November 13, 2026."), ("when is Christmas", "Christmas is on Friday, December 25, 2026."),
    ("what was the date three weeks ago", "3 weeks ago it was Saturday, October 17, 2026."),
    ("what time was it half an hour ago", "Half an hour ago it was 1:35 PM."),
    ("what day is February 30th", "There is no February 30."), ("what day is february 29th", "February 29, 2028 is a Tuesday."),
    ("what weekday was the fourth of July seventeen seventy-six", "July 4, 1776 was a Thursday."),
    ("how many days are left in the year", "After today, 54 days are left in 2026."), ("is 2100 a leap year", "2100 is not a leap year."),
    ("how many days between march first and june first", "From March 1, 2027 to June 1, 2027 it is 92 days.")])
def test_answers(text: str, answer: str) -> None:
    assert told(text) == answer


@pytest.mark.parametrize(("zone", "now", "text", "answer"), [
    ("Europe/Berlin", (2026, 3, 29, 1, 30), "what time is it in one hour", "In 1 hour it will be 3:30 AM."),
    ("Europe/Berlin", (2026, 10, 25, 1, 30), "what time is it in three hours", "In 3 hours it will be 3:30 AM."),
    ("Europe/Berlin", (2026, 10, 24, 12, 0), "what time will it be in 24 hours", "In 24 hours it will be 11:00 AM tomorrow."),
    ("Australia/Lord_Howe", (2026, 10, 4, 1, 45), "what time is it in half an hour", "In half an hour it will be 2:45 AM."),
    ("UTC", (2027, 1, 31, 9, 0), "what's the date in one month", "In 1 month it will be Sunday, February 28, 2027."),
    ("UTC", (2028, 2, 29, 9, 0), "what was the date a year ago", "1 year ago it was Sunday, February 28, 2027."),
    ("UTC", (2026, 12, 25, 9, 0), "how many days until christmas", "Christmas is today."),
    ("UTC", (9999, 12, 31, 9, 0), "what day is it in two days", None)])
def test_changed_clocks_leap_years_and_ends_of_months(zone: str, now: tuple[int, ...], text: str, answer: str | None) -> None:
    assert told(text, datetime(*now, tzinfo=ZoneInfo(zone))) == answer  # type: ignore[misc, arg-type]


def test_what_it_can_do() -> None:
    routed = Router(lambda: SATURDAY).route("So, what can you do?")
    assert routed.skill == "abilities" and "sums" in (routed.answer or "")


def test_answers_are_spoken_without_a_digit_or_sign_left() -> None:
    for asked in questions(5, 300):
        said = spoken(told(asked.text, asked.now) or "")
        assert not any(c.isdigit() or c in "/%+=" for c in said), said


@pytest.mark.parametrize("text", [
    "what is (2+3)*4", "2 * (3 + 4)", "what is 10 - (3 - 2)", "what is 100 / (5 + 5)", "what is √(16+9)", "what is 2^(3+1)",
    "what is 5! plus 1", "what is 3! times 2", "(2 + 5)!", "2 + 5!"])
def test_brackets_and_factorials_are_not_overheard(text: str) -> None:
    routed = Router(lambda: SATURDAY).route(text)
    assert routed.skill == "unsure" and routed.answer == unsure.ANSWER


def test_who_only_speaks_up_is_understood_and_brackets_are_no_sum() -> None:
    route = Router(lambda: SATURDAY).route
    assert route("What time is it!").skill == "clock" and route("what is 2 + 5 !").answer == "2 plus 5 is 7."
    assert route("who was (the first) king").skill == MODEL


@given(st.text(max_size=80) | st.lists(st.sampled_from(
    WORDS), max_size=14).map(" ".join))
def test_anything_is_answered_or_left_alone(text: str) -> None:
    answer = told(text)
    assert answer is None or answer.endswith(".")


@given(st.integers(0, 10 ** 15 - 1))
def test_every_whole_number_is_read_back(n: int) -> None:
    words = hear(spoken(f"{n:,}"))
    read = number(words, 0)
    assert read is not None and (read.value, read.after) == (n, len(words))


def test_a_decision_takes_less_than_a_millisecond() -> None:
    router = Router(lambda: SATURDAY)
    texts = [asked.text for asked in questions(3, 200)] + NOT_TAKEN + ["word " * 5000]
    for text in texts:
        router.route(text)
    spent = []
    for text in texts:
        started = time.thread_time()
        router.route(text)
        spent.append(time.thread_time() - started)
    assert statistics.median(spent) < 0.001


def test_the_table_says_what_each_skill_is_for() -> None:
    assert [skill.name for skill in SKILLS] == ["clock", "units", "sums", "unsure", "device", "abilities"]
    assert all(skill.what for skill in SKILLS)
    assert Router(lambda: SATURDAY).route("nine minus two").why == "understood to the last word: arithmetic"


def test_the_wall_clock_is_that_of_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    there = wall_clock("Asia/Kolkata")()
    assert there.utcoffset().total_seconds() == 5.5 * 3600  # type: ignore[union-attr]
    assert abs((there - datetime.now(UTC)).total_seconds()) < 5
    monkeypatch.setenv("TZ", "America/New_York")
    assert str(wall_clock()().tzinfo) == "America/New_York"
    monkeypatch.setenv("TZ", "no/such/zone")
    assert wall_clock()().tzinfo is not None
    with pytest.raises(KeyError):
        wall_clock("Europe/Nowhere")
