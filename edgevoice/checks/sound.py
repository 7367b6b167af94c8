"""Sound cards: whether there are any, whether this user may use them, at which rates, and what the audio threads are allowed."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path

from edgevoice.checks.check import Found, Place
from edgevoice.errors import DeviceError
from edgevoice.host import user
from edgevoice.rt.cards import Card, choose
from edgevoice.rt.probe import Probed, probe

NODES = Path("dev/snd")
LOCKED_MB = 16
"""of memory that the core locks: rings and the front end, with room"""


def permissions(place: Place) -> Found:
    """Whether ALSA's device files can be opened by whoever runs this."""
    nodes = sorted((place.root / NODES).glob("pcm*"))
    if not nodes:
        return Found("skipped", "ALSA knows no sound card here (a sound server may still give one)")
    shut = [node.name for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    if shut:
        return Found("problem", f"{user()} may not use {', '.join(shut)} in /dev/snd",
                     f"sudo usermod -aG audio {user()}, then log in anew; the systemd unit has SupplementaryGroups=audio",
                     {"shut": shut})
    return Found("ok", f"{len(nodes)} sound device files, all usable", facts={"nodes": [node.name for node in nodes]})


def devices(place: Place) -> Found:
    """A microphone and a loudspeaker, as the settings name them."""
    audio = place.settings.audio
    found = probe()
    facts = {"devices": [one.document() for one in found]}
    try:
        capture, playback = _pair(found, audio.input, audio.output)
    except DeviceError as error:
        return Found("problem", str(error), "plug one in, or name one that is there: audio.input, audio.output", facts)
    if capture.inputs < audio.channels:
        return Found("problem", f"{capture.name!r} has {capture.inputs} channels, and audio.channels is {audio.channels}",
                     "lower audio.channels", facts)
    return Found("ok", f"captures with {capture.name!r}, plays with {playback.name!r}", facts=facts)


def rates(place: Place) -> Found:
    """Whether both ends run at the settings' rate, or the core has to resample."""
    audio = place.settings.audio
    try:
        found = {one.card.index: one for one in probe([audio.rate])}
        capture, playback = _pair(list(found.values()), audio.input, audio.output)
    except DeviceError as error:
        return Found("skipped", f"no pair of devices to ask ({error})")
    able = found[capture.index].input_rates, found[playback.index].output_rates
    if audio.rate in able[0] and audio.rate in able[1]:
        return Found("ok", f"both ends do {audio.rate} Hz")
    both = sorted(set(able[0]) & set(able[1]))
    facts = {"input": able[0], "output": able[1]}
    if not both:
        return Found("problem", f"no rate that both {capture.name!r} ({_list(able[0])}) and {playback.name!r} ({_list(able[1])}) can do",
                     "choose others (edgevoice devices), or end the program that holds them", facts)
    return Found("ok", f"not {audio.rate} Hz, but {_list(both)}: it is resampled", facts=facts)


def real_time(_: Place) -> Found:
    """Whether the audio threads will get SCHED_FIFO and locked memory: both are tried, by a thread that ends at once."""
    refused: list[str] = []

    def ask() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError as error:
            refused.append(error.strerror or str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    locked = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    short = locked != resource.RLIM_INFINITY and locked < LOCKED_MB << 20 and os.geteuid() != 0
    facts = {"fifo": not refused, "memlock_bytes": None if locked == resource.RLIM_INFINITY else locked}
    if not refused and not short:
        return Found("ok", "the audio threads may have real-time priority and locked memory", facts=facts)
    what = " and ".join([*(["no real-time priority"] if refused else []), *(["too little memory may be locked"] if short else [])])
    return Found("warning", f"{what}: sound may be lost while the machine is busy",
                 "run it as the systemd unit, or allow it in /etc/security/limits.d: @audio - rtprio 50 and @audio - memlock 65536", facts)


def _pair(found: list[Probed], input: str, output: str) -> tuple[Card, Card]:
    cards = [one.card for one in found]
    return choose(cards, input, "input"), choose(cards, output, "output")


def _list(rates: list[int]) -> str:
    return f"{', '.join(map(str, rates))} Hz" if rates else "none"
