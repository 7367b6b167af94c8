"""One conversation: the loop's thread, where everything is decided and nothing is computed.

Theory: workers and the ears post events from their threads; the loop hands each to the machine and carries out the commands that come
back.  Nothing else writes the conversation's state.  A generation's things (token, ledger, stream) live in one ``_Reply`` and are
dropped together; a dead generation's leftovers cannot act, since everything they post carries its number.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from edgevoice.clock import Clock
from edgevoice.dialog.history import History
from edgevoice.dialog.ledger import Ledger
from edgevoice.dialog.machine import (
    BargeIn,
    Cancel,
    ClearTimer,
    Command,
    Commit,
    Earcon,
    Event,
    Listen,
    Machine,
    Pause,
    Policy,
    Resume,
    SetTimer,
    Speak,
    StartReply,
    StopListening,
)
from edgevoice.dialog.table import Kind, State
from edgevoice.engines.protocols import Llm, Stt, Tts, Vad, WakeWord
from edgevoice.pipeline.brain import Brain, Think
from edgevoice.pipeline.earcons import earcons
from edgevoice.pipeline.ears import Ears
from edgevoice.pipeline.mouth import Mouth, Utter
from edgevoice.pipeline.recognizer import Recognizer
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.rt.contract import Core, Hops, PlayEvent, Token
from edgevoice.settings import Settings
from edgevoice.trace import Trace

KEPT_TURNS = 64
"""generations whose turn is remembered: as many as the core tells of"""


@dataclass(frozen=True, slots=True)
class Engines:
    """What a conversation needs; ``wake`` is ``None`` where every utterance is meant for the device."""

    vad: Vad
    stt: Stt
    llm: Llm
    tts: Tts
    wake: WakeWord | None = None

    def close(self) -> None:
        for engine in (self.vad, self.stt, self.llm, self.tts, self.wake):
            if engine is not None:
                engine.close()


@dataclass(slots=True)
class _Reply:
    token: Token
    user: str | None
    """what is answered; None for a fixed text, which is not history"""
    stream: ReplyStream
    ledger: Ledger = field(default_factory=Ledger)


class Session:
    """``start`` and ``stop`` from the loop's thread; ``post`` from any.  Commands of the edges are methods here."""

    def __init__(self, core: Core, engines: Engines, settings: Settings, trace: Trace, clock: Clock, *,
                 tap: Callable[[Hops], None] | None = None) -> None:
        dialog = settings.dialog
        self.machine = Machine(Policy(
            open_mic=engines.wake is None, barge_in=cast(BargeIn, dialog.barge_in), listen_timeout_s=dialog.listen_timeout_s,
            followup_s=dialog.followup_s, earcons=dialog.earcons))
        self.history = History(settings.llm.system_prompt, max_turns=dialog.max_turns)
        self._core, self._trace = core, trace
        self._earcons = earcons(core.rate)
        self._recognizer = Recognizer(engines.stt, self.post, trace)
        self._brain = Brain(engines.llm, self.post, trace)
        self._mouth = Mouth(engines.tts, core, self.post, trace, clock, tts_settings=settings.tts, dialog=dialog,
                            audio=settings.audio)
        self._ears = Ears(core, engines.vad, engines.wake, self._recognizer, vad_settings=settings.vad, dialog=dialog, post=self.post,
                          played=self._played, trace=trace, tap=tap, reflexed=self._reflexed, cancel_echo=settings.audio.cancel_echo)
        self._armed = 0
        trace.position = lambda: core.counters().captured
        self._replies: dict[int, _Reply] = {}
        self._turns: dict[int, int] = {}
        self._listeners: list[Callable[[ReplyStream], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._posted = 0
        self._count = threading.Lock()

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for worker in (self._recognizer, self._brain, self._mouth):
            worker.start()
        self._ears.start()
        self._trace.emit("state", state=self.machine.state.value)

    async def stop(self) -> list[str]:
        """End in order; the names of threads that did not end in time (none, unless an engine hangs)."""
        self.post(Event(Kind.STOP))
        await asyncio.sleep(0)
        current = self._core.live.current()
        if current:
            self._core.live.cancel(current)
        parts = (self._ears, self._recognizer, self._brain, self._mouth)
        ended = await asyncio.gather(*(asyncio.to_thread(part.stop) for part in parts))
        return [type(part).__name__.lower() for part, ok in zip(parts, ended, strict=True) if not ok]

    @property
    def failure(self) -> str | None:
        """Why the conversation cannot go on; ``None`` while every thread of ours runs."""
        if self._ears.failure is not None:
            return self._ears.failure
        ended = [type(part).__name__.lower() for part in (self._ears, self._recognizer, self._brain, self._mouth) if not part.alive]
        return f"ended by itself: {', '.join(ended)}" if ended else None

    def post(self, event: Event) -> None:
        """Any thread: something happened."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        with self._count:
            self._posted += 1
        loop.call_soon_threadsafe(self._handle, event)

    def _reflexed(self, generation: int, sample: int) -> None:
        """On the ears' thread, after the onset at ``sample`` was posted: the front end has paused a reply."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        with self._count:
            self._posted += 1
        loop.call_soon_threadsafe(self._judge_reflex, generation)

    def _judge_reflex(self, generation: int) -> None:
        """A pause that the machine does not know of must not last."""
        try:
            if self.machine.state is not State.HOLDING:
                self._core.resume(generation)
        finally:
            with self._count:
                self._posted -= 1

    def _arm(self) -> None:
        """Let the front end pause what is being said, and nothing else."""
        machine = self.machine
        armed = machine.generation if machine.state is State.SPEAKING and machine.policy.barge_in == "speech" else 0
        if armed == self._armed:
            return
        self._armed = armed
        if armed:
            self._core.arm(armed)
        else:
            self._core.disarm()

    def listen_replies(self, listener: Callable[[ReplyStream], None]) -> None:
        """Every reply from now on, as it begins, on the loop's thread; read its frames from the stream."""
        self._listeners.append(listener)

    # Commands of the edges, from the loop's thread.

    def say(self, text: str) -> None:
        """An announcement: now if nobody speaks, otherwise when the conversation pauses."""
        self.post(Event(Kind.SAY, text=text))

    def ask(self, text: str) -> None:
        """A typed question, answered aloud."""
        self.post(Event(Kind.ASK, text=text))

    def listen(self) -> None:
        """As if the wake word had been said."""
        self.post(Event(Kind.LISTEN, sample=self._core.counters().captured))

    def stop_speaking(self) -> None:
        self.post(Event(Kind.STOP))

    # What a stepped device needs to know.

    @property
    def at_rest(self) -> bool:
        """Nothing would happen unless time went on: all is heard, decided and computed, or waits for the loudspeaker."""
        with self._count:
            if self._posted:
                return False
        quiet = self._ears.idle and self._recognizer.idle
        if self._mouth.idle and self._brain.idle:
            return quiet
        generation = self._core.live.current()
        return quiet and self._mouth.writing and generation > 0 and self._core.queued(generation) >= self._core.hop

    # The loop's side.

    def _handle(self, event: Event) -> None:
        try:
            before = self.machine.state
            for command in self.machine.handle(event):
                self._do(command)
            if self.machine.state is not before:
                self._trace.emit("state", state=self.machine.state.value, turn=self.machine.turn)
            self._arm()
        finally:
            with self._count:
                self._posted -= 1

    def _do(self, command: Command) -> None:
        match command:
            case Listen():
                self._ears.listen(command)
            case StopListening(turn):
                self._ears.stop_listening(turn)
            case StartReply(generation, turn, text):
                self._start_reply(generation, turn, text)
            case Speak(generation, turn, text):
                self._speak(generation, turn, text)
            case Pause(generation):
                self._trace.emit("barge_in_onset", turn=self.machine.turn, generation=generation)
                self._core.pause(generation)
            case Resume(generation):
                self._trace.emit("barge_in_rejected", turn=self.machine.turn, generation=generation)
                self._core.resume(generation)
            case Cancel(generation, turn, heard, barge_in):
                self._cancel(generation, turn, heard=heard, barge_in=barge_in)
            case Commit(generation):
                self._commit(generation)
            case Earcon(name):
                self._trace.emit("earcon", name=name)
                self._core.earcon(self._earcons[name])
            case SetTimer(seconds, timer):
                self._ears.set_timer(seconds, timer)
            case ClearTimer():
                self._ears.clear_timer()

    def _start_reply(self, generation: int, turn: int, text: str) -> None:
        reply = self._begin(generation, turn, user=text)
        try:
            self._mouth.submit(Utter(generation, turn, reply.stream.read(hold=True), reply.token, reply.ledger), timeout_s=0)
            self._brain.submit(Think(generation, turn, self.history.messages(text), reply.token, reply.stream), timeout_s=0)
        except queue.Full:  # replies of dead generations that do not end: an engine hangs
            self._told_to_wait(generation, turn)
            self.post(Event(Kind.FAILED, turn=turn, generation=generation))

    def _speak(self, generation: int, turn: int, text: str) -> None:
        reply = self._begin(generation, turn, user=None)
        reply.stream.delta(text)
        reply.stream.close("stop")
        try:
            self._mouth.submit(Utter(generation, turn, reply.stream.read(hold=True), reply.token, reply.ledger, fixed=True), timeout_s=0)
        except queue.Full:
            self._told_to_wait(generation, turn)
            self.post(Event(Kind.DRAINED, generation=generation))

    def _told_to_wait(self, generation: int, turn: int) -> None:
        self._trace.emit("error", turn=turn, generation=generation, stage="session", message="an engine does not end its last replies")

    def _begin(self, generation: int, turn: int, user: str | None) -> _Reply:
        token = self._core.live.begin(generation)
        self._turns[generation] = turn
        self._turns.pop(generation - KEPT_TURNS, None)
        reply = self._replies[generation] = _Reply(token, user, ReplyStream(generation, turn, cancel=token))
        for listener in self._listeners:
            listener(reply.stream)
        return reply

    def _cancel(self, generation: int, turn: int, *, heard: bool, barge_in: bool) -> None:
        if self._core.live.cancel(generation):
            self._trace.emit("barge_in_confirmed" if barge_in else "cancel", turn=turn, generation=generation)
        reply = self._replies.pop(generation, None)
        if reply is not None:
            reply.stream.close("cancelled")
        if heard and reply is not None and reply.user is not None:
            self.history.commit(reply.user, reply.ledger.heard(self._core.heard(generation)), interrupted=True)

    def _commit(self, generation: int) -> None:
        self._core.live.cancel(generation)
        reply = self._replies.pop(generation, None)
        if reply is not None and reply.user is not None:
            self.history.commit(reply.user, reply.stream.text)

    def _played(self, event: PlayEvent) -> None:
        """On the ears' thread: what happened at the loudspeaker."""
        turn = self._turns.get(event.generation, self.machine.turn)  # the next turn may have begun
        facts = {"sample": event.sample, "generation": event.generation, "turn": turn, "frames": event.frames}
        match event.kind:
            case "first":
                self._trace.emit("playback_first_sample", **facts)
                self.post(Event(Kind.FIRST_AUDIO, sample=event.sample, generation=event.generation))
            case "end":
                self._trace.emit("playback_end", **facts)
                self.post(Event(Kind.DRAINED, sample=event.sample, generation=event.generation))
            case "paused":
                self._trace.emit("barge_in_paused", **facts)
            case "silent":
                self._trace.emit("playback_silent", **facts)
            case "underrun":
                self._trace.emit("underrun", **facts)
            case "resumed":
                self._trace.emit("state", state=State.SPEAKING.value, **facts)


