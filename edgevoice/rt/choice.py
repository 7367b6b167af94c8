"""Which core is used: the C one, or the pure-Python twin where ``EDGEVOICE_PURE=1`` asks for it.

A C core that cannot be imported is an ``ImportError``, never a silent fallback: the twin keeps the same promises but for the one
that matters on a device, that Python cannot make sound late.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

__all__ = ["HAVE_NATIVE", "Core", "Live", "PortAudioDevice", "ScriptedDevice", "make_core", "rate_for"]

HAVE_NATIVE = os.environ.get("EDGEVOICE_PURE") != "1"
"""True for the C core, False for the twin."""

if TYPE_CHECKING or HAVE_NATIVE:
    try:
        from edgevoice.rt._core import Core, Live, ScriptedDevice
        from edgevoice.rt.portaudio_device import PortAudioDevice, rate_for
    except ImportError as error:
        raise ImportError(
            f"the C core is not built or does not load ({error}); build it with `pip install -e .` "
            "(needs a C compiler and portaudio19-dev), or set EDGEVOICE_PURE=1 for the pure-Python one") from error
else:
    from edgevoice.rt.pyaudio_device import PyAudioDevice as PortAudioDevice
    from edgevoice.rt.twin import Core, Live
    from edgevoice.rt.twin_device import ScriptedDevice

    def rate_for(wanted: int, input: str = "", output: str = "") -> int:
        """The twin takes the rate that it is given."""
        del input, output
        return wanted


def make_core(rate: int, hop_ms: int, *, capture_ms: int = 4000, playback_ms: int = 1000, volume: float = 1.0) -> Core:
    """A core as ``[audio]`` of the settings describes it."""
    core = Core(rate, rate * hop_ms // 1000, capture_ms=capture_ms, playback_ms=playback_ms)
    core.set_volume(volume)
    return core
