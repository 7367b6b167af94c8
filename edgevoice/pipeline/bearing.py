"""What the machine bears, read now and then, and the ladder's word on it carried out (``ladder.py`` decides).

Law: the readings are made aside, since a sensor may take its time; everything else is on the loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from edgevoice.clock import Clock
from edgevoice.host import Host, memory_pressure, memory_share
from edgevoice.pipeline.ladder import Ladder, Level
from edgevoice.trace import Trace

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""how often the machine is looked at"""


class Bearing:
    """``apply`` is told each new level; ``broken`` tells the engines that are not asked.  ``root`` is for tests."""

    def __init__(self, ladder: Ladder, clock: Clock, trace: Trace, apply: Callable[[Level], None], broken: Callable[[], Sequence[str]],
                 root: Path = Path("/")) -> None:
        self.ladder = ladder
        self._clock, self._trace, self._apply, self._broken, self._root = clock, trace, apply, broken, root
        self._host = Host(root, root)

    async def run(self) -> None:
        """Until cancelled.  A look that fails is told, and the next one made all the same."""
        while True:
            try:
                self.look(await asyncio.to_thread(readings, self._host, self._root))
            except Exception as error:
                log.exception("the machine could not be looked at")
                self._trace.emit("error", stage="ladder", message=type(error).__name__)
            await asyncio.sleep(LOOK_S)

    def look(self, found: dict[str, float | None]) -> None:
        ladder = self.ladder
        if ladder.look(self._clock.now(), found, self._broken()):
            self._apply(ladder.level)
            self._trace.emit("ladder", level=ladder.level.name.lower(), why=ladder.why)


def readings(host: Host, root: Path) -> dict[str, float | None]:
    """What the ladder's table names; ``None`` where this machine does not tell."""
    state = host.look()
    slowed = any(flag != "undervoltage" for flag in state.throttling)
    return {"temperature_c": state.temperature_c, "throttled": float(slowed), "memory_share": memory_share(root),
            "memory_pressure": memory_pressure(root)}
