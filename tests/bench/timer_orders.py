"""Orders for timers, alarms, reminders, lists and the device itself, as people say them; each comes when there is something it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from edgevoice.skills import agenda_words, device, lists, orders
from edgevoice.skills.agenda import Agenda, Item, Now, Ring
from edgevoice.skills.hearing import hear

ORDERS = (
    "Set a timer for ten minutes.", "Ten minutes for the eggs.", "Set a pizza timer for twelve minutes.", "How long is left?",
    "How long is left on the pizza timer?", "Add two minutes to the pizza timer.", "Pause the pizza timer.", "Resume the pizza timer.",
    "Cancel the egg timer.", "Cancel all timers.", "What timers are running?", "Set a timer for an hour and a half.",
    "Set a timer called laundry for forty minutes.", "Wake me at half past six.", "Wake me up at seven thirty tomorrow.",
    "Set an alarm for seven every weekday.", "Set an alarm for nine p m.", "What alarms do I have?", "Cancel the alarm.",
    "Remind me to call mum at five.", "Remind me in ten minutes to check the oven.", "Remind me tomorrow at nine to take my pills.",
    "What are my reminders?", "Cancel all reminders.", "Add milk and eggs to the shopping list.", "What's on my shopping list?",
    "Take milk off the shopping list.", "Clear the shopping list.", "Turn it up.", "Louder.", "Volume to forty percent.", "Mute yourself.",
    "What's your volume?", "Why were you slow?", "How are you?", "Set a timer for two seconds.", "Five more minutes.", "Snooze.", "Okay.")
RINGING = 36
"""from this one on something rings"""


class Answering:
    """What would be answered, and what is pending once the right words were obeyed."""

    def __init__(self) -> None:
        self._now = Now(100.0, datetime(2026, 11, 27, 14, 0, tzinfo=ZoneInfo("Europe/Berlin")))
        self._agenda = Agenda()

    def to(self, text: str, *, keep: bool, rings: bool) -> str | None:
        """``None`` where no skill takes ``text``."""
        agenda = replace(self._agenda, ringing=(Ring(Item(99, "timer", "egg"), 0.0, 0.0),) if rings else ())
        words = hear(text)
        order = agenda_words.order(words, self._now.local, agenda) if words else None
        if order is not None:
            obeyed = orders.obey(agenda, order, self._now)
            after, answer = obeyed.agenda, obeyed.answer
        elif (entry := lists.order(text, agenda.lists)) is not None:
            entries, answer = lists.obey(agenda.lists, entry)
            after = replace(agenda, lists=entries)
        else:
            deed = device.asked(words) if words else None
            return None if deed is None else str(deed)
        if keep:
            self._agenda = after
        return answer
