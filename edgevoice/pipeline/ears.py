"""The ears' thread: hops from the core become wake words, speech edges, and an utterance for the recognizer.

Theory: one thread reads the core, and with it the loudspeaker's events, so that all that happens on the sample clock is seen in one
order.  The loop's thread only leaves orders (``listen``, ``stop_listening``, ``set_timer``); they are taken up with the next hop.
Timers live here because they count device time: a device played faster or slower than the wall clock keeps its meaning.
Positions outside are device frames; inside they are samples at 16 kHz.  Audio lost before us is replaced by silence, so that both
clocks keep their ratio.

With the core's front end hops come without the echo and with their probabilities, and an onset of speech over a reply has already paused
it.  A core that cannot run the voice-activity engine hands hops on as they were captured; they are judged here then.
"""

from __future__ import annotations

import dataclasses
import logging
import queue
import threading
from collections.abc import Callable

import numpy as np

from edgevoice.audio import Resampler, to_int16
from edgevoice.dialog.commands import Event, Listen
from edgevoice.dialog.endpoint import RESUME_MS, EndpointRule, Mark, Utterance
from edgevoice.dialog.speech import END_LAG_MS, SpeechDetector, SpeechStart
from edgevoice.dialog.table import Kind
from edgevoice.dialog.turn_end import Votes, WaitRule, wait_ms
from edgevoice.engines.protocols import SPEECH_RATE, TurnEnd, Vad
from edgevoice.host import name_thread
from edgevoice.pipeline.memory import AudioMemory, ProbabilityMemory
from edgevoice.pipeline.orders import Forget, Order, SetTimer, Vote
from edgevoice.pipeline.recognizer import Recognizer
from edgevoice.pipeline.slot import Slot
from edgevoice.pipeline.turn import SAMPLES, Pause, TurnEnds
from edgevoice.pipeline.wakes import WakeCounts, Wakes
from edgevoice.rt.contract import Core, Float32, Hops, Int16, PlayEvent
from edgevoice.settings import DialogSettings, VadSettings
from edgevoice.trace import Trace

log = logging.getLogger(__name__)

MEMORY_S = 12.0
"""how far back listening may begin: longer than a recognizer may stall"""

READ_TIMEOUT_S = 0.1
"""without a hop for this long, orders and stops are looked at all the same"""

REST_S = 0.1
"""between two looks at the microphone while nobody speaks and nothing is going on: nine of ten wake-ups of the thread are saved, and what
is cold in the processor's caches is fetched once for ten hops; whoever begins to speak is noticed long before a wake word is out"""

WAKE_TAIL_S = 0.1
"""the wake word's last sound may lie beyond the hit; speech this soon after it is not yet the user's sentence"""

SAME_SPEECH_S = 0.6
"""speech that begins again within this time adds up with the last: two short words are one interruption"""


def endpoint_rule(vad: VadSettings, dialog: DialogSettings) -> EndpointRule:
    """When an utterance pauses and ends, in samples at 16 kHz."""
    ms = SPEECH_RATE // 1000
    return EndpointRule(vad.onset, vad.offset, vad.min_speech_ms * ms, dialog.pause_ms * ms, dialog.endpoint_ms * ms,
                        int(dialog.max_utterance_s * SPEECH_RATE), END_LAG_MS * ms, RESUME_MS * ms)


