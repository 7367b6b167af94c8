"""The device on MQTT: what happens goes out as events, state and health; commands come in.

Theory: rows of the trace arrive on any thread and are put into a bounded queue, nothing more; the connection's thread turns them into
messages.  What only the loop may look at (state, health) it is asked for, and hands over when it gets round to it.  The broker may be
slow, gone or a black hole: the queue fills, is emptied into the store, the oldest go and are counted, and the conversation knows nothing
of it.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import platform
import random
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgevoice.adapters import events
from edgevoice.adapters.house import Failed, House, Verb
from edgevoice.adapters.mqtt import discovery
from edgevoice.adapters.mqtt.commands import Commands
from edgevoice.adapters.mqtt.home import HomeLink
from edgevoice.adapters.mqtt.link import Broker, Calls, Incoming, Link, Message
from edgevoice.adapters.mqtt.outbox import Outbox
from edgevoice.adapters.mqtt.replies import Replies
from edgevoice.adapters.mqtt.store import EventStore, Kept
from edgevoice.adapters.mqtt.topics import OFFLINE, ONLINE, Topics, own_id
from edgevoice.adapters.verbs import dumps
from edgevoice.pipeline.alert import Alert
from edgevoice.pipeline.health import changed
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.settings import MqttSettings

ROWS = 5000
"""that may wait for the connection's thread: it may hang in a connect for some seconds"""
STATE_S = 0.1
"""between two of ``state``, however often it changes"""
LOOK_S = 2.0
"""how often health is looked at for a change that is to be told at once"""
ANSWERS = 200
"""results and frames that may wait for the connection"""
RESULT_S = 30.0
"""after which nobody waits for a result any more"""

HOME_S = 2.0
"""after Home Assistant has started, within which its devices tell it of themselves, each at a time of its own"""

_CHANGES_STATE = frozenset({"state", "muted", "volume", "device", "session", "settings", "timer_set",
                            "timer_done", "timer_silenced", "deed"})


