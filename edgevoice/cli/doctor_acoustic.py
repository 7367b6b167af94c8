"""``edgevoice doctor --acoustic``: plays sweeps and tells what the way from loudspeaker to microphone is like, and what is wrong with it.

The sweeps take the same way through the core as a reply does, and the recording is what the echo canceller would get.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from edgevoice.cli import common
from edgevoice.errors import DeviceError, UsageError
from edgevoice.settings import Settings

if TYPE_CHECKING:
    from edgevoice.acoustic import Measured, Plan, Recording
    from edgevoice.acoustic_advice import Finding, Gain
    from edgevoice.rt import Core, Counters, Device

LEVELS_DB = (-60.0, 0.0)
TAIL_S = 0.5
"""recorded after the last gap, for what waits inside the device"""
STALL_S = 3.0
"""a device that gives nothing for so long is gone"""
LOOK_S = 0.1
GENERATION = 1
ROOM_SEED, ROOM_DELAY_MS, ROOM_ECHO_DB, ROOM_NOISE_DB = 7, 60.0, -20.0, -60.0
"""the room of ``--virtual``: its direct sound comes so much later than the device's own period, and so loud"""


def run(args: argparse.Namespace) -> int:
    """Measure, and print what was found."""
    if not LEVELS_DB[0] <= args.level <= LEVELS_DB[1]:
        raise UsageError(f"doctor: --level {args.level:g} is not {LEVELS_DB[0]:g} to {LEVELS_DB[1]:g} dBFS")
    settings = common.settings(args)
    if args.png is not None:
        from edgevoice import files

        files.check_writable(args.png)

    from edgevoice import acoustic, acoustic_advice

    plan, recording = _virtual(settings, args.level) if args.virtual else _real(settings, args.level)
    measured = acoustic.measure(plan, recording)
    findings, gain = acoustic_advice.findings(measured), acoustic_advice.gain(measured)
    if args.png is not None:
        from edgevoice import acoustic_picture

        acoustic_picture.write(args.png, measured)
    if args.json:
        common.print_json(document(measured, findings, gain))
    else:
        print("\n".join([*report(measured, gain), *verdict(findings)]))
    return 0


def document(measured: Measured, findings: list[Finding], gain: Gain) -> dict[str, Any]:
    """JSON-ready: all of ``Measured`` but its curves, what is wrong, and the gain."""
    facts = {name: _rounded(value) for name, value in dataclasses.asdict(measured).items() if name not in ("decay", "impulse")}
    return {"ok": not findings, "findings": [dataclasses.asdict(one) for one in findings], **facts,
            "gain": _rounded(dataclasses.asdict(gain))}


def report(measured: Measured, gain: Gain) -> list[str]:
    """For people, a line each."""
    rows = [("noise floor", f"{measured.noise_db:.1f} dBFS ({measured.noise_a_db:.1f} as the ear weighs it)")]
    if measured.delay_ms is not None and measured.peak_db is not None and measured.return_loss_db is not None:
        loss = measured.return_loss_db
        rows += [
            ("round trip", f"{measured.delay_ms:.2f} ms"),
            ("clock drift", "not known: the delay jumps" if measured.drift_ppm is None else f"{measured.drift_ppm:+.1f} ppm"),
            ("clipping", f"{100.0 * measured.clipped:.2g} % at full scale, {100.0 * measured.flattened:.2g} % in flat tops"),
            ("echo", f"{abs(loss):.1f} dB {'weaker' if loss >= 0.0 else 'stronger'} than it was sent, peak {measured.peak_db:.1f} dBFS"),
            ("echo path", "not known: hidden by noise or distortion" if measured.length_ms is None else
             f"20 dB down after {measured.length_ms:.1f} ms" + (
                 "" if measured.reverberation_s is None else f", 60 dB after {measured.reverberation_s:.2f} s (by its slope)")),
            ("response", " ".join(f"{band.hz}:{round(band.db)}" for band in measured.response[::3]) + " (Hz:dB)"),
            ("harmonics", "less than the noise" if measured.distortion is None else f"{100.0 * measured.distortion:.2g} %")]
    rows.append(("suggested gain", gain.words))
    return [f"{name:16}{value}" for name, value in rows]


