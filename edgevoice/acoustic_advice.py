"""What a measurement of the path from loudspeaker to microphone means: what is wrong and what to do, and which gain would be right.

Law: a finding is made of the value that was measured and the value that would be right; where one cause explains several, only the cause
is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgevoice.acoustic import DISTORTED, Measured

LONGEST_MS = 250.0
"""what the echo canceller reaches back"""
MOST_DRIFT_PPM = 200.0
"""what it follows"""
MOST_NOISE_DB = -45.0
"""speech at arm's length lies near -26 dB: 20 dB between them is what recognizers and voice activity want at least"""
MOST_CLIPPED, MOST_FLATTENED = 1e-4, 1e-3
"""shares of the samples; a loud noise may cut one or two"""
ECHO_PEAK_DB = -12.0
"""where the echo of a reply at full scale should peak: a user who speaks louder than it still fits in"""
NEAR_ENOUGH_DB = 3.0
MOST_RAISE_DB = 20.0
"""at a time: then measure again"""
QUIET_DB = 5.0
"""below ``MOST_NOISE_DB`` the noise shall stay when the microphone's gain is raised"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong.  ``name`` is for programs and does not change."""

    name: str
    measured: str
    right: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Gain:
    """What would bring the echo of the loudest reply to ``ECHO_PEAK_DB``; both None if no echo was heard."""

    echo_peak_db: float | None
    """of a reply at full scale, as things are; more than 0 does not fit"""
    microphone_db: float | None
    loudspeaker_db: float | None
    words: str


def findings(measured: Measured) -> list[Finding]:
    """In the order in which they should be looked after; empty if all is well."""
    return [*_heard(measured), *_timing(measured), *_sound(measured)]


def gain(measured: Measured) -> Gain:
    if measured.echo_peak_db is None:
        return Gain(None, None, None, "not known: no echo was heard")
    peak = measured.echo_peak_db - measured.level_db
    by = ECHO_PEAK_DB - peak
    if abs(by) <= NEAR_ENOUGH_DB:
        return Gain(peak, 0.0, 0.0, "leave microphone and loudspeaker as they are")
    if by < 0.0:
        least = "at least " if measured.clipped > MOST_CLIPPED else ""
        if measured.noise_db > MOST_NOISE_DB:
            return Gain(peak, by, 0.0, f"lower the microphone's gain by {least}{-by:.0f} dB: the noise falls with it")
        return Gain(peak, 0.0, by, f"lower the loudspeaker's volume by {least}{-by:.0f} dB (audio.volume times {10.0 ** (by / 20.0):.2g}), "
                                   "or the microphone's gain if you are loud enough for it")
    raised = min(by, MOST_RAISE_DB, MOST_NOISE_DB - QUIET_DB - measured.noise_db)
    if raised < 1.0:
        return Gain(peak, 0.0, 0.0, f"leave the microphone's gain: more of it would lift the noise ({measured.noise_db:.0f} dBFS) too far; "
                                    "a weak echo does no harm")
    return Gain(peak, raised, 0.0, f"raise the microphone's gain by {raised:.0f} dB, if your voice is weak in it; a weak echo does no harm")


def _heard(measured: Measured) -> Iterator[Finding]:
    if measured.lost or measured.xruns:
        yield Finding("lost", f"{measured.lost} frames were lost, and the device reported {measured.xruns} overruns or underruns", "none",
                      "raise audio.latency_ms, stop what else keeps the machine busy, and measure again")
    if measured.dead:
        yield Finding("dead_microphone", "every sample of the microphone's is zero", "noise, at least",
                      "unmute it (audio.muted, the mixer's capture switch), or choose another audio.input (edgevoice devices)")
    elif measured.played_peak_db is None:
        yield Finding("unplayed", "nothing was sent to the loudspeaker", f"a sweep of {measured.level_db:.0f} dBFS",
                      "set audio.volume and audio.voice_volume above 0")
    elif measured.delay_ms is None:
        yield Finding("no_echo", f"no echo in noise of {measured.noise_db:.0f} dBFS", "the sweep, in the microphone",
                      "unmute the loudspeaker or turn it up, choose another audio.output or audio.input (edgevoice devices), or raise "
                      "--level; with headphones, or a card that cancels the echo itself, this is how it should be")


def _timing(measured: Measured) -> Iterator[Finding]:
    if measured.delay_ms is None:
        return
    if measured.delay_ms < 0.0:
        yield Finding("noncausal", f"the echo comes {-measured.delay_ms:.1f} ms before its sound", f"0 to {LONGEST_MS:.0f} ms after it",
                      "choose a microphone and a loudspeaker of one sound system; a monitor of an output is no microphone")
    if measured.delay_ms > LONGEST_MS:
        yield Finding("late", f"the echo comes after {measured.delay_ms:.0f} ms", f"at most {LONGEST_MS:.0f} ms",
                      "lower audio.latency_ms, and use no wireless loudspeaker: the echo canceller does not reach so far back")
    if measured.drift_ppm is None:
        delays = ", ".join(f"{delay:.1f}" for delay in measured.delays_ms)
        yield Finding("unsteady", f"the delay jumped: {delays} ms at one sweep after another", "the same, or a steady drift",
                      "raise audio.latency_ms: sound was lost or added between core and card")
    elif abs(measured.drift_ppm) > MOST_DRIFT_PPM:
        yield Finding("drift", f"the clocks differ by {measured.drift_ppm:+.0f} ppm", f"at most {MOST_DRIFT_PPM:.0f} ppm",
                      "use one card for microphone and loudspeaker, or a sound server that resamples one to the other's clock")


def _sound(measured: Measured) -> Iterator[Finding]:
    if measured.clipped > MOST_CLIPPED:
        yield Finding("clipped", f"{100.0 * measured.clipped:.2g} % of the samples are at full scale", "none",
                      "lower the microphone's gain or the loudspeaker's volume as suggested")
    elif measured.flattened > MOST_FLATTENED:
        yield Finding("flattened", f"{100.0 * measured.flattened:.2g} % of the samples lie in flat tops below full scale "
                                   f"({measured.peak_db or 0.0:.0f} dBFS)", "none",
                      "lower the loudspeaker's volume, or the gain before the converter: something cuts the sound off before it")
    elif measured.distortion is not None and measured.distortion > DISTORTED:
        yield Finding("distorted", f"harmonics are {100.0 * measured.distortion:.0f} % of the echo", f"at most {100.0 * DISTORTED:.0f} %",
                      "lower the loudspeaker's volume: what it adds of its own cannot be cancelled")
    if measured.noise_db > MOST_NOISE_DB:
        yield Finding("noise", f"the silence has {measured.noise_db:.0f} dBFS", f"at most {MOST_NOISE_DB:.0f} dBFS",
                      "lower the microphone's gain, or move it away from fans and the board's supply")
