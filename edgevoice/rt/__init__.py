"""The real-time core's public list; the only importer of the C extension.

``EDGEVOICE_PURE=1`` chooses the pure-Python twin.  Otherwise a C core that cannot be imported is an ``ImportError``, never a silent
fallback: the twin keeps the same promises but for the one that matters on a device, that Python cannot make sound late.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edgevoice.rt.contract import Counters, Device, Hops, PlayEvent, PlayKind, Token
from edgevoice.rt.pyaudio_device import PyAudioDevice
from edgevoice.rt.script import Cue, Late, Short, Underflow, Unplug, Xrun, jitter

HAVE_NATIVE = os.environ.get("EDGEVOICE_PURE") != "1"
"""True for the C core, False for the twin."""

if TYPE_CHECKING or HAVE_NATIVE:
    try:
        from edgevoice.rt._core import Core, Live, ScriptedDevice
        from edgevoice.rt.portaudio_device import PortAudioDevice
    except ImportError as error:
        raise ImportError(
            f"the C core is not built or does not load ({error}); build it with `pip install -e .` "
            "(needs a C compiler and portaudio19-dev), or set EDGEVOICE_PURE=1 for the pure-Python one") from error
else:
    from edgevoice.rt.pyaudio_device import PyAudioDevice as PortAudioDevice
    from edgevoice.rt.twin import Core, Live
    from edgevoice.rt.twin_device import ScriptedDevice

__all__ = [
    "HAVE_NATIVE", "Core", "Counters", "Cue", "Device", "Hops", "Late", "Live", "PlayEvent", "PlayKind", "PortAudioDevice",
    "PyAudioDevice", "ScriptedDevice", "Short", "Token", "Underflow", "Unplug", "Xrun", "jitter", "make_core",
]


def make_core(rate: int, hop_ms: int, *, capture_ms: int = 4000, playback_ms: int = 1000, volume: float = 1.0) -> Core:
    """A core as ``[audio]`` of the settings describes it."""
    core = Core(rate, rate * hop_ms // 1000, capture_ms=capture_ms, playback_ms=playback_ms)
    core.set_volume(volume)
    return core