class Ears:
    """Owned by the session.  ``post`` and ``played`` are called on the ears' thread."""

    def __init__(self, core: Core, vad: Vad, wake: Wakes | None, recognizer: Recognizer, *, vad_settings: VadSettings,
                 dialog: DialogSettings, post: Callable[[Event], None], played: Callable[[PlayEvent], None], trace: Trace,
                 tap: Callable[[Hops], None] | None = None, reflexed: Callable[[int, int], None] = lambda generation, sample: None,
                 cancel_echo: bool = True, may_rest: bool = False, turn_end: Slot[TurnEnd] | None = None) -> None:
        self._may_rest = may_rest
        self._votes = Votes()
        self._paused_at = -1
        self._wait_rule = None if dialog.endpointing == "fixed" else WaitRule(
            dialog.endpoint_min_ms, dialog.endpoint_max_ms, dialog.endpoint_ms, dialog.endpoint_sound, dialog.endpoint_language)
        self.turn_ends = None
        if self._wait_rule is not None:
            recognizer.settled = self._heard_words
            if turn_end is not None:
                self.turn_ends = TurnEnds(turn_end, self._heard_sound, trace)
        self._reflexed, self._cancel_echo, self._vad_settings = reflexed, cancel_echo, vad_settings
        self._core, self._vad, self._wake, self._recognizer = core, vad, wake, recognizer
        self._post, self._played, self._trace, self._tap = post, played, trace, tap
        self.sound_listeners: list[Callable[[int, Int16], None]] = []
        """get what the loudspeaker plays, on the ears' thread"""
        self.speech_listeners: list[Callable[[int, Float32], None]] = []
        """get what is heard, at 16 kHz and without the echo, and the number of its first sample, on the ears' thread"""
        ms = SPEECH_RATE // 1000
        self._rule = endpoint_rule(vad_settings, dialog)
        self._preroll = vad_settings.preroll_ms * ms
        self._confirm, self._lasting = dialog.go_on_ms * ms, dialog.barge_in_ms * ms
        self._detector = SpeechDetector(onset=vad_settings.onset, offset=vad_settings.offset, min_speech_ms=vad_settings.min_speech_ms,
                                        hangover_ms=vad_settings.hangover_ms, frame_ms=vad.frame / ms)
        self._resampler = None if core.rate == SPEECH_RATE else Resampler(core.rate, SPEECH_RATE)
        self._audio = AudioMemory(MEMORY_S, SPEECH_RATE)
        self._probabilities = ProbabilityMemory(int(MEMORY_S * SPEECH_RATE / vad.frame))
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._stop, self._stir = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._next_index = 0
        self._judged = 0
        self._last_probability = 0.0
        self._deaf_to = 0
        self._onset: int | None = None
        self._first_onset = 0
        self._quiet_since = 0
        self._voiced = 0
        self._confirmed = self._lasted = False
        self._utterance: Utterance | None = None
        self._turn = 0
        self._fed = 0
        self._holding = False
        self._said_speech = False
        self._timer: tuple[int, int] | None = None
        self.failure: str | None = None
        """why the thread ended by itself"""

    # The loop's side.

    def start(self) -> None:
        settings = self._vad_settings
        self._core.start_front(self._vad, onset=settings.onset, offset=settings.offset, min_speech_ms=settings.min_speech_ms,
                               hangover_ms=settings.hangover_ms, cancel_echo=self._cancel_echo)
        if self.turn_ends is not None:
            self.turn_ends.start()
        self._thread = threading.Thread(target=self._run, name="edgevoice-ears", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> bool:
        self._stop.set()
        self._stir.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        votes = self.turn_ends is None or self.turn_ends.stop(timeout_s)
        return votes and not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def idle(self) -> bool:
        """No order waits and every whole hop was heard."""
        counters = self._core.counters()
        if self.turn_ends is not None and not self.turn_ends.idle:
            return False
        return self._orders.empty() and counters.depth < self._core.hop and self._next_index >= counters.captured - counters.depth

    def listen(self, order: Listen) -> None:
        self._order(order)

    def stop_listening(self, turn: int) -> None:
        self._order(turn)

    def set_timer(self, seconds: float, timer: int) -> None:
        self._order(SetTimer(seconds, timer))

    def forget(self) -> None:
        """What was heard until now is in nobody's memory any more, and whoever was listened to is dropped."""
        self._order(Forget(self._core.counters().captured + self._core.hop))  # a period may just be under way

    def clear_timer(self) -> None:
        self._order(SetTimer(-1.0, 0))

    @property
    def wakes(self) -> WakeCounts | None:
        return None if self._wake is None else self._wake.counts

    def _order(self, order: Order) -> None:
        """Any thread."""
        self._orders.put(order)
        self._stir.set()

    # The thread's side.

    def _run(self) -> None:
        name_thread()
        try:
            self._listen_on()
        except Exception as error:
            # Without ears there is no appliance: the thread ends, ``alive`` is false, and whoever runs us ends in order.
            self.failure = f"listening failed: {error}"
            self._trace.emit("error", stage="ears", message=str(error))
            log.debug("ears failed", exc_info=True)

    def _listen_on(self) -> None:
        while not self._stop.is_set():
            if self._may_rest and self._nothing_on():
                self._stir.wait(REST_S)
            self._stir.clear()
            hops = self._core.read(READ_TIMEOUT_S)
            self._take_orders()
            for event in self._core.events():
                self._played(event)
            if hops is not None:
                if self._tap is not None:
                    self._tap(hops)
                for listener in self.sound_listeners:
                    listener(hops.index, hops.far)
                if self._wake is not None:
                    self._wake.loudspeaker(hops.far, hops.index)
                if hops.clean is None:
                    self._hear(hops)
                else:
                    self._take(hops)
                self._ring_timer()
                self._next_index = hops.index + len(hops.near)

    def _nothing_on(self) -> bool:
        """Nobody speaks, no reply lives, no utterance or timer is open, no order waits: what comes next can wait for ``REST_S``."""
        return (self._utterance is None and self._timer is None and self._onset is None and self._last_probability < self._rule.offset
                and self._orders.empty() and self._core.live.current() == 0)

    def _take_orders(self) -> None:
        while not self._orders.empty():
            order = self._orders.get()
            if isinstance(order, Listen):
                self._begin(order)
            elif isinstance(order, SetTimer):
                self._timer = None if order.seconds < 0 else (order.timer, self._audio.end + int(order.seconds * SPEECH_RATE))
            elif isinstance(order, Vote):
                self._weigh(order)
            elif isinstance(order, Forget):
                self._deaf_to = self._speech(order.sample)
                self._audio.forget()
                self._probabilities.forget()
                if self._utterance is not None:
                    self._utterance = None
                    self._recognizer.drop(self._turn)
            elif self._utterance is not None and order == self._turn:
                self._utterance = None
                self._recognizer.drop(order)

    def _ring_timer(self) -> None:
        if self._timer is not None and self._audio.end >= self._timer[1]:
            timer, self._timer = self._timer[0], None
            self._post(Event(Kind.TIMEOUT, sample=self._device(self._audio.end), timer=timer))

    def _hear(self, hops: Hops) -> None:
        lost = hops.index - self._next_index
        near = hops.near
        if lost > 0:
            near = np.concatenate([np.zeros(lost, np.int16), near])
        samples = near.astype(np.float32) / np.float32(32768.0)
        if self._resampler is not None:
            samples = self._resampler.process(samples)
            near = (np.clip(samples, -1.0, 1.0) * np.float32(32767.0)).astype(np.int16)
        base = self._audio.end
        if base < self._deaf_to:
            samples[:self._deaf_to - base] = 0.0
            near = to_int16(samples)
        self._audio.append(samples)
        for listener in self.speech_listeners: listener(base, samples)
        if self._wake is not None:
            self._listen_for_wake(near, base)
        frame = self._vad.frame
        while self._audio.end - self._judged >= frame:
            end = self._judged + frame
            self._judge(self._vad.process(self._audio.slice(self._judged, end)), end)

    def _take(self, hops: Hops) -> None:
        """Hops that the front end has judged: what it missed is silence here as it was there."""
        assert hops.clean is not None and hops.probabilities is not None
        samples = hops.clean
        base = self._audio.end
        if len(samples):
            if hops.clean_index > base:
                samples = np.concatenate([np.zeros(hops.clean_index - base, np.float32), samples])
            samples[:max(0, self._deaf_to - base)] = 0.0
            self._audio.append(samples)
            for listener in self.speech_listeners: listener(base, samples)
            if self._wake is not None:
                self._listen_for_wake(to_int16(samples), base)
        if len(hops.probabilities):
            while self._judged < hops.frame_index:
                self._judge(0.0, self._judged + self._vad.frame)
            for probability in hops.probabilities:
                self._judge(float(probability), self._judged + self._vad.frame)
        if hops.reflex is not None:
            self._reflexed(*hops.reflex)

    def _listen_for_wake(self, near: np.ndarray[tuple[int], np.dtype[np.int16]], base: int) -> None:
        assert self._wake is not None
        for hit, own in self._wake.microphone(near):
            sample = self._device(min(hit.sample, base + len(near)))
            self._trace.emit("wake_ignored" if own else "wake", sample=sample, model=hit.model, score=hit.score)
            if not own:
                self._post(Event(Kind.WAKE, sample=sample, text=hit.model))

    def _judge(self, probability: float, end: int) -> None:
        """One frame's probability: the speech detector's edges first, then the utterance."""
        self._judged = end
        self._last_probability = probability
        self._probabilities.append(end, probability)
        self._trace.emit("vad", sample=self._device(end), p=round(probability, 3))
        for edge in self._detector.feed(probability, end - self._vad.frame):
            sample = self._device(edge.sample)
            if self._wake is not None:
                self._wake.attend(isinstance(edge, SpeechStart))
            if isinstance(edge, SpeechStart):
                if self._lasted or edge.sample - self._quiet_since > int(SAME_SPEECH_S * SPEECH_RATE):
                    self._first_onset, self._voiced = edge.sample, 0
                    self._confirmed = self._lasted = False
                self._onset = edge.sample
                self._voiced += end - edge.sample
                self._trace.emit("speech_start", sample=sample, turn=self._turn if self._utterance else None)
                self._post(Event(Kind.SPEECH_START, sample=sample))
            else:
                self._onset, self._quiet_since = None, edge.sample
                self._trace.emit("speech_end", sample=sample, turn=self._turn if self._utterance else None)
                self._post(Event(Kind.SPEECH_END, sample=sample))
        if self._onset is not None and not self._lasted:
            self._voiced += self._vad.frame if probability >= self._rule.offset else 0
            if self._voiced >= self._confirm and not self._confirmed:
                self._confirmed = True
                self._post(Event(Kind.SPEECH_CONFIRMED, sample=self._device(self._first_onset)))
            if self._voiced >= self._lasting:
                self._lasted = True
                self._post(Event(Kind.SPEECH_LASTS, sample=self._device(self._first_onset)))
        if self._utterance is not None:
            self._attend(self._utterance, probability, end)

    def _begin(self, order: Listen) -> None:
        start = self._speech(order.sample)
        quiet_from = start + int(WAKE_TAIL_S * SPEECH_RATE)
        if order.include_preroll:
            start = quiet_from = max(0, start - self._preroll)
        self._utterance = Utterance(quiet_from, self._rule)
        self._turn, self._fed, self._holding, self._said_speech = order.turn, start, False, False
        self._paused_at = -1
        self._recognizer.open(order.turn, order.carry, eager=order.eager)
        for end, probability in self._probabilities.since(quiet_from):
            if self._utterance is not None:
                self._attend(self._utterance, probability, end)

    def _attend(self, utterance: Utterance, probability: float, end: int) -> None:
        marks = utterance.feed(probability, end, self._vad.frame)
        if Mark.RESUME in marks:
            self._holding = False
            self._paused_at = -1
            self._post(Event(Kind.SPEECH_RESUMED, sample=self._device(end), turn=self._turn))
        if not self._holding:
            self._recognizer.audio(self._turn, self._audio.slice(self._fed, end))
            self._fed = end
        if Mark.SPEECH in marks and not self._said_speech:
            self._said_speech = True
            self._post(Event(Kind.SPEECH_START, sample=self._device(end if self._onset is None else self._onset)))
        if Mark.PAUSE in marks:
            self._holding = True
            self._paused_at = self._device(end)
            self._votes = Votes(pauses_ms=[pause * 1000 / SPEECH_RATE for pause in utterance.pauses])
            self._recognizer.settle(self._turn, self._paused_at)
            if self.turn_ends is not None:
                self.turn_ends.submit(Pause(self._turn, self._paused_at, self._audio.slice(max(utterance.start, end - SAMPLES), end)))
        if Mark.END in marks:
            self._utterance = None
            sample = self._device(end)
            self._trace.emit("endpoint", sample=sample, turn=self._turn, last_speech=self._device(utterance.last_speech))
            self._recognizer.finish(self._turn, sample)

    def _heard_sound(self, turn: int, sample: int, probability: float) -> None:
        """On the turn's thread."""
        self._order(Vote(turn, sample, probability=probability))

    def _heard_words(self, turn: int, sample: int, text: str) -> None:
        """On the recognizer's thread."""
        self._order(Vote(turn, sample, text=text))

    def heard_ending(self, turn: int, words: str, probability: float) -> None:
        """On the brain's thread: how likely ``words`` are all of the turn's."""
        self._order(Vote(turn, after=words, ending=probability))

    def _weigh(self, vote: Vote) -> None:
        """A vote on the present pause decides anew how long it may last; one on an earlier pause says nothing."""
        if self._utterance is None or self._wait_rule is None or self._paused_at < 0 or vote.turn != self._turn:
            return
        votes = self._votes
        if vote.sample != self._paused_at and (vote.after is None or vote.after != votes.text):
            return
        self._votes = dataclasses.replace(
            votes, probability=votes.probability if vote.probability is None else vote.probability,
            text=votes.text if vote.text is None else vote.text, ending=votes.ending if vote.ending is None else vote.ending)
        wait = wait_ms(self._votes, self._wait_rule)
        self._utterance.wait = int(wait * SPEECH_RATE / 1000)
        self._trace.emit("turn_vote", turn=vote.turn, sample=self._paused_at, probability=self._votes.probability, text=self._votes.text,
                         ending=self._votes.ending, wait_ms=round(wait))

    def _device(self, sample: int) -> int:
        """A 16 kHz position as a device frame."""
        return sample * self._core.rate // SPEECH_RATE

    def _speech(self, frame: int) -> int:
        """A device frame as a 16 kHz position."""
        return frame * SPEECH_RATE // self._core.rate


