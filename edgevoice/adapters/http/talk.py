"""A client's side of a conversation of its own: how it begins, goes on after a cut, and ends (docs/stream.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgevoice.adapters.house import Failed
from edgevoice.adapters.http import wire
from edgevoice.adapters.http.private import WHERE, Private
from edgevoice.adapters.http.view import View
from edgevoice.adapters.verbs import Refused

if TYPE_CHECKING:
    from edgevoice.adapters.http.stream import Streams


class Talk:
    """One for each connection; on the edge's loop.  ``answer`` sends a message, ``wake`` says that there is something to be sent."""

    def __init__(self, streams: Streams, answer: Callable[[bytes], None], wake: Callable[[], None]) -> None:
        self._streams, self._answer, self._wake = streams, answer, wake
        self._private: Private | None = None
        self._joining = False
        self.view: View | None = None

    @property
    def private(self) -> Private:
        """``Refused`` where there is none."""
        if self._private is None:
            raise Refused("unavailable", "no conversation of its own is open: talk first")
        return self._private

    async def talk(self, said: dict[str, Any]) -> None:
        if not said["on"]:
            private = self.private
            private.listen(False, 0)
            if said.get("end"):
                private.close("ended")
            else:
                self._answer(wire.message("talking", on=False, conversation=private.id))
            return
        if "rate" not in said:
            raise Refused("malformed", "rate: is missing")
        try:
            private = self._private or await self._join(said)
        except Failed as error:
            self._streams.refused[error.reason] += 1
            self._answer(wire.message("talking", on=False, reason=error.reason, message=str(error)[:500]))
            return
        private.listen(True, said["rate"])
        self._answer(wire.message("talking", on=True, conversation=private.id, rate=private.rate))

    def hear(self, piece: wire.Piece) -> None:
        """A piece of its microphone's sound."""
        private = self.private
        if not private.on:
            raise Refused("unavailable", "its microphone is off: talk first")
        private.hear(piece.sample, piece.data)

    def leave(self) -> None:
        """The connection is gone."""
        if self._private is not None:
            private = self._private
            self._part()
            private.detach()

    async def _join(self, said: dict[str, Any]) -> Private:
        if self._joining:
            raise Refused("busy", "its conversation is about to begin")
        self._joining = True
        try:
            if "conversation" in said:
                private = self._streams.private(said["conversation"])
            else:
                self._answer(wire.message("talking", on=False, loading=True))
                private = await self._streams.converse(echo=said.get("echo", False))
        finally:
            self._joining = False
        after = said.get("after", {})
        view = View(private.source, wire.VOICE)
        view.events = private.source.events.place(after["event"]) if "event" in after else 0
        view.replies = view.state = view.waterfall = True
        view.pace.wanted = "full"
        view.resume(after.get("frame", "0-0"))
        private.source.wakes.add(self._wake)
        self._private, self.view = private, view
        private.attach(self._left)
        return private

    def _left(self, why: str) -> None:
        """It is over, or another connection goes on with it."""
        if self._private is not None:
            self._answer(wire.message("talking", **WHERE, on=False, conversation=self._private.id, reason=why))
            self._part()

    def _part(self) -> None:
        if self.view is not None and self._private is not None:
            self._private.source.wakes.discard(self._wake)
            self.view.close()
        self._private = self.view = None
