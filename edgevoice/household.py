"""The house that can be spoken to, put together: ``Household.of`` the settings."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edgevoice.clock import wall_clock
from edgevoice.home import file
from edgevoice.home.house import House
from edgevoice.home.resolve import Run
from edgevoice.home.talk import Talk
from edgevoice.pipeline.deeds import Deeds
from edgevoice.pipeline.housekeeping import KIND, Housekeeper, NoWay
from edgevoice.settings import Settings
from edgevoice.skills.deeds import Deed
from edgevoice.skills.router import Asked, Found, Skill

SPARE_S = 2.0
"""beside the time that things have to answer, before a deed is given up"""


@dataclass(frozen=True, slots=True)
class Household:
    """``skill`` routes words to ``keeper``, whose ``way`` is set once there is one."""

    house: House
    talk: Talk
    keeper: Housekeeper
    skill: Skill
    within_s: float

    @classmethod
    def of(cls, settings: Settings, now: Callable[[], datetime] | None = None) -> Household | None:
        """``None`` where there is no house to speak to.  Takes some tenths of a second; ``ConfigError`` for files that are wrong."""
        home = settings.home
        if not (home.file or (home.learn and settings.mqtt.host)):
            return None
        known = file.read(Path(home.file).expanduser()) if home.file else file.HouseFile()
        more = file.sentence_files(Path(home.sentences).expanduser()) if home.sentences else []
        house = House([thing.asked_about(home.confirm) for thing in known.things], known.areas)
        talk = Talk(house, home.area, more, home.forgiving, {one.name: Run(one.messages, one.say) for one in known.intents})
        talk.warm()
        gc.collect()
        gc.freeze()  # 100,000s of objects, for good: looking through them would hold the loop for 0.15 s now and then
        keeper = Housekeeper(house, talk, NoWay(), now or wall_clock(settings.skills.timezone), answer_s=home.answer_s)
        return cls(house, talk, keeper, Skill("house", "lights and all else that the house has", lambda asked: _found(talk, asked),
                                                     "switch and set what the house has, and tell how it is", talk.forget),
                   home.answer_s + SPARE_S)

    def serve(self, deeds: Deeds) -> None:
        """Let ``deeds`` do what is asked of the house."""
        deeds.register(KIND, self.keeper.do, within_s=self.within_s)


def _found(talk: Talk, asked: Asked) -> Found | None:
    plan = talk.hear(asked.text, asked.now())
    return None if plan is None else Found(deed=Deed(KIND, {"plan": plan}), confidence=plan.confidence, why=plan.why)
