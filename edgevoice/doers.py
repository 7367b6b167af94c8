"""What the device does to itself, and tells of itself, when it is asked by voice or by a typed question: the doers of ``skills.device``.

Law: whatever is done goes through the same verbs as from any other edge (``controls``), so that all of them know of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgevoice.controls import Controls
from edgevoice.pipeline.deeds import Deeds
from edgevoice.pipeline.health import ALL_WELL
from edgevoice.pipeline.latencies import Latencies
from edgevoice.skills import device
from edgevoice.skills.deeds import Deed

STEP = 1.5
"""times louder or softer: 3.5 dB, which is plainly heard"""
LEAST, MOST = 0.05, 1.0
"""between these the voice goes: softer is nothing, and louder is distorted; a configuration may begin above"""

_STAGES: Mapping[str, str] = {
    "wait": "to be sure that you had finished", "text": "to write your words down", "first_token": "to think of the first word",
    "first_sound": "to make the first sound", "loudspeaker": "for the loudspeaker"}


class Doers:
    """``broker``: whether there is one to tell, and to be told by."""

    def __init__(self, controls: Controls, latencies: Latencies, *, broker: bool) -> None:
        self._controls, self._latencies, self._broker = controls, latencies, broker

    def register(self, deeds: Deeds) -> None:
        for kind, doer in ((device.VOLUME, self.volume), (device.MUTE, self.mute), (device.STATE, self.state), (device.SLOW, self.slow)):
            deeds.register(kind, doer)

    async def volume(self, deed: Deed) -> str:
        now, wanted = self._controls.volume_now, deed.arguments
        if "percent" in wanted:
            to = max(wanted["percent"] / 100, LEAST)
        elif "louder" in wanted:
            most = max(MOST, now)
            to = min(now * STEP, most) if wanted["louder"] else max(now / STEP, LEAST)
            if to == now:
                return "I can't speak louder." if wanted["louder"] else "I can't speak more softly."
        else:
            return f"My volume is {percent(now)}."
        self._controls.volume({"volume": round(to, 3)})
        return f"My volume is {percent(to)} now."

    async def mute(self, deed: Deed) -> str:
        self._controls.mute({"muted": deed.arguments["muted"]})
        if not deed.arguments["muted"]:
            return "My microphone is on."
        how = "in Home Assistant, or by MQTT" if self._broker else "by starting me anew: there is no other way without a broker"
        return f"My microphone is off. I hear nothing you say. Switch it on {how}."

    async def state(self, deed: Deed) -> str:
        health = self._controls.health()
        broker = "" if not deed.arguments["network"] else (
            " I need no network to talk with you." if not self._broker
            else " The broker is connected." if health.get("mqtt", {}).get("connected") else " The broker is away; I go on without it.")
        if not health["alerts"]:
            return f"I am fine: {ALL_WELL}.{broker}"
        return f"{'Something is wrong' if not health['ok'] else 'I work, but'}: {spoken_alert(health['summary'])}.{broker}"

    async def slow(self, deed: Deed) -> str:
        return slowness(self._latencies.last)


def percent(gain: float) -> str:
    return f"{round(100 * gain)} percent"


def spoken_alert(summary: str) -> str:
    """Without what only eyes can use."""
    return summary.replace("`", "").rstrip(".")


def slowness(stages: Mapping[str, float] | None) -> str:
    """``stages`` of the last answer, seconds each."""
    if not stages or "voice_to_voice" not in stages:
        return "I have not answered you by voice yet."
    parts: list[tuple[float, str]] = sorted(((stages[name], what) for name, what in _STAGES.items() if name in stages), reverse=True)
    longest = [f"{seconds:.1f} {what}" for seconds, what in parts[:2] if seconds >= 0.05]
    told = f"My last answer began {stages['voice_to_voice']:.1f} seconds after your last word"
    return f"{told}{': ' + ', and '.join(longest) if longest else ''}."
