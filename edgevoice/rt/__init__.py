"""The real-time core's public list; behind it is the only importer of the C extension."""

from edgevoice.rt.choice import HAVE_NATIVE, Core, Live, PortAudioDevice, ScriptedDevice, make_core, rate_for
from edgevoice.rt.contract import Channel, Counters, Device, Hops, PlayEvent, PlayKind, Token
from edgevoice.rt.pyaudio_device import PyAudioDevice
from edgevoice.rt.script import Cue, Late, Short, Underflow, Unplug, Xrun, jitter
from edgevoice.rt.supervised import DeviceState, SupervisedDevice

__all__ = [
    "HAVE_NATIVE", "Channel", "Core", "Counters", "Cue", "Device", "DeviceState", "Hops", "Late", "Live", "PlayEvent", "PlayKind",
    "PortAudioDevice", "PyAudioDevice", "ScriptedDevice", "Short", "SupervisedDevice", "Token", "Underflow", "Unplug", "Xrun", "jitter",
    "make_core", "rate_for",
]
