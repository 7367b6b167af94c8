"""What several settings must fulfil together: checked where each key by itself is right."""

from __future__ import annotations

import base64
import ipaddress
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass

from edgevoice.settings import Settings


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that several settings must fulfil together.  ``keys`` are ``section.key``; the first is the one complained of."""

    keys: tuple[str, ...]
    broken: Callable[[Settings], bool]
    wrong: Callable[[Settings], str]
    right: Callable[[Settings], str]


def _whole_hop_ms(rate: int) -> int:
    """The shortest hop of at least 10 ms that holds a whole number of frames."""
    return next(ms for ms in range(10, 1001) if rate * ms % 1000 == 0)


def _no_zone(name: str) -> bool:
    try:
        return bool(name) and not zoneinfo.ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        return True


_LEVEL = re.compile(r"[A-Za-z0-9_-]{0,64}")
_FILTER = re.compile(r"#|(?:\+|[^+#/\0]*)(?:/(?:\+|[^+#/\0]*))*(?:/#)?")
"""of topics (MQTT 5.0, 4.7.1): a wildcard is a whole level, and # the last"""


KEY_BYTES = 32
"""of an ed25519 public key (RFC 8032)"""


def _no_key(keys: list[str]) -> list[str]:
    def is_one(text: str) -> bool:
        try:
            return len(base64.b64decode(text, validate=True)) == KEY_BYTES
        except ValueError:
            return False
    return [key for key in keys if not is_one(key)]


def _no_filter(topics: list[str]) -> list[str]:
    return [topic for topic in topics if not topic or not _FILTER.fullmatch(topic)]


def _no_networks(names: list[str]) -> list[str]:
    def is_one(name: str) -> bool:
        try:
            ipaddress.ip_network(name, strict=False)
        except ValueError:
            return False
        return True

    return [name for name in names if not is_one(name)]


