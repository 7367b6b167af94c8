"""One conversation: the loop's thread, where everything is decided and nothing is computed.

Theory: workers and the ears post events from their threads; the loop hands each to the machine and carries out the commands that come
back (``carry_out.py``).  Nothing else writes the conversation's state.  What a reply is made of, and how it begins and ends, is in
``replies.py``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from edgevoice.clock import Clock, wall_clock
from edgevoice.dialog.commands import Event, Loudness, Speculate
from edgevoice.dialog.facts import Facts
from edgevoice.dialog.history import History
from edgevoice.dialog.machine import BargeIn, Machine, Policy
from edgevoice.dialog.table import Kind, State
from edgevoice.engines.protocols import SPEECH_RATE, WakeWord
from edgevoice.engines.threads import threads_for
from edgevoice.pipeline.bearing import Bearing
from edgevoice.pipeline.brain import Brain
from edgevoice.pipeline.care import Care, EngineState, Loader
from edgevoice.pipeline.carry_out import CarryOut
from edgevoice.pipeline.deeds import Deeds
from edgevoice.pipeline.ears import Ears
from edgevoice.pipeline.elsewhere import OF_MICROPHONE, Elsewhere, Leader, Sound
from edgevoice.pipeline.engines import Engines as Engines
from edgevoice.pipeline.engines import Slots
from edgevoice.pipeline.ladder import Ladder, Level
from edgevoice.pipeline.mouth import Mouth
from edgevoice.pipeline.phrases import Phrases
from edgevoice.pipeline.playout_health import PlayoutHealth
from edgevoice.pipeline.recognizer import Recognizer
from edgevoice.pipeline.replies import ONLY_RECORDED, ONLY_SKILLS, Replies
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.rules import safety_of
from edgevoice.pipeline.sound_health import SoundHealth, SoundMeter
from edgevoice.pipeline.speculation import Account, Speculated
from edgevoice.pipeline.toolbox import KIND, Toolbox
from edgevoice.pipeline.wakes import Wakes
from edgevoice.rt.contract import Channel, Core, Float32, Hops, Int16
from edgevoice.rt.supervised import DeviceState
from edgevoice.settings import Settings
from edgevoice.skills.router import Router, Skill
from edgevoice.trace import Trace

ABORT_S = 1.0
"""an engine that is cancelled ends within this, if it does not hang"""


class Session:
    """``start`` and ``stop`` from the loop's thread; ``post`` from any.  Commands of the edges are methods here.

    ``may_rest``: the microphone is listened to in longer steps while nothing goes on; not for a device that waits for us.
    ``loaders``: engines are looked after, with these to get new ones (``care.py``), and fixed sentences are made ahead; not for a device
    that waits for us either, since engines may then take any time.
    ``skills``: routes of the device's own, after those that every device has; ``deeds``: who does what they ask for; ``tools``: what the
    language model may do.  ``root``: where the machine's /proc and /sys are.
    """

    def __init__(self, core: Core, engines: Engines, settings: Settings, trace: Trace, clock: Clock, *,
                 tap: Callable[[Hops], None] | None = None, may_rest: bool = False,
                 loaders: Mapping[str, Loader] | None = None, skills: Sequence[Skill] = (), deeds: Deeds | None = None,
                 tools: Toolbox | None = None, root: Path = Path("/")) -> None:
        dialog = settings.dialog
        self.machine = Machine(Policy(
            open_mic=engines.wake is None, barge_in=cast(BargeIn, dialog.barge_in),
            barge_in_words=dialog.barge_in_words, listen_timeout_s=dialog.listen_timeout_s,
            followup_s=dialog.followup_s, earcons=dialog.earcons, speculation=dialog.speculation,
            speculations_a_turn=dialog.speculation_attempts,
            one_moment_s=settings.faults.one_moment_s if loaders is not None else 0.0),
            affordable=lambda: self.level is Level.FULL and self._account.affordable())
        self._core, self._trace, self._wake = core, trace, engines.wake
        self._far_wake = engines.far_wake
        faults = settings.faults
        slots = self._slots = Slots(engines)
        self._recognizer = Recognizer(slots.stt, self.post, trace, faults)
        self._account = Account(clock, budget=dialog.speculation_budget, max_celsius=dialog.speculation_max_celsius)
        self._brain = Brain(slots.llm, self.post, trace, faults, threads=threads_for(settings.llm.threads),
                            safety=safety_of(settings.safety))
        policy = self.machine.policy
        phrases = Phrases(core.rate, faults.phrases_s if loaders is not None else 0.0,
                          (policy.apology, policy.one_moment, policy.empty_reply, *((ONLY_SKILLS, ONLY_RECORDED) if faults.ladder else ())))
        self._mouth = Mouth(slots.tts, core, self.post, trace, clock, tts_settings=settings.tts, dialog=dialog,
                            audio=settings.audio, limits=faults, phrases=phrases)
        history = History(settings.llm.system_prompt, max_turns=dialog.max_turns)
        now = wall_clock(settings.skills.timezone)
        self.deeds = deeds or Deeds(trace)
        """who acts on the outside"""
        self.tools = tools
        if tools is not None:
            skills = (tools.skill, *skills)
            self.deeds.register(KIND, tools.do, within_s=tools.within_s)
        self._replies = Replies(core, self._brain, self._mouth, history, self._account, self.deeds, self.post, trace,
                                reads_ahead=dialog.speculation,
                                facts=Facts(settings.llm.place, now if settings.llm.clock else None),
                                router=Router(now, skills) if settings.skills.enabled else None, tools=tools)
        wakes = None if engines.wake is None else Wakes(engines.wake, engines.far_wake, core.rate)
        self._ears = Ears(core, engines.vad, wakes, self._recognizer, vad_settings=settings.vad, dialog=dialog, post=self.post,
                          played=self._replies.played, trace=trace, tap=tap, reflexed=self._reflexed,
                          cancel_echo=settings.audio.cancel_echo, may_rest=may_rest, turn_end=slots.turn_end)
        if dialog.endpointing == "semantic" and dialog.endpoint_language > 0:
            self._brain.ending = self._ears.heard_ending
        self._carry_out = CarryOut(core, self._ears, self._mouth, self._replies, trace)
        self._elsewhere = Elsewhere(core.rate, SPEECH_RATE, self._woken_elsewhere)
        self._care = None if loaders is None else Care(loaders, clock, trace, faults)
        self._caring: list[asyncio.Task[None]] = []
        self._bearing = None if loaders is None or not faults.ladder else Bearing(
            Ladder(faults), clock, trace, self._replies.do, lambda: [state.name for state in self.engines if state.breaker == "open"], root)
        self._sound = SoundMeter(core, clock, lambda: self.playout, lambda: self._ears.wakes, allowed_late_ms=settings.audio.latency_ms)
        self._armed = 0
        trace.position = lambda: core.counters().captured
        self._loop: asyncio.AbstractEventLoop | None = None
        self._posted = 0
        self._watchers: list[Callable[[Kind], None]] = []
        self._count = threading.Lock()

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._look_after()
        for worker in (self._recognizer, self._brain, self._mouth):
            worker.start()
        self._ears.start()
        self._mouth.prepare()
        self._trace.emit("state", state=self.machine.state.value)

    async def stop(self) -> list[str]:
        """End in order; the names of threads that did not end in time (none, unless an engine hangs)."""
        self.post(Event(Kind.STOP))
        await asyncio.sleep(0)
        self._replies.stop_reading()
        current = self._core.live.current()
        if current:
            self._core.live.cancel(current)
        for task in self._caring:
            task.cancel()
        if self._care is not None:
            await self._care.end()
        await self.deeds.end()
        parts = (self._ears, self._recognizer, self._brain, self._mouth)
        ended = await asyncio.gather(*(asyncio.to_thread(part.stop) for part in parts))
        return [type(part).__name__.lower() for part, ok in zip(parts, ended, strict=True) if not ok]

    def close_engines(self) -> None:
        """After ``stop``, for whoever gave them to us for good."""
        self._slots.close()

    def _look_after(self) -> None:
        care, ears = self._care, self._ears
        if care is None or self._loop is None:
            return
        care.watch("stt", self._recognizer, self._slots.stt)
        care.watch("llm", self._brain, self._slots.llm, grace_s=ABORT_S)
        care.watch("tts", self._mouth, self._slots.tts, grace_s=ABORT_S / 2)
        if ears.turn_ends is not None and self._slots.turn_end is not None:
            care.watch("turn", ears.turn_ends, self._slots.turn_end, spared=True)
        self._caring.append(self._loop.create_task(care.run()))
        if self._bearing is not None:
            self._caring.append(self._loop.create_task(self._bearing.run()))

    @property
    def level(self) -> Level:
        """What is still done for an answer."""
        return self._replies.level

    @property
    def level_why(self) -> str:
        """Why no more is done; empty at ``FULL``."""
        return "" if self._bearing is None else self._bearing.ladder.why

    @property
    def engines(self) -> Sequence[EngineState]:
        """How the engines do, where they are looked after."""
        return [] if self._care is None else self._care.states()

    @property
    def failure(self) -> str | None:
        """Why the conversation cannot go on; ``None`` while every thread of ours runs."""
        if self._care is not None and self._care.failure is not None:
            return self._care.failure
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
        own = machine.policy.barge_in == "speech" and self._elsewhere.leader is None
        armed = machine.generation if machine.state is State.SPEAKING and own else 0
        if armed == self._armed:
            return
        self._armed = armed
        if armed:
            self._core.arm(armed)
        else:
            self._core.disarm()

    @property
    def wake(self) -> WakeWord | None:
        """The wake word detector; it belongs to the ears."""
        return self._wake

    @property
    def far_wake(self) -> WakeWord | None:
        """The one at the loudspeaker; it belongs to the ears, too."""
        return self._far_wake

    @property
    def queues(self) -> dict[str, int]:
        """What waits: jobs of each worker with the one at hand, and announcements.  From the loop's thread."""
        workers = (self._recognizer, self._brain, self._mouth)
        return {"announcements": len(self.machine.waiting)} | {worker.name: worker.pending for worker in workers}

    @property
    def rate(self) -> int:
        """Device frames in a second."""
        return self._core.rate

    @property
    def history(self) -> History:
        return self._replies.history

    @property
    def speculated(self) -> Speculated:
        """What speculation did and cost so far."""
        return self._account.snapshot()

    @property
    def playout(self) -> PlayoutHealth:
        """How playback does: gaps, depth, jitter (``playout_health.alerts`` puts it into words)."""
        return self._mouth.playout

    def sound(self, device: DeviceState | None = None) -> SoundHealth:
        """How the sound path does, from the loop's thread; ``device`` of the card, where it is supervised."""
        return self._sound.look(device)

    def watch(self, watcher: Callable[[Kind], None]) -> Callable[[], None]:
        """``watcher`` is told what happens, before anything is done about it, on the loop's thread, until what is returned is called."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def listen_replies(self, listener: Callable[[ReplyStream], None]) -> None:
        """Every reply from now on, as it begins, on the loop's thread; read its frames from the stream."""
        self._replies.listen(listener)

    def listen_sound(self, listener: Callable[[int, Int16], None]) -> None:
        """What the loudspeaker plays from now on, and the device frame of its first sample, on the ears' thread: be quick."""
        self._ears.sound_listeners.append(listener)

    def listen_microphone(self, listener: Callable[[int, Float32], None]) -> None:
        """What is heard from now on, at 16 kHz and without the echo, and the number of its first sample, on the ears' thread: be quick."""
        self._ears.speech_listeners.append(listener)

    def led_by(self, leader: Leader | None) -> None:
        """Let the conversation be led elsewhere from now on (``elsewhere.py``); ``None``: by the device itself."""
        self._elsewhere.leader = leader
        self._arm()

    def _woken_elsewhere(self) -> None:
        if self.machine.state is not State.IDLE:
            self.post(Event(Kind.STOP))
        if self.machine.policy.earcons:
            self._carry_out.earcon("listening")

    # Commands of the edges, from the loop's thread.

    def say(self, text: str, *, channel: Loudness = "announcement", urgent: bool = False) -> None:
        """An announcement: now if nobody speaks or it is ``urgent``, otherwise when the conversation pauses."""
        self.post(Event(Kind.SAY, text=text, channel=channel, urgent=urgent))

    def play(self, sound: Sound) -> None:
        """An announcement whose sound is there, on the voice's volume."""
        self.post(Event(Kind.SAY, channel="voice", sound=sound))

    def ring(self) -> None:
        """Once, over whatever is spoken."""
        self._carry_out.ring()

    def stop_ringing(self, text: str) -> None:
        """At once; an announcement ``text`` that still waits is not made."""
        self._core.stop_alarm()
        waiting = self.machine.waiting
        for event in [event for event in waiting if event.text == text]:
            waiting.remove(event)

    def ask(self, text: str, *, patient: bool = False, origin: str = "") -> None:
        """A typed question, answered aloud: now, or (``patient``) when what goes on is over.  Its reply's stream has its ``origin``."""
        self._trace.emit("asked", text=text)
        self.post(Event(Kind.ASK, text=text, patient=patient, origin=origin))

    def listen(self) -> None:
        """As if the wake word had been said."""
        self.post(Event(Kind.LISTEN, sample=self._core.counters().captured))

    def stop_speaking(self) -> None:
        """Silence: whatever goes on ends, and announcements that wait are dropped."""
        self.post(Event(Kind.STOP))

    def resume(self) -> None:
        """A reply that is paused because somebody speaks goes on."""
        self.post(Event(Kind.RESUME))

    @property
    def muted(self) -> bool:
        return self._core.muted

    def mute(self, muted: bool) -> None:
        """Nothing that is said from now on, nor just was, is heard; who was being listened to is dropped.  Replies go on."""
        if muted == self._core.muted:
            return
        self._core.mute(muted)
        if muted:
            self._ears.forget()
            self.post(Event(Kind.UNHEARD))
        self._trace.emit("muted", muted=muted)
        if self.machine.policy.earcons:
            self._carry_out.earcon("muted" if muted else "unmuted")

    def set_volume(self, gain: float, channel: Channel | None = None) -> None:
        """0 to 4, of one channel or over all; ``ValueError`` otherwise."""
        self._core.set_volume(gain, channel)
        self._trace.emit("volume", gain=gain, channel=channel)

    # What a stepped device needs to know.

    @property
    def at_rest(self) -> bool:
        """Nothing would happen unless time went on: all is heard, decided and computed, or waits for the loudspeaker."""
        with self._count:
            if self._posted:
                return False
        quiet = self._ears.idle and self._recognizer.idle and self.deeds.idle
        if self._mouth.idle and self._brain.idle:
            return quiet
        generation = self._core.live.current()
        waits = self._core.full or (generation > 0 and self._core.queued(generation) >= self._core.hop)
        return quiet and self._mouth.writing and waits

    # The loop's side.

    def _handle(self, event: Event) -> None:
        try:
            if event.kind in OF_MICROPHONE and self._core.muted:
                return  # it was on its way when the microphone was muted
            if self._elsewhere.takes(event):
                return
            for watcher in tuple(self._watchers):
                watcher(event.kind)
            before = self.machine.state
            commands = self.machine.handle(event)
            for command in commands:
                self._carry_out.do(command, self.machine.turn)
            if event.kind is Kind.LIKELY_END and event.turn == self.machine.turn and not any(isinstance(c, Speculate) for c in commands):
                self._replies.read_ahead(event.turn, event.text, paused=True)
            if self.machine.state is not before:
                self._trace.emit("state", state=self.machine.state.value, turn=self.machine.turn)
            over = self.machine.state is State.IDLE and before is not State.IDLE
            if over:
                self._mouth.prepare()
                if self.tools is not None:
                    self.tools.forget()
            # Without a follow-up, after DRAINED, the answer comes after a wake word.
            if event.kind is Kind.STOP or (over and event.kind is not Kind.DRAINED):
                self._replies.forget_questions()
            self._arm()
        finally:
            with self._count:
                self._posted -= 1
