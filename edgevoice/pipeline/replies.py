"""The life of replies: each begins here, is made by the brain and the mouth, and ends here, cancelled or committed to history.

Theory: a generation's things (token, ledger, stream) live in one ``_Reply`` and are dropped together; a dead generation's leftovers cannot
act, since everything they post carries its number.  A speculative reply is made like any other, but behind the core's gate and in a
provisional stream that no listener is told of; confirmed, the gate opens, the stream is settled and the listeners hear of it; dropped,
it was never there but for what it cost (``speculation.py``).

A reply that is a deed waits, speculative or not, until the machine orders it (``act``); dropped before, nothing was done.  From then on
it is done whatever becomes of the reply, and its answer is history.  A tool that the model wants (``toolbox.py``) is such a deed, found out
later: it is ordered in the same way, and ends with the reply; what it brought is said, or told to the model, and the reply goes on.

Threads: ``played`` is called on the ears' thread, ``_wanted`` on the brain's, everything else on the loop's.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from edgevoice.dialog.commands import Event
from edgevoice.dialog.facts import Facts
from edgevoice.dialog.history import History
from edgevoice.dialog.ledger import Ledger
from edgevoice.dialog.table import Kind, State
from edgevoice.pipeline.brain import Asks, Brain, Read, ReadAhead, Think
from edgevoice.pipeline.deeds import Deeds
from edgevoice.pipeline.elsewhere import Sound
from edgevoice.pipeline.ladder import Level
from edgevoice.pipeline.mouth import Mouth, Utter
from edgevoice.pipeline.reply import ReplyStream
from edgevoice.pipeline.speculation import Account, Effort
from edgevoice.pipeline.toolbox import KIND, Toolbox, Wish
from edgevoice.rt.contract import Core, PlayEvent, Token
from edgevoice.skills.deeds import Deed
from edgevoice.skills.router import Router
from edgevoice.tools.call import Call
from edgevoice.trace import Trace

ONLY_SKILLS = "I have to spare myself right now. Ask me for the time, a timer or a sum."
ONLY_RECORDED = "I have to rest for a while. Please ask me later."
"""said in place of an answer; kept as sound"""
GUESSED = 0.6
"""confidence of a skill, up to which tools are asked first"""
KEPT_TURNS = 64
"""generations whose turn is remembered: as many as the core tells of"""


@dataclass(slots=True)
class _Reply:
    token: Token
    user: str | None
    """what is answered; None for a fixed text, which is not history"""
    stream: ReplyStream
    ledger: Ledger = field(default_factory=Ledger)
    effort: Effort | None = None
    """what a speculative reply costs"""
    deed: Deed | None = None
    """what is to be done first; the stream tells then what was"""
    begun: bool = False
    """the deed"""
    stop: Callable[[], object] = lambda: None
    """a tool that is at work"""
    loop: asyncio.AbstractEventLoop | None = None
    uttered: bool = False
    over: bool = False
    sound: Sound | None = None
    """from elsewhere"""

    @property
    def wish(self) -> Wish | None:
        """The tool, if the deed is one."""
        return self.deed.arguments["wish"] if self.deed is not None and self.deed.kind == KIND else None


class Replies:
    """Owned by the session.  ``post`` may be called on any thread."""

    def __init__(self, core: Core, brain: Brain, mouth: Mouth, history: History, account: Account, deeds: Deeds,
                 post: Callable[[Event], None], trace: Trace, *, reads_ahead: bool = True, facts: Facts | None = None,
                 router: Router | None = None, tools: Toolbox | None = None) -> None:
        self.history = history
        self._tools = tools
        if tools is not None:
            brain.wanted, tools.by_words = self._wanted, self._by_words
        self._facts, self._router = facts or Facts(), router
        self._deeds = deeds
        self._reads_ahead = reads_ahead
        self._account = account
        self._reading = 0, ReadAhead()
        self._core, self._brain, self._mouth, self._post, self._trace = core, brain, mouth, post, trace
        self._replies: dict[int, _Reply] = {}
        self._turns: dict[int, int] = {}
        self._turn = 0
        self._listeners: list[Callable[[ReplyStream], None]] = []
        self.level = Level.FULL
        """what may be done for an answer"""

    def listen(self, listener: Callable[[ReplyStream], None]) -> None:
        """Every reply from now on, as it begins."""
        self._listeners.append(listener)

    def do(self, level: Level) -> None:
        """From now on no more than this, for a new answer."""
        self.level = level
        self._brain.short = level >= Level.SHORTER
        self._mouth.rests = level >= Level.RECORDED

    def read_ahead(self, turn: int, text: str, *, paused: bool = False) -> None:
        """Let the model read the conversation up to ``text``, with which the user's words begin; ``paused``: and perhaps end."""
        if self.level >= Level.SKILLS:
            return
        if self._reading[0] != turn:
            self.stop_reading()
            self._reading = turn, ReadAhead()
        try:
            messages = self.history.messages(self._facts.told_with(text))
            self._brain.submit(Read(turn, messages, self._reading[1], text, paused), timeout_s=0)
        except queue.Full:  # an engine hangs; the reply itself will say so
            pass

    def stop_reading(self) -> None:
        """Nothing of the turn will be answered."""
        self._reading[1].cancel()

    def answer(self, generation: int, turn: int, text: str, origin: str = "") -> None:
        """Let the model answer ``text``; the stream has the question's ``origin``."""
        reply = self._begin(generation, turn, user=self._facts.told_with(text), origin=origin)
        self._make(reply, text)
        self.forget_questions()
        self._tell(generation)
        self._offer(reply)

    def speculate(self, generation: int, turn: int, text: str) -> None:
        """Let the model answer ``text``, unheard."""
        self._core.gate(generation)
        reply = self._begin(generation, turn, user=self._facts.told_with(text), effort=self._account.begin())
        self._trace.emit("speculation_started", turn=turn, generation=generation, text=text)
        self._make(reply, text)

    def confirm(self, generation: int, turn: int) -> None:
        """A speculative reply is the answer: it may sound at once."""
        self._core.open(generation)
        reply = self._replies[generation]
        reply.stream.settle()
        assert reply.effort is not None
        self._account.confirm(reply.effort)
        self._trace.emit("speculation_confirmed", turn=turn, generation=generation, queued=self._core.queued(generation))
        self.forget_questions()
        self._tell(generation)
        self._offer(reply)

    def drop(self, generation: int, turn: int) -> None:
        """A speculative reply is none."""
        self._core.live.cancel(generation)
        reply = self._replies.pop(generation)
        reply.stream.close("cancelled")
        assert reply.effort is not None
        self._account.drop(reply.effort)
        self._trace.emit("speculation_dropped", turn=turn, generation=generation, tokens=reply.effort.tokens,
                         audio_s=round(reply.effort.audio_s, 3))

    def act(self, generation: int) -> None:
        """Begin the deed that the reply is about."""
        reply = self._replies[generation]
        assert reply.deed is not None
        try:
            self._utter(reply)
        except queue.Full:  # nobody could hear of it
            self._told_to_wait(generation, reply.stream.turn)
            self._post(Event(Kind.FAILED, turn=reply.stream.turn, generation=generation))
            return
        self._begin_deed(reply)

    def _begin_deed(self, reply: _Reply) -> None:
        assert reply.deed is not None
        reply.begun, reply.loop = True, asyncio.get_running_loop()
        stop = self._deeds.begin(reply.deed, partial(self._done, reply), turn=reply.stream.turn, generation=reply.stream.generation)
        if reply.wish is not None:
            reply.stop = stop

    def _done(self, reply: _Reply, answer: str) -> None:
        if not reply.over and reply.wish is not None:
            self._go_on(reply, reply.wish, answer)
        elif reply.over:
            self.history.commit(reply.user or "", answer)
            self._read_history(reply.stream.turn)
        else:
            reply.stream.delta(answer)
            reply.stream.close("stop")

    def _go_on(self, reply: _Reply, wish: Wish, answer: str) -> None:
        """A tool is done: say so, or let the model say what it brought, and see whether the words ask for another."""
        assert self._tools is not None and wish.call is not None
        stream, folded = reply.stream, wish.result is not None
        left, offers = self._tools.rest(wish)
        if not folded and not offers and not stream.text:
            stream.delta(answer)
            stream.close("stop")
            return
        reply.begun = not folded  # what the model says is history as far as it is heard
        asks = Asks(offers, left, wish.words, (*wish.before, wish.call.tool)) if offers else None
        apart = " " if stream.text else ""
        messages = self.history.messages(f"{wish.result} {wish.words}")
        try:
            self._brain.submit(Think(stream.generation, stream.turn, messages, reply.token, stream, wish.words, None, asks,
                                     "first" if folded else "never", "" if folded else apart + answer), timeout_s=0)
        except queue.Full:
            self._told_to_wait(stream.generation, stream.turn)
            self._post(Event(Kind.FAILED, turn=stream.turn, generation=stream.generation))

    def _wanted(self, job: Think, call: Call) -> None:
        """The brain's thread: the model wants a tool.  The first of a reply waits for the machine's order; what follows belongs to it."""
        reply, asks = self._replies.get(job.generation), job.asks
        if reply is None or asks is None:
            return
        reply.deed = Deed(KIND, {"wish": Wish(call, asks.words, asks.before)})
        if not asks.before:
            self._post(Event(Kind.DEED, turn=job.turn, generation=job.generation))
        elif reply.loop is not None:
            reply.loop.call_soon_threadsafe(self._act_again, reply)

    def _act_again(self, reply: _Reply) -> None:
        if not reply.over:
            self._begin_deed(reply)

    async def _by_words(self, sentence: str) -> str | None:
        routed = None if self._router is None else self._router.route(sentence)
        return None if routed is None else routed.answer if routed.deed is None else await self._deeds.perform(routed.deed)

    def forget_questions(self) -> None:
        """Whatever was asked back before: it was answered, or it is not meant any more.  Only the last question can be."""
        if self._tools is not None:
            self._tools.forget()
        if self._router is not None:
            self._router.forget()

    def _offer(self, reply: _Reply) -> None:
        """Let the machine say when the deed begins, if it is one."""
        if reply.deed is not None:
            self._post(Event(Kind.DEED, turn=reply.stream.turn, generation=reply.stream.generation))

    def say(self, generation: int, turn: int, text: str, sound: Sound | None = None) -> None:
        """Speak a text of ours, or let a ``sound`` from elsewhere be heard; neither is part of the history."""
        self.forget_questions()
        reply = self._begin(generation, turn, user=None)
        reply.sound = sound
        self._tell(generation)
        reply.stream.delta(text)
        reply.stream.close("stop")
        try:
            self._mouth.submit(Utter(generation, turn, reply.stream.read(hold=True), reply.token, reply.ledger, fixed=text,
                                     sound=sound), timeout_s=0)
        except queue.Full:
            self._told_to_wait(generation, turn)
            self._post(Event(Kind.DRAINED, generation=generation))

    def cancel(self, generation: int, turn: int, *, heard: bool, barge_in: bool) -> None:
        """Silence a reply; ``heard``: what was played of it becomes history."""
        if self._core.live.cancel(generation):
            self._trace.emit("barge_in_confirmed" if barge_in else "cancel", turn=turn, generation=generation)
        reply = self._replies.pop(generation, None)
        if reply is not None:
            told = reply.stream.text
            reply.stream.close("cancelled")
            reply.over = True
            reply.stop()
            if reply.sound is not None:
                reply.sound.over()
            if reply.begun:  # its answer is history as soon as there is one
                if told:
                    self._done(reply, told)
                return
        if heard and reply is not None and reply.user is not None:
            self.history.commit(reply.user, reply.ledger.heard(self._core.heard(generation)), interrupted=True)
            self._read_history(turn)

    def commit(self, generation: int) -> None:
        """A reply was played to its end."""
        self._core.live.cancel(generation)
        reply = self._replies.pop(generation, None)
        if reply is not None and reply.sound is not None:
            reply.sound.over()
        if reply is not None and reply.user is not None:
            self.history.commit(reply.user, reply.stream.text)
            self._read_history(reply.stream.turn)

    def played(self, event: PlayEvent) -> None:
        """What happened at the loudspeaker."""
        turn = self._turns.get(event.generation, self._turn)  # the next turn may have begun
        facts = {"sample": event.sample, "generation": event.generation, "turn": turn, "frames": event.frames}
        match event.kind:
            case "first":
                self._trace.emit("playback_first_sample", **facts)
                self._post(Event(Kind.FIRST_AUDIO, sample=event.sample, generation=event.generation))
            case "end":
                self._trace.emit("playback_end", **facts)
                self._post(Event(Kind.DRAINED, sample=event.sample, generation=event.generation))
            case "paused":
                self._trace.emit("barge_in_paused", **facts)
            case "silent":
                self._trace.emit("playback_silent", **facts)
            case "underrun":
                self._trace.emit("underrun", **facts)
            case "resumed":
                self._trace.emit("state", state=State.SPEAKING.value, **facts)

    def _told_to_wait(self, generation: int, turn: int) -> None:
        self._trace.emit("error", turn=turn, generation=generation, stage="session", message="an engine does not end its last replies")

    def _read_history(self, turn: int) -> None:
        """What is history now, while nobody waits for it."""
        if self._reads_ahead:
            self.read_ahead(turn, "")

    def _make(self, reply: _Reply, words: str) -> None:
        """Set the workers to it."""
        generation, turn, stream = reply.stream.generation, reply.stream.turn, reply.stream
        try:
            routed = self.level < Level.RECORDED and self._by_skill(reply, words)
            if not routed and self.level >= Level.SKILLS:
                self._decline(reply, ONLY_SKILLS if self.level < Level.RECORDED else ONLY_RECORDED)
                return
            offers = self._tools.offered(words) if self._tools is not None and not routed else ()
            if reply.deed is None and not offers:  # otherwise there may be nothing to be said before something was done
                self._utter(reply)
            if routed:
                return
            messages = self.history.messages(reply.user or words)
            asks = Asks(offers, words, words, talks=partial(self._utter, reply)) if offers else None
            self._brain.submit(Think(generation, turn, messages, reply.token, stream, words, reply.effort, asks), timeout_s=0)
        except queue.Full:  # replies of dead generations that do not end: an engine hangs
            self._told_to_wait(generation, turn)
            self._post(Event(Kind.FAILED, turn=turn, generation=generation))

    def _decline(self, reply: _Reply, text: str) -> None:
        """A fixed sentence in place of an answer, which is not history."""
        reply.user, reply.uttered, stream = None, True, reply.stream
        stream.delta(text)
        stream.close("stop")
        reader = stream.read(hold=True)
        self._mouth.submit(Utter(stream.generation, stream.turn, reader, reply.token, reply.ledger, fixed=text), timeout_s=0)

    def _utter(self, reply: _Reply) -> None:
        """Let the mouth follow the stream; ``queue.Full`` where an engine hangs.  Any thread."""
        if reply.uttered:
            return
        reply.uttered, stream = True, reply.stream
        self._mouth.submit(Utter(stream.generation, stream.turn, stream.read(hold=True, ahead=True), reply.token, reply.ledger,
                                 effort=reply.effort), timeout_s=0)

    def _by_skill(self, reply: _Reply, words: str) -> bool:
        """Answer without the model, where a skill has the words; the model then hears of both by the history alone."""
        if self._router is None:
            return False
        routed = self._router.route(words)
        stream = reply.stream
        self._trace.emit("routed", turn=stream.turn, generation=stream.generation, skill=routed.skill, why=routed.why,
                         confidence=routed.confidence, text=routed.answer or "", deed=routed.deed.kind if routed.deed else "")
        if routed.answer is None and routed.deed is None:
            return False
        if routed.confidence <= GUESSED and self._tools is not None and self._tools.offered(words):
            return False  # a command that fits nothing in the house may be one for a tool
        reply.user, reply.deed = words, routed.deed
        if routed.answer is not None:
            stream.delta(routed.answer)
            stream.close("stop")
        if reply.effort is not None:  # it would have told, before its answer, whether the words end here
            self.read_ahead(stream.turn, words, paused=True)
        return True

    def _tell(self, generation: int) -> None:
        for listener in self._listeners:
            listener(self._replies[generation].stream)

    def _begin(self, generation: int, turn: int, user: str | None, effort: Effort | None = None, origin: str = "") -> _Reply:
        token = self._core.live.begin(generation)
        self._turn = self._turns[generation] = turn
        self._turns.pop(generation - KEPT_TURNS, None)
        stream = ReplyStream(generation, turn, provisional=effort is not None, cancel=token, origin=origin)
        reply = self._replies[generation] = _Reply(token, user, stream, effort=effort)
        return reply