RULES = (
    Rule(("vad.offset", "vad.onset"), lambda s: s.vad.offset >= s.vad.onset,
         lambda s: f"is not below vad.onset ({s.vad.onset})", lambda s: "speech must end at a lower probability than it begins at"),
    Rule(("audio.hop_ms", "audio.rate"), lambda s: s.audio.rate * s.audio.hop_ms % 1000 != 0,
         lambda s: f"makes a hop of {s.audio.rate * s.audio.hop_ms / 1000:g} frames at {s.audio.rate} Hz",
         lambda s: f"a hop must be whole frames, such as hop_ms = {_whole_hop_ms(s.audio.rate)}"),
    Rule(("audio.channel", "audio.channels"), lambda s: s.audio.channel > s.audio.channels,
         lambda s: f"is more than audio.channels ({s.audio.channels})", lambda s: "one of the channels that are captured is heard"),
    Rule(("audio.clocks", "audio.backend"), lambda s: s.audio.clocks == "two" and s.audio.backend != "portaudio",
         lambda s: f"cannot be done by {s.audio.backend}, which opens one stream", lambda s: 'set audio.backend = "portaudio"'),
    Rule(("audio.latency_ms", "audio.capture_ms"), lambda s: s.audio.latency_ms * 2 > s.audio.capture_ms,
         lambda s: f"is more than half of audio.capture_ms ({s.audio.capture_ms})",
         lambda s: "the capture ring must outlast a late device"),
    Rule(("wake.words", "wake.enabled"), lambda s: s.wake.enabled and not s.wake.words and not s.wake.keywords,
         lambda s: "names no wake word", lambda s: "name one, type one in wake.keywords, or set wake.enabled = false"),
    Rule(("wake.keywords", "wake.keyword_model"), lambda s: bool(s.wake.keywords) and not s.wake.keyword_model,
         lambda s: "has no model that hears it", lambda s: "set wake.keyword_model to a streaming transducer (zipformer)"),
    Rule(("dialog.barge_in", "wake.enabled"), lambda s: s.dialog.barge_in == "wake" and not s.wake.enabled,
         lambda s: "waits for a wake word that is switched off", lambda s: 'set wake.enabled = true, or barge_in = "speech"'),
    Rule(("dialog.endpoint_ms", "vad.hangover_ms"), lambda s: s.dialog.endpoint_ms < s.vad.hangover_ms,
         lambda s: f"is shorter than vad.hangover_ms ({s.vad.hangover_ms})", lambda s: "a turn cannot end before its last speech has"),
    Rule(("dialog.endpoint_min_ms", "dialog.endpoint_max_ms"), lambda s: s.dialog.endpoint_min_ms > s.dialog.endpoint_max_ms,
         lambda s: f"is longer than dialog.endpoint_max_ms ({s.dialog.endpoint_max_ms})", lambda s: "the shortest wait is the shorter one"),
    Rule(("dialog.pause_ms", "dialog.endpoint_ms"), lambda s: s.dialog.pause_ms > s.dialog.endpoint_ms,
         lambda s: f"is longer than dialog.endpoint_ms ({s.dialog.endpoint_ms})", lambda s: "a pause comes before the turn's end"),
    Rule(("llm.max_tokens", "llm.context"), lambda s: s.llm.max_tokens * 2 > s.llm.context,
         lambda s: f"is more than half of llm.context ({s.llm.context})", lambda s: "the conversation needs the other half"),
    Rule(("dialog.first_chunk_words", "tts.max_chunk_words"), lambda s: s.dialog.first_chunk_words > s.tts.max_chunk_words,
         lambda s: f"is more than tts.max_chunk_words ({s.tts.max_chunk_words})", lambda s: "the first piece is the shortest"),
    Rule(("mqtt.id",), lambda s: not _LEVEL.fullmatch(s.mqtt.id),
         lambda s: "cannot be a level of a topic", lambda s: "letters, digits, - and _, 64 at most"),
    Rule(("mqtt.prefix",), lambda s: not s.mqtt.prefix or not _LEVEL.fullmatch(s.mqtt.prefix),
         lambda s: "cannot be the first level of a topic", lambda s: "letters, digits, - and _, 64 at most"),
    Rule(("mqtt.discovery_prefix",), lambda s: not s.mqtt.discovery_prefix or not _LEVEL.fullmatch(s.mqtt.discovery_prefix),
         lambda s: "cannot be the first level of a topic", lambda s: "letters, digits, - and _, 64 at most"),
    Rule(("mqtt.cert_file", "mqtt.key_file"), lambda s: bool(s.mqtt.cert_file) != bool(s.mqtt.key_file),
         lambda s: "stands without mqtt.key_file" if s.mqtt.cert_file else "is empty, and mqtt.key_file is not",
         lambda s: "a certificate and its key go together"),
    Rule(("http.address", "http.token_file", "http.enabled"),
         lambda s: s.http.enabled and not s.http.token_file and s.http.address not in ("127.0.0.1", "::1", "localhost"),
         lambda s: "would let everybody in who reaches the machine", lambda s: 'name an http.token_file, or set address = "127.0.0.1"'),
    Rule(("http.cert_file", "http.key_file"), lambda s: bool(s.http.cert_file) != bool(s.http.key_file),
         lambda s: "stands without http.key_file" if s.http.cert_file else "is empty, and http.key_file is not",
         lambda s: "a certificate and its key go together"),
    Rule(("wyoming.address", "wyoming.allow", "wyoming.enabled"),
         lambda s: s.wyoming.enabled and not s.wyoming.allow and s.wyoming.address not in ("127.0.0.1", "::1", "localhost"),
         lambda s: "would let nobody in but this machine, and be seen by all",
         lambda s: 'name who may connect in wyoming.allow, or set address = "127.0.0.1"'),
    Rule(("wyoming.allow",), lambda s: bool(_no_networks(s.wyoming.allow)),
         lambda s: f"{_no_networks(s.wyoming.allow)[0]!r} is no address and no network",
         lambda s: "such as 192.168.1.20 or 192.168.1.0/24"),
    Rule(("wyoming.satellite", "wyoming.enabled", "wake.enabled"),
         lambda s: s.wyoming.enabled and s.wyoming.satellite and not s.wake.enabled,
         lambda s: "waits for a wake word that is switched off", lambda s: "set wake.enabled = true"),
    Rule(("skills.timezone",), lambda s: _no_zone(s.skills.timezone),
         lambda s: "is no time zone that this system knows", lambda s: "such as Europe/Berlin; /usr/share/zoneinfo has them all"),
    Rule(("tools.topics",), lambda s: bool(_no_filter(s.tools.topics)),
         lambda s: f"{_no_filter(s.tools.topics)[0]!r} covers no topic",
         lambda s: "+ stands for a whole level and # for all that follow, such as house/+/light/#"),
    Rule(("update.public_keys",), lambda s: bool(_no_key(s.update.public_keys)),
         lambda s: f"{_no_key(s.update.public_keys)[0]!r} is no ed25519 public key",
         lambda s: f"{KEY_BYTES} bytes in base64, as `edgevoice update key` prints them"),
    Rule(("mqtt.tls", "mqtt.ca_file", "mqtt.cert_file"), lambda s: not s.mqtt.tls and bool(s.mqtt.ca_file or s.mqtt.cert_file),
         lambda s: "leaves the certificates unused", lambda s: "set mqtt.tls = true, or take them out"),
)
