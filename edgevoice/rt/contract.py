"""What the real-time core offers to Python; the C core and its pure twin both satisfy it, under the same tests.

Theory of operation.  A device calls the core once a period with captured frames and wants frames to play.  The core stamps
device frame indices from 0, fills the capture ring with whole *hops* (near end as captured, far end as just played, same indices)
and plays what the playback ring holds for the live generation.  A hop that finds the ring full is dropped whole and counted, so
``captured == consumed + dropped + depth`` at any moment.  Cancelling is one compare-exchange on the live generation.
All audio is int16 mono at the device's rate.

Threads: ``read``, ``events`` belong to the ears' thread; ``write`` to the mouth's; ``earcon`` to the loop's; everything else may be
called from any thread.  Every wait happens without the GIL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Int16 = NDArray[np.int16]
Float32 = NDArray[np.float32]
PlayKind = Literal["first", "end", "silent", "underrun", "paused", "resumed"]
Channel = Literal["voice", "announcement", "alarm", "earcon"]
CHANNELS: tuple[Channel, ...] = ("voice", "announcement", "alarm", "earcon")
UNITY = 8192
"""gain 1, in Q13"""


def fixed_gain(gain: float) -> int:
    """In Q13; ``ValueError`` unless 0 to 4."""
    if not 0.0 <= gain <= 4.0:
        raise ValueError(f"volume must be 0 to 4, not {gain}")
    return int(gain * UNITY + 0.5)


def channel_number(channel: str) -> int:
    """``ValueError`` for one that is none."""
    if channel not in CHANNELS:
        raise ValueError(f"channel must be one of {', '.join(CHANNELS)}, not {channel!r}")
    return CHANNELS.index(channel)


def playout_frames(rate: int, stretch_below_s: float, hold_s: float, shorten_above_s: float) -> tuple[int, int, int]:
    """What ``Core.set_playout`` is told, in frames; ``ValueError`` where it is out of bounds."""
    if not 0.0 <= stretch_below_s <= 2.0 or not 0.0 <= hold_s <= 1.0:
        raise ValueError(f"stretch_below_s must be 0 to 2 and hold_s 0 to 1, not {stretch_below_s} and {hold_s}")
    if shorten_above_s != 0.0 and not stretch_below_s <= shorten_above_s <= 2.0:
        raise ValueError(f"shorten_above_s must be 0, or stretch_below_s ({stretch_below_s}) to 2, not {shorten_above_s}")
    below, hold, above = (int(seconds * rate + 0.5) for seconds in (stretch_below_s, hold_s, shorten_above_s))
    return below, hold, above


@dataclass(frozen=True, slots=True)
class Hops:
    """A gapless run of hops.  ``index`` is the device frame of the first sample; a jump from the last run's end is lost audio."""

    index: int
    near: Int16
    far: Int16
    clean: Float32 | None = None
    """with a front end: the near end at 16 kHz without the echo, full scale 1; blocks of its own size, so some hops have none"""
    clean_index: int = 0
    """16 kHz sample of ``clean[0]``; sample j belongs to device frame j * rate / 16000.  A jump is lost audio"""
    probabilities: Float32 | None = None
    """with a front end: of speech, a frame of ``VAD_FRAME`` samples of ``clean`` each"""
    frame_index: int = 0
    """16 kHz sample at which the first of ``probabilities`` begins"""
    reflex: tuple[int, int] | None = None
    """(generation, device frame): speech that began there paused an armed generation during these hops"""


VAD_FRAME = 512


@dataclass(frozen=True, slots=True)
class FrontState:
    """How the front end does.  Counted from its start."""

    hops: int
    """hops judged"""
    blocks: int
    """blocks of 16 ms cancelled; while the far end is silent the canceller sleeps and none is counted"""
    path_changes: int
    reflexes: int
    """generations paused"""
    dropped: int
    """frames judged that found nobody to take them; part of ``Counters.dropped``"""
    erle_db: float
    """echo return loss enhancement over the last second of far-end sound; 0 before any"""
    delay_ms: float | None
    """from the loudspeaker's frames to the microphone's, estimated"""
    drift_ppm: float
    """the far end's clock against the near end's, estimated"""
    busy_s: float
    """the thread's time in hops"""
    slowest_s: float
    """of one hop"""
    cancelling: bool
    """False: switched off"""
    awake: bool
    converged: bool
    noncausal: bool
    """the microphone hears the far end before the core is told of it: nothing can be cancelled"""
    useless: bool
    """the far end is plainly in the microphone's signal, and none of it is taken off"""
    fifo: bool
    """the thread runs under SCHED_FIFO"""


