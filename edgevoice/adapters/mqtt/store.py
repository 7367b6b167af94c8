"""Events on their way to the broker: in memory while it is there, on the disk while it is not.

Theory: an event is forgotten when the broker has acknowledged it.  While the connection stands events pass through memory alone, which
spares the card of a Pi; once it breaks, what is unacknowledged and all that comes goes into a small SQLite file, and from there it goes
out again first, so that the order holds.  An event's id never changes: whoever got it before a break and again after it knows it.

Laws: never more than ``limit`` events; the oldest go first and are counted; a disk that fails costs persistence, not events.
One thread.
"""

from __future__ import annotations

import collections
import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

WINDOW = 16
"""events that wait for their acknowledgement at once"""
_BEFORE_ALL = -1
"""rows are numbered from 1"""


@dataclass(frozen=True, slots=True)
class Kept:
    """One event: its id, what the topic ends with, its payload."""

    id: str
    name: str
    payload: bytes


class EventStore:
    """``path`` ``None`` keeps all in memory."""

    def __init__(self, path: Path | None, limit: int) -> None:
        self._limit, self._path = limit, path
        self.dropped = 0
        self.problem: str | None = None
        """why nothing is kept on the disk"""
        self._offline = True
        self._waiting: collections.deque[Kept] = collections.deque()
        """in memory, not yet sent"""
        self._sent: dict[str, Kept | None] = {}
        """not yet acknowledged, in order; ``None`` for one that is on the disk as well"""
        self._done: list[str] = []
        """acknowledged, and still on the disk"""
        self._base = self._open(path)
        self._cursor, self._rows, self._unsent_rows = _BEFORE_ALL, 0, 0
        """row of the last one sent from the disk; rows there; those of them after the cursor"""
        self._recount()

    def __len__(self) -> int:
        """Events that are not acknowledged."""
        return self._rows - len(self._done) + len(self._waiting) + sum(event is not None for event in list(self._sent.values()))

    def add(self, events: list[Kept]) -> None:
        if self._offline or self._unsent_rows:
            self._write(events)
        else:
            self._waiting.extend(events)
        self._trim()

    def online(self) -> None:
        """A connection stands."""
        self._offline = False

    def offline(self) -> None:
        """It does not: what was sent may not have arrived.  Idempotent."""
        self._offline = True
        self._forget_done()
        rest = [*(event for event in self._sent.values() if event is not None), *self._waiting]
        self._sent.clear()
        self._waiting.clear()
        self._cursor = _BEFORE_ALL
        self._write(rest)  # at the end: while anything was unsent on the disk, nothing went into memory, so this is the newer part
        self._recount()
        self._trim()

    def next(self) -> list[Kept]:
        """What may be sent now, in order; each is then taken for sent."""
        self._forget_done()
        room = WINDOW - len(self._sent)
        if room <= 0 or self._offline:
            return []
        made: list[Kept] = []
        if self._unsent_rows:
            rows = self._read("SELECT n, id, name, payload FROM events WHERE n > ? ORDER BY n LIMIT ?", self._cursor, room)
            for self._cursor, id, name, payload in rows:
                made.append(Kept(id, name, bytes(payload)))
                self._sent[id] = None
            self._unsent_rows = self._unsent_rows - len(rows) if rows else 0
        while len(made) < room and self._waiting and not self._unsent_rows:
            event = self._waiting.popleft()
            self._sent[event.id] = event
            made.append(event)
        return made

    def acked(self, id: str) -> None:
        if id in self._sent and self._sent.pop(id) is None:
            self._done.append(id)

    def close(self) -> None:
        """Keeps what is not acknowledged."""
        self.offline()
        self._base.close()

    def _write(self, events: list[Kept]) -> None:
        """At the end of the file."""
        if not events:
            return
        for again in (False, True):
            try:
                with self._base:
                    self._base.executemany("INSERT OR IGNORE INTO events (id, name, payload) VALUES (?, ?, ?)",
                                           [(event.id, event.name, event.payload) for event in events])
                break
            except sqlite3.Error as error:
                if again:
                    raise
                self._fall_back(error)
        self._recount()

    def _forget_done(self) -> None:
        if not self._done:
            return
        done, self._done = self._done, []
        self._change("DELETE FROM events WHERE id = ?", [(id,) for id in done])

    def _trim(self) -> None:
        over = len(self) - self._limit
        if over <= 0:
            return
        before = len(self)
        if self._unsent_rows:
            self._change("DELETE FROM events WHERE n IN (SELECT n FROM events WHERE n > ? ORDER BY n LIMIT ?)", [(self._cursor, over)])
        while len(self) > self._limit and self._waiting:
            self._waiting.popleft()
        self.dropped += before - len(self)

    def _change(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        try:
            with self._base:
                self._base.executemany(statement, rows)
        except sqlite3.Error as error:
            self._fall_back(error)
        self._recount()

    def _read(self, statement: str, *facts: int) -> list[tuple[int, str, str, bytes]]:
        try:
            return self._base.execute(statement, facts).fetchall()
        except sqlite3.Error as error:
            self._fall_back(error)
            return self._base.execute(statement, facts).fetchall()

    def _recount(self) -> None:
        rows = self._read("SELECT count(*), coalesce(sum(n > ?), 0), '', '' FROM events", self._cursor)
        self._rows, self._unsent_rows = rows[0][0], int(rows[0][1])

    def _open(self, path: Path | None) -> sqlite3.Connection:
        if path is not None:
            for again in (False, True):
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    return _tables(str(path))
                except (sqlite3.Error, OSError) as error:
                    self.problem = f"{path}: events are not kept on the disk ({error})"
                    if again or not isinstance(error, sqlite3.DatabaseError) or isinstance(error, sqlite3.OperationalError):
                        break
                    path.unlink(missing_ok=True)  # not a database, or no longer one: there is nothing to save
                    self.problem = None
            if self.problem is not None:
                log.warning("MQTT: %s", self.problem)
        return _tables(":memory:")

    def _fall_back(self, error: sqlite3.Error) -> None:
        """The disk fails: go on in memory with what of it can still be read."""
        self.problem = f"{self._path}: events are not kept on the disk ({error})"
        log.warning("MQTT: %s", self.problem)
        try:
            rows = self._base.execute("SELECT n, id, name, payload FROM events ORDER BY n").fetchall()
        except sqlite3.Error:
            self.dropped += self._rows
            rows = []
        self._base.close()
        self._base = _tables(":memory:")
        with self._base:
            self._base.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
        self._recount()


def _tables(path: str) -> sqlite3.Connection:
    base = sqlite3.connect(path, isolation_level="IMMEDIATE", check_same_thread=False)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = NORMAL")
    base.execute("CREATE TABLE IF NOT EXISTS events "
                 "(n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, name TEXT NOT NULL, payload BLOB NOT NULL)")
    base.commit()
    return base