def verdict(findings: list[Finding]) -> list[str]:
    """What is wrong and what to do, a line each."""
    if not findings:
        return ["nothing is wrong"]
    return [f"wrong: {one.measured} (right: {one.right}): {one.remedy}" for one in findings]


def _rounded(value: Any) -> Any:
    """Floats with as many digits as mean something."""
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return value


def _real(settings: Settings, level_db: float) -> tuple[Plan, Recording]:
    from edgevoice import app

    wanted = settings.audio.rate
    settings = app.fit_rate(settings)
    if settings.audio.rate != wanted:
        _tell(f"the sound card cannot do {wanted} Hz; measured at {settings.audio.rate} Hz")
    plan, core = _prepared(settings, level_db)
    device = app.make_device(settings, core)
    try:
        with app.running(device):
            _tell(f"keep quiet for {_frames(plan) / plan.rate:.0f} s: first the noise, then three sweeps at {level_db:g} dBFS")
            return plan, _record(core, device, plan)
    finally:
        core.close()


def _virtual(settings: Settings, level_db: float) -> tuple[Plan, Recording]:
    """In a simulated room, by a device whose clock is stepped: takes a second or two."""
    from edgevoice import audio, room
    from edgevoice.rt import ScriptedDevice

    plan, core = _prepared(settings, level_db)
    path = room.impulse_response(ROOM_SEED, plan.rate, rt60_s=0.3, distance_m=0.5) * np.float32(10.0 ** (ROOM_ECHO_DB / 20.0))
    echo = np.concatenate([np.zeros(round(ROOM_DELAY_MS * plan.rate / 1000.0), np.float32), path])
    noise = audio.to_int16(room.noise(ROOM_SEED, 5 * plan.rate, plan.rate, ROOM_NOISE_DB))
    device = ScriptedDevice(core, realtime=False, period=core.hop, noise=noise, echo=echo, max_seconds=0.0)
    try:
        device.start()
        _tell("measures a simulated room")
        return plan, _record(core, device, plan, lambda: device.step(core.hop))
    finally:
        device.stop()
        core.close()


def _prepared(settings: Settings, level_db: float) -> tuple[Plan, Core]:
    """The settings' core, with a playback ring that takes all sweeps at once: nothing can be late then."""
    from edgevoice import acoustic, app

    plan = acoustic.Plan(settings.audio.rate, level_db)
    whole_ms = plan.frames * 1000 // plan.rate + 1000
    larger = dataclasses.replace(settings.audio, playback_ms=max(settings.audio.playback_ms, whole_ms))
    return plan, app.make_core(dataclasses.replace(settings, audio=larger))


def _frames(plan: Plan) -> int:
    return plan.quiet_frames + plan.frames + round(TAIL_S * plan.rate)


def _record(core: Core, device: Device, plan: Plan, advance: Callable[[], object] = lambda: None) -> Recording:
    """Silence, then the sweeps, as the core hands them on.  ``DeviceError`` if the device stops giving sound.

    ``advance`` lets time pass where it does not do so by itself.
    """
    from edgevoice.acoustic import Recording

    total = _frames(plan)
    near, far = np.zeros(total, np.int16), np.zeros(total, np.int16)
    first: int | None = None
    end = lost = 0
    before: Counters | None = None
    core.live.begin(GENERATION)
    came = time.monotonic()
    while end < total:
        advance()
        hops = core.read(LOOK_S)
        if hops is None:
            if device.error is not None or time.monotonic() - came > STALL_S:
                raise DeviceError(device.error or f"the sound device gave no sound for {STALL_S:g} s; is it used by another program?")
            continue
        came = time.monotonic()
        first = hops.index if first is None else first
        at = hops.index - first
        lost += at - end
        end = at + len(hops.near)
        room = max(0, total - at)
        near[at:end], far[at:end] = hops.near[:room], hops.far[:room]
        if before is None and end >= plan.quiet_frames:
            before = core.counters()  # many a card stumbles while it starts, which is over by now
            core.write(GENERATION, plan.signal(), last=True, timeout_s=STALL_S)
    now = core.counters()
    return Recording(near, far, lost, now.xruns_in + now.xruns_out - (before.xruns_in + before.xruns_out if before else 0))


def _tell(text: str) -> None:
    print(f"edgevoice: {text}", file=sys.stderr, flush=True)