class MqttAdapter:
    """``start`` and ``stop`` on the loop's thread.  ``folder`` keeps events while the broker is away, ``None`` in memory alone.
    ``told`` is called on the connection's thread with what a person should know of it; ``home`` is the house that is spoken about."""

    def __init__(self, settings: MqttSettings, house: House, *, folder: Path | None = None,
                 told: Callable[[str], None] = lambda text: None, home: HomeLink | None = None) -> None:
        self._settings, self._house, self._told, self._home_link = settings, house, told, home
        self.topics = Topics(settings.prefix, settings.id or own_id())
        self._loop = asyncio.get_running_loop()
        self._boot = secrets.token_hex(4)
        self._number = 0
        self._rows: collections.deque[dict[str, Any]] = collections.deque()
        self._new_replies: collections.deque[ReplyStream] = collections.deque()
        self._answers: collections.deque[tuple[float, Message]] = collections.deque(maxlen=ANSWERS)
        self._store = EventStore(None if folder is None or not settings.events else folder / "mqtt-events.sqlite", settings.events)
        self._replies = Replies(words=settings.words)
        verbs: dict[str, Verb] = {**house.verbs, "replay": self._replay, "discovery": self._discover}
        self._commands = Commands(self.topics, verbs, self._loop, self._answer, per_s=settings.commands_per_s)
        self._state: dict[str, Any] | None = None
        self._published_state: dict[str, Any] | None = None
        self._state_due = 0.0
        self._health: dict[str, Any] | None = None
        self._published_health: dict[str, Any] | None = None
        self._health_due = self._look_due = 0.0
        self._asked = False
        self._model = board()
        self._found: bytes | None = None
        """what Home Assistant was told last"""
        self._find_due: float | None = 0.0 if settings.discovery else None
        """when to tell it anew; ``None`` for never"""
        self._replays: collections.deque[tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]] = collections.deque()
        self.overrun = 0
        """rows that found the queue full"""
        calls = Calls(self._connected, self._received, self._turn, self._store.acked, self._lost, self._problem)
        will = Message(self.topics.availability, OFFLINE.encode(), qos=1, retain=True, json=False)
        self._link = Link(broker(settings, self.topics.id), calls, will=will, subscriptions=self._subscriptions())
        if home is not None:
            home.attach(self._link)
        self.outbox = Outbox((settings.prefix, settings.discovery_prefix))
        """where tools publish; the loop's"""
        self.outbox.attach(self._link)

    def start(self) -> None:
        self._house.listen_to(self._on_row)
        self._house.listen_replies(self._on_reply)
        self._state, self._health = self._house.state(), self._house.health()
        self._link.start()

    async def stop(self) -> bool:
        """Say goodbye; False if the network did not let it in time.  Events that wait are on the disk then."""
        ended = await asyncio.to_thread(self._link.stop)
        if ended:
            self._store.close()
        return ended

    @property
    def connected(self) -> bool:
        return self._link.connected

    def health(self) -> tuple[dict[str, Any], list[Alert]]:
        """How the edge itself does.  Any thread."""
        link, store, commands = self._link, self._store, self._commands
        facts = {"connected": link.connected, "problem": link.problem, "connects": link.connects, "rivals": link.rivals,
                 "events_waiting": len(store), "events_dropped": store.dropped + self.overrun,
                 "obeyed": commands.obeyed, "refused": dict(commands.refused),
                 "unanswered": commands.unanswered}
        found = []
        if link.problem is not None and link.connected:
            found.append(Alert("mqtt_refused", f"{link.problem}: allow it in the broker's ACL"))
        if link.rivals:
            found.append(Alert("mqtt_same_name", f"another device is called {self.topics.id} on the broker, too, and each throws the other "
                               f"out ({link.rivals} times): give each its own mqtt.id, or stop the other one"))
        if store.problem is not None:
            found.append(Alert("mqtt_events_not_kept", store.problem))
        return facts, found

    # Any thread.

    def _on_row(self, row: dict[str, Any]) -> None:
        name = row["event"]
        if name not in events.EVENTS:
            return
        if len(self._rows) >= ROWS:
            self.overrun += 1
            return
        self._rows.append(row)
        if name in _CHANGES_STATE:
            self._ask()
        self._link.wake()

    def _on_reply(self, stream: ReplyStream) -> None:
        self._new_replies.append(stream)
        self._link.wake()

    def _answer(self, message: Message) -> None:
        self._answers.append((time.monotonic(), message))
        self._link.wake()

    def _ask(self) -> None:
        """Let the loop tell how things are."""
        if not self._asked:
            self._asked = True
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._look)

    # The loop.

    def _look(self) -> None:
        self._asked = False
        self._state = self._house.state()
        self._link.wake()

    def _look_at_health(self) -> None:
        self._health = self._house.health()
        self._link.wake()

    def _discover(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Until the next start; ``mqtt.discovery = false`` is for good."""
        remove = bool(arguments.get("remove"))
        self._find_due, self._found = None if remove else 0.0, None
        if remove:
            self._answer(Message(discovery.topic(self._settings.discovery_prefix, self.topics.id), b"", qos=1, retain=True))
        self._link.wake()
        return {"removed": remove}

    async def _replay(self, arguments: dict[str, Any]) -> dict[str, Any]:
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._replays.append((arguments, answer))
        self._link.wake()
        return await answer

    # The connection's thread.

    def _subscriptions(self) -> tuple[str, ...]:
        home = (self._home,) if self._settings.discovery else ()
        return (self.topics.commands, *home, *(self._home_link.subscriptions() if self._home_link is not None else ()))

    @property
    def _home(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self._settings.discovery_prefix}/status"

    def _connected(self) -> None:
        self._store.online()
        self._publish(self.topics.availability, ONLINE.encode(), qos=1, retain=True, json=False)
        self._published_state = self._published_health = None
        self._state_due = self._health_due = 0.0
        self._found = None

    def _lost(self, messages: list[Message]) -> None:
        """What a broken connection left: events are the store's, results go first, what is retained is published anew."""
        now = time.monotonic()
        self.outbox.lost()
        if self._home_link is not None:
            self._home_link.lost()
        for message in reversed(messages):
            if not message.key and not message.retain:
                self._answers.appendleft((now, message))

    def _problem(self, problem: str | None) -> None:
        self._told(f"MQTT: {problem}" if problem else f"MQTT: connected to {self._settings.host} as {self.topics.root}")

    def _received(self, message: Incoming) -> None:
        if self._home_link is not None and self._home_link.take(message):
            return
        if message.topic != self._home:
            self._commands.take(message)
        elif message.payload == b"online" and self._find_due is not None:
            self._find_due = time.monotonic() + random.uniform(0.0, HOME_S)
            self._found = None

    def _turn(self, now: float) -> float:
        """What is due; seconds until it will be again."""
        if not self._link.connected:
            self._store.offline()
        self._take_rows(now)
        while self._new_replies:
            self._replies.begin(self._new_replies.popleft())
        while self._replays:
            self._do_replay(*self._replays.popleft())
        messages = self._replies.take(now)
        if now >= self._look_due:
            self._look_due = now + LOOK_S
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._look_at_health)
        if not self._link.connected:
            return 1.0
        if self._home_link is not None:
            self._home_link.turn()
        self.outbox.turn()
        while self._answers:
            since, message = self._answers.popleft()
            if now - since < RESULT_S:
                self._link.publish(message)
        for frames in messages:
            self._publish(self.topics.reply(frames["turn"]), dumps(frames), qos=1)
        for event in self._store.next():
            self._link.publish(Message(self.topics.event(event.name), event.payload, qos=1, key=event.id))
        self._publish_state(now)
        self._publish_health(now)
        self._publish_discovery(now)
        due = [1.0, self._look_due - now]
        if self._replies.active:
            due.append(self._replies.due_in(now) or 0.02)
        if self._state is not self._published_state:
            due.append(self._state_due - now)
        return max(0.0, min(due))

    def _take_rows(self, now: float) -> None:
        kept = []
        offset = time.time() - now
        while self._rows:
            row = self._rows.popleft()
            self._number += 1
            id = f"{self._boot}-{self._number}"
            made = dumps(events.payload(row, id=id, time_s=row["t"] + offset, words=self._settings.words))
            if events.EVENTS[row["event"]].kept:
                kept.append(Kept(id, row["event"], made))
            elif self._link.connected:
                self._publish(self.topics.event(row["event"]), made)
        if kept:
            self._store.add(kept)

    def _publish_state(self, now: float) -> None:
        state = self._state
        if state is None or state is self._published_state or now < self._state_due:
            return
        before, self._published_state = self._published_state, state
        if before is None or {**before, "time": 0} != {**state, "time": 0}:
            self._state_due = now + STATE_S
            self._publish(self.topics.state, dumps(state), qos=int(before is None), retain=True)

    def _publish_health(self, now: float) -> None:
        health, before = self._health, self._published_health
        if health is None or health is before or not (before is None or now >= self._health_due or changed(before, health)):
            return
        self._published_health, self._health_due = health, now + self._settings.health_s
        self._publish(self.topics.health, dumps(health), qos=int(before is None), retain=True)

    def _publish_discovery(self, now: float) -> None:
        """When it changed (wake words, profiles), or was asked for."""
        if self._find_due is None or now < self._find_due or self._state is None or self._health is None:
            return
        name = self._settings.name or socket.gethostname()
        made = dumps(discovery.config(self.topics, self._state, self._health, name=name, model=self._model))
        if made != self._found:
            self._found = made
            self._publish(discovery.topic(self._settings.discovery_prefix, self.topics.id), made, qos=1, retain=True)

    def _publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, json: bool = True) -> None:
        """State and health go with QoS 0: TCP keeps them in order, and after a broken connection the newest are published anyway.  The
        first of each goes with 1, whose acknowledgement tells whether the broker takes it."""
        self._link.publish(Message(topic, payload, qos=qos, retain=retain, json=json))

    def _do_replay(self, arguments: dict[str, Any], answer: asyncio.Future[dict[str, Any]]) -> None:
        last = arguments.get("last")
        found = self._replies.replay(int(arguments["turn"]), int(arguments.get("first", 0)), None if last is None else int(last))
        for message in found or ():
            self._publish(self.topics.reply(message["turn"]), dumps(message), qos=1)
        outcome: dict[str, Any] | Failed = {"messages": len(found)} if found is not None else Failed(
            "unavailable", f"nothing is kept of turn {int(arguments['turn'])}")
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_settle, answer, outcome)


def _settle(answer: asyncio.Future[dict[str, Any]], outcome: dict[str, Any] | Failed) -> None:
    if answer.done():
        return
    if isinstance(outcome, Failed):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def board() -> str:
    """What the machine calls itself."""
    try:
        return Path("/proc/device-tree/model").read_text(encoding="ascii", errors="replace").strip("\0\n ")
    except OSError:
        return f"{platform.system()} {platform.machine()}"


def broker(settings: MqttSettings, client: str) -> Broker:
    """How to reach the broker of the settings as ``client``."""
    from edgevoice.adapters.mqtt.secret import password

    port = settings.port or (8883 if settings.tls else 1883)
    return Broker(
        settings.host, port, f"edgevoice-{client}", settings.protocol == "5", settings.username, lambda: password(settings.password_file),
        settings.tls, settings.ca_file, settings.cert_file, settings.key_file, settings.keepalive_s, settings.session_s)