def front_frames(onset: float, offset: float, min_speech_ms: float, hangover_ms: float) -> tuple[int, int]:
    """Frames of speech that begin it, and of silence that end it; ``ValueError`` for thresholds that are none."""
    if not 0.0 < offset <= onset < 1.0:
        raise ValueError(f"thresholds {offset} (offset) and {onset} (onset): wants 0 < offset <= onset < 1")
    if not 0 <= min_speech_ms <= 10_000 or not 0 <= hangover_ms <= 10_000:
        raise ValueError(f"min_speech_ms and hangover_ms must be 0 to 10000, not {min_speech_ms} and {hangover_ms}")
    frame_ms = VAD_FRAME / 16
    return max(1, -int(-min_speech_ms // frame_ms)), max(1, -int(-hangover_ms // frame_ms))


@dataclass(frozen=True, slots=True)
class Counters:
    """Frames unless said.  One consistent snapshot: ``captured == consumed + dropped + depth``."""

    captured: int
    consumed: int
    dropped: int
    depth: int
    xruns_in: int
    """input overflows that the device itself reported (times)"""
    xruns_out: int
    """output underflows that the device itself reported (times)"""
    callbacks: int
    played: int
    """frames of any generation that reached the device"""
    underruns: int
    """times that a live reply had nothing to play before its last frame"""
    stale: int
    """frames of dead generations thrown away unplayed"""
    events_lost: int = 0
    """play events that found nobody to take them (times)"""
    stretched: int = 0
    """frames made up to slow replies down whose next sound was late; no frames of any generation"""
    shortened: int = 0
    """frames left out because the queue of a live stream was too long; part of ``played``"""
    queue: int = 0
    """frames of the live generation that wait to be played"""
    queue_least: int = 0
    """the fewest that waited after any period of the last reply, until its end came; 0 before the first"""
    zeroed: int = 0
    """frames captured while muted, zeros all of them"""


LATE_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""upper edges of the buckets of ``Lateness``, in ms; the last bucket has none"""


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late the device's callbacks came, beyond the pace that the earliest of the last seconds set; of those whose time is known."""

    counts: tuple[int, ...]
    """callbacks in each bucket of ``LATE_MS``"""
    worst_s: float

    def beyond(self, share: float) -> float | None:
        """Upper edge, in ms, of the bucket below which ``share`` (0 to 1) of all callbacks lie; infinite in the last bucket, ``None``
        before any callback."""
        below, wanted = 0, share * sum(self.counts)
        for count, edge in zip(self.counts, (*LATE_MS, float("inf")), strict=True):
            below += count
            if count and below >= wanted:
                return edge
        return None


@dataclass(frozen=True, slots=True)
class Clocks:
    """How a microphone and a loudspeaker with a clock each do: what is played passes a ring, read as fast as keeps it evenly filled."""

    drift_ppm: float
    """the microphone's clock over the loudspeaker's, estimated"""
    fill_ms: float
    """sound on its way from one clock to the other, smoothed"""
    wanted_ms: float
    """grows where callbacks come in bunches"""
    underruns: int
    """times that the ring ran dry; it fades out and begins anew"""
    overruns: int
    """times that something was left out because too much waited"""


@dataclass(frozen=True, slots=True)
class PlayEvent:
    """Something happened at the loudspeaker, at device frame ``sample``.  ``frames`` of the generation had been played by then.

    ``first``: its first frame plays. ``end``: the frame after the one marked last. ``silent``: cancelled and faded out.
    ``underrun``: nothing to play although not ended. ``paused``: faded out, position kept. ``resumed``: goes on.
    """

    kind: PlayKind
    generation: int
    sample: int
    frames: int


class Token(Protocol):
    """One generation's right to go on (an ``engines.protocols.Cancel``)."""

    @property
    def generation(self) -> int: ...

    def cancelled(self) -> bool: ...

    def abort_pointers(self) -> tuple[int, int] | None: ...


class Live(Protocol):
    """The one atomic: which generation may be heard.  0 means none."""

    def begin(self, generation: int) -> Token:
        """Make ``generation`` (greater than any before; ``ValueError`` otherwise) the live one."""

    def cancel(self, generation: int) -> bool:
        """Compare-exchange with 0; True for the one call that did it."""

    def current(self) -> int: ...


class Core(Protocol):
    @property
    def rate(self) -> int: ...

    @property
    def hop(self) -> int:
        """Frames in a hop."""

    @property
    def locked(self) -> bool:
        """Whether the rings' memory is locked: where that is not permitted (RLIMIT_MEMLOCK), a page may be missing in the callback."""

    @property
    def live(self) -> Live: ...

    def read(self, timeout_s: float) -> Hops | None:
        """All whole hops that wait (a copy), or ``None`` after ``timeout_s`` without any."""

    def write(self, generation: int, samples: Int16, *, last: bool = False, timeout_s: float | None = None) -> int:
        """Queue samples for the loudspeaker; waits for room.  Returns the frames taken: fewer than given when the generation
        is not live any more or the time ran out.  ``last`` ends the reply (``samples`` may then be empty; ``TimeoutError`` if
        such a mark alone found no room in time).  ``ValueError`` after the reply was ended."""

    def queued(self, generation: int) -> int:
        """Frames of ``generation`` written but not yet played."""

    @property
    def full(self) -> bool:
        """Whether a ``write`` would have to wait for the device: what fills the ring may as well be of a dead generation."""

    def heard(self, generation: int) -> int:
        """Frames of ``generation`` played so far (0 for one unknown; kept for at least the last 64 generations)."""

    def pause(self, generation: int) -> bool:
        """Fade out in 5 ms and keep the position; False if not live."""

    def resume(self, generation: int) -> bool: ...

    def gate(self, generation: int) -> None:
        """Before ``generation`` begins: it may be written, and makes no sound, before ``open``.  There is one gate; the last call
        counts.  Of a generation that is cancelled behind it nothing is ever heard or told."""

    def open(self, generation: int) -> bool:
        """Let it sound, from the next period on; False if it does not live.  One atomic."""

    def earcon(self, samples: Int16) -> int:
        """Mix a short sound over whatever plays; returns frames taken."""

    def alarm(self, samples: Int16) -> int:
        """As ``earcon``, for a sound that rings until ``stop_alarm`` or its own end."""

    def stop_alarm(self) -> None:
        """Fade the alarm out in 5 ms and forget what of it waits."""

    def set_volume(self, gain: float, channel: Channel | None = None) -> None:
        """0 to 4; of one channel, or over all of them.  Glides there."""

    def set_ducking(self, gain: float) -> None:
        """0 to 1, at first 1: the voice is multiplied by it while an earcon or alarm sounds over it."""

    def announce(self, generation: int, channel: Channel = "announcement") -> None:
        """Before ``generation`` begins: its volume is that of ``channel``, not the voice's."""

    def mute(self, muted: bool) -> None:
        """From the next period on the microphone gives zeros: nothing behind the callback sees what the device captured."""

    @property
    def muted(self) -> bool: ...

    def set_playout(self, stretch_below_s: float, hold_s: float = 0.0, shorten_above_s: float = 0.0) -> None:
        """How a late synthesizer is hidden; all 0 at first: what comes is played as it comes.

        A live reply with less than ``stretch_below_s`` (0 to 2) in its queue, whose end has not come, is played slower, up to a
        quarter at half of that; one that runs dry is faded out and in.  None of that counts in ``heard``, ``queued``, ``played`` or an
        event's ``frames``.  A reply begins ``hold_s`` (0 to 1) after its first sound came, or once its end has.

        ``shorten_above_s`` (0 for never, or ``stretch_below_s`` to 2) is for streams that come as they are spoken, where a long queue
        is delay: above it up to a tenth of the frames are left out, all of that at twice as much; they count as played."""

    def events(self) -> list[PlayEvent]: ...

    def counters(self) -> Counters: ...

    def lateness(self) -> Lateness: ...

    def start_front(self, vad: object, *, onset: float = 0.5, offset: float = 0.35, min_speech_ms: float = 64,
                    hangover_ms: float = 160, cancel_echo: bool = True) -> bool:
        """Put echo canceller, voice activity and reflex between the capture ring and ``read``, once, before the first read.

        ``vad`` is the engine whose network is used.  False if this core cannot run it: then nothing changed, and hops come as they
        were captured.  ``RuntimeError`` for a second time.
        """

    def arm(self, generation: int) -> None:
        """From now on an onset of speech pauses ``generation`` at once; says so in ``Hops.reflex``.  Nothing without a front end."""

    def disarm(self) -> None: ...

    def front(self) -> FrontState | None:
        """``None`` without a front end."""

    def close(self) -> None: ...


class Processor(Protocol):
    """What a device written in Python needs of a core; both cores have it."""

    @property
    def rate(self) -> int: ...

    @property
    def hop(self) -> int: ...

    def process(self, near: Int16 | None, frames: int, *, overflow: bool = False, underflow: bool = False,
                now_s: float = 0.0) -> Int16:
        """``now_s``: when the device called, by any steady clock; 0 where that is not known."""

    def counters(self) -> Counters: ...


class Device(Protocol):
    """Something that calls the core: a sound card, or a script."""

    def start(self) -> None:
        """``DeviceError`` names the device and what it cannot do."""

    def stop(self) -> None:
        """Idempotent; when it returns the callback does not run any more."""

    @property
    def running(self) -> bool: ...

    @property
    def error(self) -> str | None:
        """Why it stopped by itself, in one line; None otherwise."""

    @property
    def clocks(self) -> Clocks | None:
        """How two clocks do, where microphone and loudspeaker have one each and are opened so."""
