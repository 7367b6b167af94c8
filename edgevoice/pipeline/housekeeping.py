"""What is done in the house: ``Housekeeper`` carries out the plans that words were made into.

Theory: a plan's commands are published one after another without waiting; then the states that the things tell are awaited together, for
``answer_s``.  What is said afterwards is what was heard: done, already so, told but silent, offline, or that there is no way to the house.

Laws: everything on the loop's thread; a command is published once and never again, also when nothing answers; what waits is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from edgevoice.home import wording
from edgevoice.home.house import House, Thing
from edgevoice.home.looking import answer
from edgevoice.home.orders import Act, Cannot, Order, order
from edgevoice.home.resolve import Do, Look, Open, Run, Say, act_for
from edgevoice.home.talk import Plan, Talk
from edgevoice.skills.deeds import Deed

KIND = "house"
"""of deeds that are plans"""
LOOK_S = 0.01
"""between two looks at whether everything has answered"""


class Way(Protocol):
    """How messages come to the house."""

    @property
    def open(self) -> bool:
        """Whether it is there now."""

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> bool:
        """Send, without waiting; False for a topic to which nothing must be sent."""


class NoWay:
    """Where no broker was named."""

    open = False

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> bool:
        raise AssertionError("closed")


class Housekeeper:
    """``answer_s``: how long a thing may take to tell its new state."""

    def __init__(self, house: House, talk: Talk, way: Way, now: Callable[[], datetime], *, answer_s: float = 1.0) -> None:
        self._house, self._talk, self.way, self._now, self._answer_s = house, talk, way, now, answer_s

    async def do(self, deed: Deed) -> str:
        """What is said once it is done."""
        plan = deed.arguments["plan"]
        assert isinstance(plan, Plan)
        self._talk.began(plan, self._now())
        said = []
        for part in plan.parts:
            match part:
                case Say(text) | Open(text=text):
                    said.append(text)
                case Look():
                    said.append(answer(self._house, part) if self.way.open or not part.ids else wording.AWAY)
                case Run():
                    said.append(self._run(part))
                case Do():
                    said.append(await self._do(part))
        return " ".join(dict.fromkeys(said))

    def _run(self, run: Run) -> str:
        """A user's own intent."""
        if not self.way.open:
            return wording.AWAY
        sent = [self.way.publish(topic, payload) for topic, payload in run.messages]
        return run.say if all(sent) else wording.CANNOT_YET

    async def _do(self, do: Do) -> str:
        if not self.way.open:
            return wording.AWAY
        outcomes: dict[tuple[str, Act], list[Thing]] = {}
        waiting: list[tuple[Thing, Act, Order, int]] = []
        for thing in filter(None, map(self._house.thing, do.ids)):
            act, before = act_for(thing, do.act), self._house.state(thing.id)
            if not before.available:
                outcomes.setdefault(("offline", act), []).append(thing)
                continue
            try:
                made = order(thing, act)
            except Cannot as why:
                outcomes.setdefault((str(why), act), []).append(thing)
                continue
            sent = [self.way.publish(topic, payload, retain=made.retain) for topic, payload in made.messages]
            if not all(sent):
                outcomes.setdefault(("can't be told anything", act), []).append(thing)
            elif made.done is None:
                outcomes.setdefault(("told", act), []).append(thing)
            else:
                waiting.append((thing, act, made, before.heard))
        heard = await self._await(waiting)
        for thing, act, made, _ in waiting:
            assert made.done is not None
            so = made.done(self._house.state(thing.id))
            outcomes.setdefault(("done" if so and thing.id in heard else "already" if so else "silent", act), []).append(thing)
        return " ".join(_said(outcome, act, some, do.subject if len(some) == len(do.ids) else "")
                        for (outcome, act), some in outcomes.items())

    async def _await(self, waiting: Sequence[tuple[Thing, Act, Order, int]]) -> set[str]:
        """The ids of those that have told a state since, as was wanted, in time."""
        heard: set[str] = set()
        for _ in range(max(1, round(self._answer_s / LOOK_S))):
            for thing, _act, made, before in waiting:
                state = self._house.state(thing.id)
                if thing.id not in heard and state.heard > before and made.done is not None and made.done(state):
                    heard.add(thing.id)
            if len(heard) == len(waiting):
                break
            await asyncio.sleep(LOOK_S)
        return heard


def _said(outcome: str, act: Act, things: Sequence[Thing], group: str) -> str:
    """What became of ``things``; ``group``: what they are called together."""
    subject = wording.named_all(things, group)
    many = len(things) > 1 or wording.is_plural(subject)
    match outcome:
        case "done":
            return wording.done(subject, many, act)
        case "already":
            return wording.already(subject, many, act) if act.value is None else wording.done(subject, many, act)
        case "told":
            return "Done." if all(thing.domain in ("scene", "button") for thing in things) else wording.told(subject)
        case "silent":
            return wording.silent(subject, many)
        case "offline":
            return wording.offline(subject, many)
        case why:
            return wording.capital(f"{subject} {why.replace('has ', 'have ', 1) if many else why}.")
