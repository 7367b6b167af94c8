"""The real-time core's public list; behind it is the only importer of the C extension."""

from edgevoice.rt.choice import HAVE_NATIVE, Core, Live, PortAudioDevice, ScriptedDevice, make_core
from edgevoice.rt.contract import Counters, Device, Hops, PlayEvent, PlayKind, Token
from edgevoice.rt.pyaudio_device import PyAudioDevice
from edgevoice.rt.script import Cue, Late, Short, Underflow, Unplug, Xrun, jitter

__all__ = [
    "HAVE_NATIVE", "Core", "Counters", "Cue", "Device", "Hops", "Late", "Live", "PlayEvent", "PlayKind", "PortAudioDevice",
    "PyAudioDevice", "ScriptedDevice", "Short", "Token", "Underflow", "Unplug", "Xrun", "jitter", "make_core",
]
