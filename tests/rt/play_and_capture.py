"""A child of the sound card tests: plays a known voice through a real device and saves what was captured.

Arguments: device, core ("native" or "twin"), file to save, card, latency in ms, clocks.  Then it prints ``running`` and waits for its
device to end or for stdin to close.
"""

from __future__ import annotations

import json
import select
import sys
from typing import Any

import numpy as np

from edgevoice.errors import DeviceError
from edgevoice.rt import _core, twin
from edgevoice.rt.portaudio_device import PortAudioDevice
from edgevoice.rt.pyaudio_device import PyAudioDevice

RATE, HOP = 16000, 160
CORES: dict[str, Any] = {"native": _core.Core, "twin": twin.Core}
DEVICES: dict[str, Any] = {"portaudio": PortAudioDevice, "pyaudio": PyAudioDevice}


def voice() -> np.ndarray:
    """Three seconds; no stretch of it is like another."""
    return np.random.default_rng(5).integers(-20000, 20000, 3 * RATE).astype(np.int16)


def main() -> int:
    device_name, core_name, path, card, latency_ms, clocks = sys.argv[1:7]
    core = CORES[core_name](RATE, HOP, playback_ms=5000)
    device = DEVICES[device_name](core, input=card, output=card, latency_ms=int(latency_ms), clocks=clocks)
    try:
        device.start()
    except DeviceError as error:
        print(json.dumps({"refused": str(error)}), flush=True)
        return 6
    near, far = [], []
    core.live.begin(1)

    def collect(frames: int) -> None:
        wanted = sum(map(len, near)) + frames
        while sum(map(len, near)) < wanted and device.error is None:
            hops = core.read(0.5)
            if hops is not None:
                near.append(hops.near)
                far.append(hops.far)

    collect(RATE // 2)
    core.write(1, voice(), last=True)
    collect(5 * RATE + RATE // 2)
    np.savez(path, near=np.concatenate(near), far=np.concatenate(far))
    print("running", flush=True)
    while device.error is None and not select.select([sys.stdin], [], [], 0.1)[0]:
        core.read(0.1)
    error, running, state = device.error, device.running, device.clocks
    device.stop()
    counters = core.counters()
    print(json.dumps({"error": error, "running": running, "stopped": device.running, "xruns_in": counters.xruns_in,
                      "clocks": None if state is None else [state.drift_ppm, state.fill_ms, state.wanted_ms, state.underruns],
                      "balanced": counters.captured == counters.consumed + counters.dropped + counters.depth,
                      "events": [[event.kind, event.frames] for event in core.events()]}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
