"""Where one listener is in one conversation: a set of numbers, and from them what he has not seen yet.

Laws: nothing is queued for him.  Text comes first, sound only when no text waits; sound that he did not take in time is gone.  What the
device says is words, spoken or written: where the settings keep those on the device, he gets of either only the answers to what he asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from edgevoice.adapters.http.asked import Asked
from edgevoice.adapters.http.pace import Pace, Sounds
from edgevoice.adapters.http.source import Source, Tale
from edgevoice.adapters.http.wire import message, pack

REMEMBERED = 8
"""generations of which it is known when their first sound was sent and played"""


@dataclass(slots=True)
class _Place:
    """In a reply.  ``id``: of the question, where it was this listener's own."""

    tale: Tale
    next: int
    id: str = ""
    waiting: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


class View:
    """``what``: the kind of its messages of sound.  On the edge's loop; the times are monotonic."""

    def __init__(self, source: Source, what: int) -> None:
        self.source, self.pace = source, Pace()
        self.events: int | None = None
        """the newest event that was seen; ``None``: none are wanted"""
        self.replies = self.state = self.waterfall = False
        self.own: dict[str, tuple[Asked, int]] = {}
        """questions whose answers have not begun, and the last frame of them that was seen before"""
        self._what = what
        self._places: dict[int, _Place] = {}
        self._notes: list[bytes] = []
        self._states = 0
        self._quality: Sounds = "none"
        self._sound = self._number = 0
        self._mine: dict[int, float] = {}
        """generations that answered this listener, and so may be heard by him whatever the settings say of words"""
        self._sent: dict[int, float] = {}
        self._played: dict[int, float] = {}
        source.began.append(self._begun)
        source.timed.append(self._timed)

    def close(self) -> None:
        self.source.began.remove(self._begun)
        self.source.timed.remove(self._timed)
        for place in self._places.values():
            place.waiting.close()
        self._places.clear()
        self._listen("none")

    def follow(self, tale: Tale, after: int, asked: Asked | None = None) -> None:
        """Read the reply past frame ``after``; as the answer to ``asked``, if it is this listener's own question."""
        generation = tale.stream.generation
        place = self._places.get(generation)
        if place is None:
            place = self._places[generation] = _Place(tale, after + 1)
        if asked is not None and not place.id:
            place.id = asked.id
            _remember(self._mine, generation, 0.0)
            place.waiting.enter_context(asked.waiting())
            self._notes.append(message("asked", **self.source.where, id=asked.id, ok=True, turn=tale.stream.turn, generation=generation))

    def resume(self, frame: str) -> None:
        """All replies past ``frame`` ("generation-seq")."""
        generation, _, seq = frame.partition("-")
        if not all(part.isascii() and part.isdigit() and len(part) < 16 for part in (generation, seq)):
            return
        for tale in self.source.tales:
            if tale.stream.generation >= int(generation):
                self.follow(tale, int(seq) if tale.stream.generation == int(generation) else -1)

    def text(self) -> list[bytes]:
        """Messages that wait, up to now, in order; they count as seen."""
        made, self._notes = self._notes, []
        made += [frame for place in list(self._places.values()) for frame in self._frames(place)]
        if self.events is not None:
            new, self.events = self.source.events.after(self.events)
            made += new
        if self.state and self._states != self.source.states:
            self._states = self.source.states
            made.append(self.source.state)
        return made

    def sound(self, now: float) -> bytes | None:
        """A message of the sound that waits, if there is any."""
        source, before = self.source, self.pace.quality
        behind = 0.0 if self._quality == "none" else source.sound.behind_s(self._quality, self._sound)
        if self.pace.note(behind, now):
            why = "slow" if (self.pace.quality, before) in (("low", "full"), ("none", "low"), ("none", "full")) else "well"
            self._notes.append(message("quality", **source.where, sound=self.pace.quality, why=why))
        self._listen(self.pace.quality)
        if self._quality == "none":
            return None
        quality = self._quality
        if self.pace.full:
            self._sound = source.sound.newest(quality)
            return None
        heard, self._sound = source.sound.after(quality, self._sound)
        if heard is None:
            return None
        unit = source.rate / heard.rate
        if not source.words and source.sounding(heard.sample * unit, (heard.sample + heard.frames) * unit - unit) not in self._mine:
            return None
        generation, sample = source.first
        if generation and generation not in self._sent and (heard.sample + heard.frames) * unit > sample:
            _remember(self._sent, generation, now)
        self._number += 1
        return pack(self._what, heard.format, self._number - 1, heard.sample, heard.data)

    def played(self, generation: int, at: float) -> None:
        """The first sound of the generation came out of the listener's loudspeaker."""
        _remember(self._played, generation, at)

    rtt_s: float | None = None
    """the listener's last round trip"""

    def _listen(self, quality: Sounds) -> None:
        if quality == self._quality:
            return
        wanted = self.source.sound.wanted
        if self._quality != "none":
            wanted[self._quality] -= 1
        self._quality = quality
        if quality != "none":
            wanted[quality] += 1
            self._sound = self.source.sound.newest(quality)

    def _begun(self, tale: Tale) -> None:
        own = self.own.pop(tale.stream.origin, None) if tale.stream.origin else None
        if own is not None:
            self.follow(tale, own[1], own[0])
        elif self.replies:
            self.follow(tale, -1)

    def _frames(self, place: _Place) -> Iterator[bytes]:
        tale = place.tale
        while place.next < len(tale.frames):
            seq, place.next = place.next, place.next + 1
            yield message("frame", **self.source.where, id=place.id, **tale.frames[seq].as_dict()) if place.id else tale.message(
                seq, self.source.where)
        if tale.over:
            self._places.pop(tale.stream.generation).waiting.close()

    def _timed(self, timing: dict[str, Any]) -> None:
        if not self.waterfall:
            return
        generation, heard = timing["generation"], timing["t"]
        first = timing["stages"].get("playback_first_sample")
        client: dict[str, float] = {} if self.rtt_s is None else {"rtt_ms": round(1000 * self.rtt_s, 1)}
        for name, times in (("sent_ms", self._sent), ("played_ms", self._played)):
            if heard is not None and first is not None and generation in times:
                client[name] = round(first + 1000 * (times[generation] - heard), 1)
        facts = {name: value for name, value in timing.items() if name != "t"}
        self._notes.append(message("waterfall", **self.source.where, **facts, client=client))
        self.source.tell()


def _remember(times: dict[int, float], generation: int, at: float) -> None:
    times.setdefault(generation, at)
    while len(times) > REMEMBERED:
        del times[next(iter(times))]
