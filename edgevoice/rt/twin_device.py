"""The virtual device in pure Python, as ``ext/scripted.c`` is in C."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgevoice.errors import DeviceError
from edgevoice.rt.contract import Int16
from edgevoice.rt.script import Cue, Late, Short, Underflow, Unplug, Xrun, validated
from edgevoice.rt.twin import Core
from edgevoice.rt.twin_rt import checked

SAYS = 1024
"""Utterances that may wait or sound at once."""


@dataclass(slots=True)
class _Say:
    start: int
    samples: Int16
    lost: int = 0


class ScriptedDevice:
    """A user who speaks from memory; parameters and behaviour as those of the C device."""

    def __init__(self, core: Core, *, realtime: bool = True, period: int = 160, noise: Int16 | None = None,
                 echo: NDArray[np.float32] | None = None, max_seconds: float = 600.0, script: Sequence[Cue] = (),
                 drift_ppm: float = 0.0) -> None:
        if not 1 <= period <= core.rate:
            raise ValueError(f"period must be 1 to {core.rate} frames, not {period}")
        if not 0.0 <= max_seconds <= 86400.0:
            raise ValueError(f"max_seconds must be 0 to 86400, not {max_seconds}")
        if not -100000.0 <= drift_ppm <= 100000.0:
            raise ValueError(f"drift_ppm must be within 100000 of 0, not {drift_ppm}")
        self.core = core
        self.realtime = realtime
        self.period = period
        self.position = 0
        """Device frames done so far."""
        self._noise = checked(noise, np.int16, "noise").copy() if noise is not None else np.zeros(0, np.int16)
        self._echo = checked(echo, np.float32, "echo").copy() if echo is not None else np.zeros(0, np.float32)
        if len(self._echo) > 10 * core.rate:
            raise ValueError(f"echo must be at most 10 s long, not {len(self._echo)} taps")
        self._history = np.zeros(len(self._echo) + 2 * period, np.float32)
        self._cues = validated(script, period)
        self._frame_s = 1.0 / (core.rate * (1.0 + drift_ppm * 1e-6))
        frames = int(max_seconds * core.rate)
        self._mic, self._speaker = np.zeros(frames, np.int16), np.zeros(frames, np.int16)
        self._lock = threading.Lock()
        self._stepping = threading.Lock()
        self._says: list[_Say] = []
        self._mixed = self._cue = self._short_frames = self._short_left = self._lost = self._noise_at = 0
        self._late_s = 0.0
        self._overflow = self._underflow = False
        self._unplugged = self._started = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._unplugged:
            raise DeviceError(f"scripted device: was unplugged at frame {self.position} and does not come back")
        if self._started:
            return
        self._stopping.clear()
        self._started = True
        if self.realtime:
            self._thread = threading.Thread(target=self._run, name="scripted-device", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        with self._stepping:
            self._thread = None
            self._started = False

    @property
    def running(self) -> bool:
        return self._started and not self._unplugged

    @property
    def clocks(self) -> None:
        return None

    @property
    def error(self) -> str | None:
        return f"scripted device: unplugged at frame {self.position}" if self._unplugged else None

    def say(self, samples: Int16, at: int | None = None) -> int:
        if at is not None and at < 0:
            raise ValueError(f"at must be a device frame, not {at}")
        copy = checked(samples, np.int16, "the user's audio").copy()
        if not len(copy):
            raise ValueError("the user's audio is empty")
        with self._lock:
            if at is not None and at < self._mixed:
                raise ValueError(f"frame {at} is past: the device is at {self.position}")
            if len(self._says) == SAYS:
                raise RuntimeError("too many utterances wait to be spoken")
            start = self._mixed if at is None else at
            self._says.append(_Say(start, copy))
        return start

    def step(self, frames: int) -> int:
        if self.realtime:
            raise RuntimeError("a device in real time runs by itself; make it with realtime=False to step it")
        if frames < 0:
            raise ValueError(f"frames must be 0 or more, not {frames}")
        done = 0
        with self._stepping:
            while done < frames and self.running:
                some = self._next_period(frames - done)
                if not some:
                    break
                self._run_period(some)
                done += some
        return done

    def recording(self) -> tuple[Int16, Int16]:
        """(microphone, loudspeaker) from device frame 0 until now, int16, of equal length; copies."""
        length = min(self.position, len(self._mic))
        return self._mic[:length].copy(), self._speaker[:length].copy()

    def _run(self) -> None:
        first, began = self.position, time.monotonic()
        while not self._stopping.is_set():
            frames = self._next_period(self.period)
            if not frames:
                return
            when = began + (self.position - first + frames) * self._frame_s + self._late_s
            self._late_s = 0.0
            if self._stopping.wait(max(0.0, when - time.monotonic())):
                return
            self._run_period(frames)

    def _next_period(self, limit: int) -> int:
        while self._cue < len(self._cues) and self._cues[self._cue].at <= self.position:
            match self._cues[self._cue]:
                case Late(ms=ms):
                    self._late_s += ms / 1000
                case Short(frames=frames, count=count):
                    self._short_frames, self._short_left = frames, count
                case Xrun(lost=lost):
                    self._lost += lost
                    self._overflow = True
                case Underflow():
                    self._underflow = True
                case Unplug():
                    self._unplugged = True
                    return 0
            self._cue += 1
        frames = self.period
        if self._short_left:
            self._short_left -= 1
            frames = self._short_frames
        if self._cue < len(self._cues):
            frames = min(frames, self._cues[self._cue].at - self.position)
        return min(frames, limit)

    def _run_period(self, frames: int) -> None:
        position = self.position
        air = np.zeros(frames, np.float32)
        with self._lock:
            self._mix_user(air, position)
            self._mixed = position + frames
        if len(self._noise):
            at = self._noise_at + self._lost
            air += self._noise[(at + np.arange(frames)) % len(self._noise)]
            self._noise_at = (at + frames) % len(self._noise)
        if len(self._echo):
            taps = len(self._echo)
            air += np.convolve(self._history[self.period + 1:taps + self.period + frames], self._echo, "valid")
        near = np.rint(np.clip(air, -32768, 32767)).astype(np.int16)
        out = self.core.process(near, frames, overflow=self._overflow, underflow=self._underflow,
                                now_s=time.monotonic() if self.realtime else 0.0)
        self._lost, self._overflow, self._underflow = 0, False, False
        if len(self._echo):
            self._history = np.concatenate([self._history[frames:], out.astype(np.float32)])
        room = max(0, len(self._mic) - position)
        self._mic[position:position + frames] = near[:room]
        self._speaker[position:position + frames] = out[:room]
        self.position = position + frames

    def _mix_user(self, air: NDArray[np.float32], position: int) -> None:
        for say in self._says:
            if self._lost and say.start <= position:
                say.lost += self._lost
            at = max(0, say.start - position)
            begin = max(0, position - say.start) + say.lost
            piece = say.samples[begin:begin + max(0, len(air) - at)]
            air[at:at + len(piece)] += piece
        end = position + len(air)
        self._says = [say for say in self._says if say.start + len(say.samples) > end + say.lost]
