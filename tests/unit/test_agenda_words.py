"""What is said of timers, alarms and reminders, and what is done and answered; and what is not about them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edgevoice.skills.agenda import Agenda, Now, step
from edgevoice.skills.agenda_words import order, wanted
from edgevoice.skills.hearing import hear
from edgevoice.skills.orders import NO_CLOCK, TOO_MANY, Order, obey
from edgevoice.skills.whens import occurrence, when
from tests.bench.questions import SPOKEN

BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY = datetime(2026, 11, 27, 14, 0, tzinfo=BERLIN)
NOT_TIMERS = [line for line in (Path(__file__).parent / "not_for_skills.txt").read_text(encoding="utf-8").splitlines()
              if "timer" not in line and "eggs" not in line]


class Talk:
    """One conversation: ``say`` gives the answer, "" where it is for others."""

    def __init__(self, now: datetime = FRIDAY) -> None:
        self.now, self.agenda = Now(100.0, now), Agenda()
        self.asked: Order | None = None

    def say(self, text: str) -> str:
        found = order(hear(text), self.now.local, self.agenda, self.asked)
        if found is None:
            return ""
        obeyed = obey(self.agenda, found, self.now)
        self.agenda, self.asked = obeyed.agenda, obeyed.asked
        return obeyed.answer

    def wait(self, seconds: float) -> list[str]:
        """The names of what rings then."""
        self.now = Now(self.now.mono + seconds, datetime.fromtimestamp(self.now.wall + seconds, BERLIN))
        stepped = step(self.agenda, self.now)
        self.agenda = stepped.agenda
        return [item.name for item in stepped.sound]


@pytest.mark.parametrize(("text", "answer"), [
    ("Set a timer for ten minutes.", "10 minutes, starting now."),
    ("ten minutes for the eggs", "The timer for the eggs is set for 10 minutes."),
    ("set a pizza timer for 12 minutes", "The pizza timer is set for 12 minutes."), ("Set a 10-minute timer.", "10 minutes, starting now."),
    ("start a 5 minute pasta timer please", "The pasta timer is set for 5 minutes."), ("timer five minutes", "5 minutes, starting now."),
    ("set a timer called laundry for forty minutes", "The laundry timer is set for 40 minutes."),
    ("can you set a timer for the cake for 50 minutes", "The timer for the cake is set for 50 minutes."),
    ("set a timer for an hour and a half", "1 hour 30 minutes, starting now."), ("set a time for five minutes", "5 minutes, starting now."),
    ("set a timer for three quarters of an hour", "45 minutes, starting now."),
    ("set another timer for 1 hour 30 minutes for the rice", "The timer for the rice is set for 1 hour 30 minutes."),
    ("set a second timer for ten minutes", "The second timer is set for 10 minutes."),
    ("wake me at half past six", "The alarm is set for 6:30 AM tomorrow."), ("set an alarm for six", "The alarm is set for 6:00 PM."),
    ("Wake me up at 6:30 a.m. on Monday.", "The alarm is set for 6:30 AM on Monday."),
    ("set an alarm for seven every weekday", "The alarm is set for 7:00 AM every weekday."),
    ("wake me up every Monday and Friday at quarter to seven", "The alarm is set for 6:45 AM every Monday and Friday."),
    ("Set in alarm for seven every weekday.", "The alarm is set for 7:00 AM every weekday."),
    ("set an alarm for tomorrow at six thirty", "The alarm is set for 6:30 AM tomorrow."),
    ("set a 7 am alarm", "The alarm is set for 7:00 AM tomorrow."), ("wake me in twenty minutes", "I will wake you in 20 minutes."),
    ("set an alarm for today at noon", "That time has passed."),
    ("remind me to call mum at five", "I will remind you at 5:00 PM to call mum."),
    ("remind me in ten minutes to check my oven", "I will remind you in 10 minutes to check your oven."),
    ("remind me tomorrow morning to put the bins out", "I will remind you at 9:00 AM tomorrow to put the bins out."),
    ("set a reminder for tomorrow at ten to buy bread", "I will remind you at 10:00 AM tomorrow to buy bread."),
    ("Remind me to morrow at nine to take my pills.", "I will remind you at 9:00 AM tomorrow to take your pills."),
    ("remind me to look at the oven at seven", "I will remind you at 7:00 PM to look at the oven."),
    ("remind me about the meeting on the fifth of March at noon", "I will remind you at 12:00 PM on Friday, March 5 about the meeting."),
    ("how long is left", "No timer is set."), ("cancel all timers", "No timer is set."), ("what alarms do I have", "No alarm is set.")])
def test_one_sentence(text: str, answer: str) -> None:
    assert Talk().say(text) == answer


@pytest.mark.parametrize("text", [
    *NOT_TIMERS, *SPOKEN, "set the table for ten minutes", "stop the music", "cancel my subscription", "wake me up before you go",
    "remind me of my childhood", "how long is the train", "how long is left until the train", "what time is it in ten minutes",
    "ten minutes", "in two hours", "pause", "set off the timer for ten minutes", "don't set a timer for ten minutes",
    "is there an alarm in this song",
    "why do timers tick", "who set the alarm", "turn off the light in ten minutes"])
def test_what_is_not_about_timers_is_left_alone(text: str) -> None:
    assert Talk().say(text) == ""


def test_an_order_without_a_time_that_makes_sense_is_known_to_be_one() -> None:
    for text in ("wake me at half past six every weekday and sunday", "set an alarm for 25 o'clock", "set a timer for minus five minutes"):
        words = hear(text)
        assert order(words, FRIDAY, Agenda()) is None and wanted(words), text
    assert not any(wanted(hear(text)) for text in ("remind me why the sky is blue", "set the table", "who was woken by a kiss"))


def test_several_timers_are_told_apart() -> None:
    talk = Talk()
    talk.say("ten minutes for the eggs")
    talk.say("set a pizza timer for 12 minutes")
    talk.wait(30)
    assert talk.say("how long is left") == ("You have 2 timers: the timer for the eggs has 9 minutes 30 seconds left and the pizza timer "
                                            "has 11 minutes 30 seconds left.")
    assert talk.say("how long do the eggs have left") == "The timer for the eggs has 9 minutes 30 seconds left."
    assert talk.say("add two minutes to the pizza timer") == "The pizza timer has 13 minutes 30 seconds left now."
    assert talk.say("At two minutes to the pizza timer.") == "The pizza timer has 15 minutes 30 seconds left now."
    assert talk.say("take two minutes off the pizza timer") == "The pizza timer has 13 minutes 30 seconds left now."
    assert talk.say("take one minute off the pizza timer") == "The pizza timer has 12 minutes 30 seconds left now."
    assert talk.say("pause the egg timer") == "The timer for the eggs is paused."
    talk.wait(600)
    assert talk.say("how long is left for the eggs") == "The timer for the eggs is paused with 9 minutes 30 seconds left."
    assert talk.say("cancel the timer") == "Which one: the timer for the eggs or the pizza timer?"
    assert talk.say("the pizza timer") == "The pizza timer is cancelled."
    assert talk.say("resume the timer") == "The timer for the eggs goes on with 9 minutes 30 seconds left."
    assert talk.say("timer status") == talk.say("how much time left on egg timer") == (
        "The timer for the eggs has 9 minutes 30 seconds left.")
    assert talk.say("cancel the rice timer") == "There is none of that name. There is the timer for the eggs."
    assert talk.say("give it five more minutes") == "The timer for the eggs has 14 minutes 30 seconds left now."
    assert talk.wait(14 * 60 + 29) == [] and talk.wait(2) == ["eggs"]


def test_a_question_is_answered_with_what_it_asked_for_and_nothing_else() -> None:
    talk = Talk()
    assert talk.say("set a pizza timer") == "For how long?" and talk.say("twelve minutes") == "The pizza timer is set for 12 minutes."
    assert talk.say("twelve minutes") == ""
    assert talk.say("set an alarm") == "At what time?" and talk.say("half past six") == "The alarm is set for 6:30 PM."
    assert talk.say("remind me to call the dentist") == "When shall I remind you?"
    assert talk.say("tomorrow at nine") == "I will remind you at 9:00 AM tomorrow to call the dentist."
    assert talk.say("set a timer") == "For how long?" and talk.say("never mind that") == ""


def test_a_name_may_come_after_a_pause() -> None:
    talk = Talk()
    talk.say("set a timer for ten minutes")
    assert talk.say("for the eggs") == "The timer for the eggs has 10 minutes left." and talk.say("for the rice") == ""
    talk.say("set a timer for five minutes")
    assert talk.say("call it pizza") == "The pizza timer has 5 minutes left." and len(talk.agenda.items) == 2
    talk.say("set a timer for three minutes")
    assert talk.say("three minutes") == "" and talk.say("for the love of god stop it") == ""


def test_what_rings_is_silenced_or_comes_again() -> None:
    talk = Talk()
    talk.say("set an egg timer for one minute")
    talk.say("set a pizza timer for ten minutes")
    assert talk.say("okay") == "" and talk.wait(60) == ["egg"]
    assert talk.say("five more minutes") == "Again in 5 minutes." and talk.wait(300) == ["egg"]
    assert talk.say("stop the egg timer") == "Okay." and not talk.agenda.ringing
    assert talk.wait(240) == ["pizza"] and talk.say("thank you") == "Okay." and talk.agenda.kept == ()
    assert talk.say("thank you") == ""


def test_what_is_there_is_told_and_cancelled_by_its_time() -> None:
    talk = Talk()
    talk.say("wake me at seven every weekday")
    talk.say("set an alarm for 9 pm")
    talk.say("set an alarm for 9 pm")
    assert talk.say("what alarms are set") == "You have 2 alarms: for 9:00 PM and for 7:00 AM every weekday."
    assert talk.say("cancel the 9 pm alarm") == "The alarm for 9:00 PM is cancelled."
    assert talk.say("when is my alarm") == "The alarm is set for 7:00 AM every weekday."
    talk.say("remind me to call mum at five")
    talk.say("remind me at six to feed the cat")
    assert talk.say("what are my reminders") == "You have 2 reminders: at 5:00 PM to call mum and at 6:00 PM to feed the cat."
    assert talk.say("cancel the reminder to call mum") == "The reminder to call mum is cancelled."
    assert talk.say("cancel all reminders") == "The reminder to feed the cat is cancelled."


def test_a_clock_that_was_never_set_sets_no_alarm() -> None:
    talk = Talk(datetime(1970, 1, 1, 0, 5, tzinfo=UTC))
    assert talk.say("wake me at seven") == NO_CLOCK and talk.say("set a timer for one minute") == "1 minute, starting now."


def test_there_is_an_end_to_what_can_be_remembered() -> None:
    talk = Talk()
    answers = [talk.say(f"set a timer for {seconds} seconds") for seconds in range(2, 90)]
    assert TOO_MANY in answers and len(talk.agenda.items) == 64


def test_an_hour_that_comes_twice_is_its_first_and_one_that_is_left_out_is_later() -> None:
    night = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN)
    again = night.replace(fold=1)
    assert occurrence(2, 30, tuple(range(7)), night).timestamp() - night.timestamp() == 20 * 60
    assert occurrence(2, 30, tuple(range(7)), again).date().day == 26, "the second half past two is not another one"
    spring = datetime(2027, 3, 28, 1, 0, tzinfo=BERLIN)
    found = when(["at", "half", "past", "two"], 0, spring)
    assert found is not None
    at = found[0].at(spring)
    assert at is not None and at.astimezone(UTC) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC), "which the clock shows as half past three"
