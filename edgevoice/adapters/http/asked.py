"""Questions asked over HTTP, and the replies to them, for as long as somebody may come back for them.

Theory: a ``ReplyStream`` keeps all its frames, so that to resume is to read it from another place: nothing is copied and nothing is
generated twice.  A question is known by its id; whoever asks again with the same id and words is one more reader of the same reply.
When the last reader has gone and does not come back within the grace time, what only he was waiting for is given up.

Threads: everything here happens on the edge's loop; the stream is written elsewhere and tells by ``listen``.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

from edgevoice.events import ReplyFrame
from edgevoice.pipeline.reply import ReplyStream

BEGIN_S = 10.0
"""within which the reply to a question begins, be it only with an apology"""
KEPT = 32
"""questions whose replies can be read again"""


class Asked:
    """One question.  ``give_up`` is called when nobody has waited for its unfinished reply for ``grace_s``."""

    begun = False
    """whether somebody has it answered"""

    def __init__(self, id: str, text: str, grace_s: float, give_up: Callable[[Asked], None] | None) -> None:
        self.id, self.text = id, text
        self.stream: asyncio.Future[ReplyStream] = asyncio.get_running_loop().create_future()
        self._loop, self._grace_s, self._give_up = asyncio.get_running_loop(), grace_s, give_up
        self._changed = asyncio.Event()
        self._readers = 0
        self._timer: asyncio.TimerHandle | None = None

    def answered_by(self, stream: ReplyStream) -> None:
        if not self.stream.done():
            self.stream.set_result(stream)
            stream.listen(self._tell)

    def failed(self, error: Exception) -> None:
        if not self.stream.done():
            self.stream.set_exception(error)
            self.stream.exception()  # looked at, whether or not somebody waits

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the edge has ended
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Somebody waits for the reply."""
        self._readers += 1
        if self._timer is not None:
            self._timer.cancel()
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers and self._give_up is not None:
                self._timer = self._loop.call_later(self._grace_s, self._nobody)

    def _nobody(self) -> None:
        if self._give_up is not None and not (self.stream.done() and (self.stream.cancelled() or self.stream.exception()
                                                                      or self.stream.result().closed)):
            self._give_up(self)

    async def frames(self, after: int, heartbeat_s: float) -> AsyncIterator[list[ReplyFrame]]:
        """The frames past number ``after``, as they come, several at once where several wait; an empty list where none came for
        ``heartbeat_s``.  Ends after the closing one."""
        reader = (await asyncio.shield(self.stream)).read()
        while True:
            changed = self._changed
            new = [frame for frame in reader.poll() if frame.seq > after]
            if new:
                yield new
            if reader.over:
                return
            if changed is self._changed:
                try:
                    await asyncio.wait_for(changed.wait(), heartbeat_s)
                except TimeoutError:
                    yield []


class Questions:
    """The last ``KEPT`` of them, by id."""

    def __init__(self) -> None:
        self._known: collections.OrderedDict[str, Asked] = collections.OrderedDict()

    def find(self, id: str) -> Asked | None:
        return self._known.get(id)

    def keep(self, asked: Asked) -> None:
        self._known[asked.id] = asked
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def forget(self, asked: Asked) -> None:
        """It was never asked."""
        self._known.pop(asked.id, None)
