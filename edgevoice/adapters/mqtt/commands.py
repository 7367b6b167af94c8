"""Commands: which are obeyed, in what order, and what is answered.

Theory: a message is judged on the connection's thread and then handed to the loop.  What stops something (``CONTROL``) is handed over at
once, however many others wait, has a budget of its own that others cannot use up, and is carried out in the loop's next step; of the others
at most ``MOST_WAITING`` may be on their way.  Refusals are answered as often as commands may come, and counted beyond that: a flood is not
answered with a flood.

A command is known again by its id, or by the broker's mark that it sends a message once more.  One that was refused was not done: it is
forgotten, and may come again as it is.  One that was tried is not tried again, however it ended; whoever repeats it gets that result.

Laws: nothing retained, expired, malformed, too large, unknown, meant for another device, done before or too much is acted on; whatever
comes, nothing is raised.
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
import inspect
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from edgevoice.adapters.house import Failed, Verb
from edgevoice.adapters.limits import Bucket
from edgevoice.adapters.mqtt import schemas
from edgevoice.adapters.mqtt.link import Incoming, Message
from edgevoice.adapters.mqtt.topics import Topics
from edgevoice.adapters.verbs import CONTROL, MOST_BYTES, Refused, checked, dumps, parsed

log = logging.getLogger(__name__)

MOST_WAITING = 16
REMEMBERED = 512
"""commands that are known again"""
CONTROL_TIMES = 5
"""as many of CONTROL as of the others"""
REFUSALS_PER_S = 20.0
RESULT_EXPIRY_S = 60
"""after which nobody shall get a result that waited at the broker for him (MQTT 5)"""
NOT_DONE = frozenset({"busy", "unavailable"})
"""reasons of ``Failed`` that say that nothing was begun"""


@dataclass(frozen=True, slots=True)
class _Job:
    verb: str
    arguments: dict[str, Any]
    id: str
    message: Incoming
    began: float
    key: str
    """by which it is known again; empty if it is not"""


class Commands:
    """``take`` on the connection's thread; ``answer`` is called on any and must not wait."""

    def __init__(self, topics: Topics, verbs: Mapping[str, Verb], loop: asyncio.AbstractEventLoop, answer: Callable[[Message], None], *,
                 per_s: float) -> None:
        self._topics, self._verbs, self._loop, self._answer = topics, verbs, loop, answer
        self._normal, self._control = Bucket(per_s), Bucket(per_s * CONTROL_TIMES)
        self._refusals = Bucket(REFUSALS_PER_S)
        self._seen: collections.OrderedDict[str, dict[str, Any]] = collections.OrderedDict()
        self._waiting = 0
        self._lock = threading.Lock()
        """over what both threads write"""
        self._tasks: set[asyncio.Task[None]] = set()
        self.obeyed = 0
        self.refused: collections.Counter[str] = collections.Counter()
        """by reason"""
        self.unanswered = 0

    def take(self, message: Incoming) -> None:
        """Judge a message and hand it on, or refuse it."""
        began = time.monotonic()
        verb = self._topics.verb_of(message.topic)
        try:
            job = self._judge(verb, message, began)
        except Refused as refusal:
            self.refused[refusal.reason] += 1
            if self._refusals.take(began):
                self._result(verb or "unknown", _id_in(message), message, began, refusal.reason, str(refusal), refusal.data)
            else:
                self.unanswered += 1
            return
        except Exception as error:  # a bug of ours: the message must not break the connection, at which it would come again
            log.exception("a command for %s could not be judged", verb)
            self.refused["failed"] += 1
            self._result(verb or "unknown", "", message, began, "failed", f"{type(error).__name__}, see the device's log", {})
            return
        control = job.verb in CONTROL
        if not control:
            self._waits(+1)
        try:
            self._loop.call_soon_threadsafe(self._do if control else self._do_waited, job)
        except RuntimeError:  # the loop has ended: so has the device
            return

    def _waits(self, more: int) -> None:
        with self._lock:
            self._waiting += more

    def _judge(self, verb: str | None, message: Incoming, now: float) -> _Job:
        if message.retain:
            raise Refused("retained", "a retained command would be obeyed again at every connect: publish it without retain")
        arguments: dict[str, Any] | Refused | None = None
        if verb in CONTROL:  # read before it is counted: nonsense must not use up what real stops need
            try:
                arguments = checked(schemas.COMMANDS[verb], message.payload)
            except Refused as refusal:
                arguments = refusal
        if not (self._control if isinstance(arguments, dict) else self._normal).take(now):
            raise Refused("too_many", "more commands a second than mqtt.commands_per_s")
        if verb is None and not message.topic.startswith(f"{self._topics.root}/"):
            raise Refused("other_device", f"this is {self._topics.id}")
        if verb is None or verb not in schemas.COMMANDS or verb not in self._verbs:
            raise Refused("unknown", f"there are {', '.join(self._verbs)}")
        if isinstance(arguments, Refused):
            raise arguments
        if arguments is None:
            arguments = checked(schemas.COMMANDS[verb], message.payload)
        if arguments.get("device", self._topics.id) != self._topics.id:
            raise Refused("other_device", f"this is {self._topics.id}")
        if message.expiry_s == 0:
            raise Refused("expired", "its expiry interval was over when it came")
        sent, lasts = arguments.get("time"), arguments.get("ttl_s")
        if lasts is not None and (sent is None or time.time() > sent + lasts):
            raise Refused("malformed" if sent is None else "expired", "ttl_s needs time" if sent is None else
                          f"it was to be obeyed within {lasts:g} s, and came {time.time() - sent:.1f} s after it was sent")
        if verb not in CONTROL and self._waiting >= MOST_WAITING:
            raise Refused("busy", f"{MOST_WAITING} commands wait already")
        id = arguments.get("id", "")
        key = f"id {id}" if id else f"mid {message.mid} {hashlib.sha256(message.payload).hexdigest()} {verb}" if message.qos else ""
        self._know(key, always=bool(id), again=message.dup)
        return _Job(verb, {name: value for name, value in arguments.items() if name not in schemas.ENVELOPE}, id, message, now, key)

    def _know(self, key: str, *, always: bool, again: bool) -> None:
        """Remember a command; ``Refused`` where it was seen before.  Without an id only a message that the broker itself marks as
        sent again (``again``) can be one that was."""
        if not key:
            return
        with self._lock:
            if key in self._seen and (always or again):
                raise Refused("duplicate", "this command came before", {"result": self._seen[key]} if self._seen[key] else None)
            self._seen[key] = {}
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)

    def _became(self, job: _Job, result: dict[str, Any]) -> None:
        """Remember what a command came to, or forget it where it came to nothing."""
        with self._lock:
            if job.key not in self._seen:
                return
            if result.get("reason") in NOT_DONE:
                del self._seen[job.key]
            else:
                self._seen[job.key] = {name: value for name, value in result.items() if name != "data"}

    # On the loop.

    def _do_waited(self, job: _Job) -> None:
        self._do(job, lambda: self._waits(-1))

    def _do(self, job: _Job, done: Callable[[], None] = lambda: None) -> None:
        try:
            made = self._verbs[job.verb](job.arguments)
        except Exception as error:  # noqa: BLE001 - whatever a verb does, it is told as the result and ends nothing
            done()
            self._failed(job, error)
            return
        if not inspect.iscoroutine(made):
            done()
            self._done(job, made)  # type: ignore[arg-type]
            return
        task = self._loop.create_task(self._wait(job, made, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, job: _Job, work: Coroutine[Any, Any, dict[str, Any]], done: Callable[[], None]) -> None:
        try:
            data = await work
        except Exception as error:  # noqa: BLE001 - whatever a verb does, it is told as the result and ends nothing
            self._failed(job, error)
        else:
            self._done(job, data)
        finally:
            done()

    def _done(self, job: _Job, data: dict[str, Any]) -> None:
        self.obeyed += 1
        self._became(job, self._result(job.verb, job.id, job.message, job.began, None, "", data))

    def _failed(self, job: _Job, error: Exception) -> None:
        reason = error.reason if isinstance(error, Failed) else "failed"
        if not isinstance(error, Failed):
            log.warning("MQTT: %s failed: %s: %s", job.verb, type(error).__name__, error)
        self.refused[reason] += 1
        self._became(job, self._result(job.verb, job.id, job.message, job.began, reason, str(error) or type(error).__name__, None))

    def _result(self, verb: str, id: str, message: Incoming, began: float, reason: str | None, text: str,
                data: dict[str, Any] | None) -> dict[str, Any]:
        """Publish it under the command, where everybody may look, and also where its sender wants it."""
        made: dict[str, Any] = {"verb": verb, "ok": reason is None, "took_ms": round(1000 * (time.monotonic() - began), 3),
                                "time": round(time.time(), 3)}
        if id:
            made["id"] = id
        if reason is not None:
            made["reason"], made["message"] = reason, text[:500]
        if data:
            made["data"] = data
        own, wanted = self._topics.result(verb), message.response_topic
        facts: dict[str, Any] = {"qos": 1, "correlation": message.correlation, "expiry_s": RESULT_EXPIRY_S}
        self._answer(Message(own, dumps(made), **facts))
        if wanted != own and self._topics.answerable(wanted):
            self._answer(Message(wanted, dumps(made), foreign=True, **facts))
        return made


def _id_in(message: Incoming) -> str:
    """A refused command's id, as far as there is one to be found."""
    if len(message.payload) > MOST_BYTES:
        return ""
    try:
        found = parsed(message.payload).get("id")
    except Refused:
        return ""
    return found if isinstance(found, str) and 0 < len(found) <= 64 else ""
