"""The device as Home Assistant finds it: one retained message that describes it and each of its entities.

Source: Home Assistant's documentation of MQTT discovery, "device discovery payload", and the schemas of its integration, by which
``tests/edges/test_discovery.py`` was made.  Every command template gives JSON, every value template reads ``state`` or ``health``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edgevoice.adapters.mqtt.topics import Topics

MOST_STATE = 250
"""characters of a sensor's text; Home Assistant takes 255"""


def topic(prefix: str, id: str) -> str:
    return f"{prefix}/device/{id}/config"


def config(topics: Topics, state: Mapping[str, Any], health: Mapping[str, Any], *, name: str, model: str) -> dict[str, Any]:
    """The whole message.  ``model`` is what the machine is."""
    made = {key: {"unique_id": f"edgevoice_{topics.id}_{key}", "qos": 1, **facts}
            for key, facts in _entities(topics, state, health).items()}
    return {
        "device": {"identifiers": [f"edgevoice_{topics.id}"], "name": name, "manufacturer": "edgevoice", "model": model,
                   "sw_version": str(state.get("version", "")), "serial_number": topics.id},
        "origin": {"name": "edgevoice", "sw_version": str(state.get("version", ""))},
        "availability_topic": topics.availability, "components": made}


def _entities(topics: Topics, state: Mapping[str, Any], health: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    host = health.get("host", {})
    entities: dict[str, dict[str, Any]] = {
        "mute": {"platform": "switch", "name": "Mute", "icon": "mdi:microphone-off", "command_topic": topics.command("mute"),
                 "payload_on": _json(muted=True), "payload_off": _json(muted=False), "state_topic": topics.state,
                 "value_template": "{{ 'ON' if value_json.muted else 'OFF' }}", "state_on": "ON", "state_off": "OFF"},
        "volume": {"platform": "number", "name": "Volume", "icon": "mdi:volume-high", "command_topic": topics.command("volume"),
                   "command_template": '{"volume": {{ value / 100 }}}', "min": 0, "max": 100, "step": 1, "mode": "slider",
                   "unit_of_measurement": "%", "state_topic": topics.state,
                   "value_template": "{{ [(value_json.volume * 100) | round | int, 100] | min }}"},
        "stop": {"platform": "button", "name": "Stop", "icon": "mdi:stop", "command_topic": topics.command("stop"), "payload_press": "{}"},
        "listen": {"platform": "button", "name": "Listen", "icon": "mdi:microphone-message", "command_topic": topics.command("listen"),
                   "payload_press": "{}"},
        "restart": {"platform": "button", "name": "Restart", "device_class": "restart", "entity_category": "config",
                    "command_topic": topics.command("restart"), "payload_press": "{}"},
        "speak": {"platform": "text", "name": "Speak", "icon": "mdi:bullhorn", "command_topic": topics.command("say"),
                  "command_template": '{{ {"text": value} | to_json }}', "min": 1, "max": 255, "mode": "text"},
        "wake": {"platform": "event", "name": "Wake word", "icon": "mdi:account-voice", "state_topic": topics.event("wake"),
                 "event_types": ["wake"],
                 "value_template": '{{ {"event_type": "wake", "word": value_json.model, "score": value_json.score} | to_json }}'},
        "models": {"platform": "update", "name": "Models", "entity_category": "diagnostic", "state_topic": topics.state,
                   "value_template": '{{ {"installed_version": value_json.models_installed, "latest_version": value_json.models_latest} '
                                     '| to_json }}'},
        "state": {"platform": "sensor", "name": "State", "device_class": "enum", "icon": "mdi:chat-processing", "state_topic": topics.state,
                  "options": ["idle", "listening", "speculating", "thinking", "speaking", "holding", "followup"],
                  "value_template": "{{ value_json.state }}"},
        "problem": {"platform": "binary_sensor", "name": "Problem", "device_class": "problem", "entity_category": "diagnostic",
                    "state_topic": topics.health, "payload_on": "ON", "payload_off": "OFF",
                    "value_template": "{{ 'OFF' if value_json.ok else 'ON' }}", "json_attributes_topic": topics.health,
                    "json_attributes_template": "{{ {'alerts': value_json.alerts, 'last_error': value_json.last_error} | to_json }}"},
        "health": _diagnostic(topics, "Health", f"value_json.summary[:{MOST_STATE}]", icon="mdi:stethoscope"),
        "answer_time": _diagnostic(topics, "Answer time", "value_json.latency_ms.voice_to_voice.p50 if 'voice_to_voice' in "
                                   "value_json.latency_ms else None", device_class="duration", unit_of_measurement="ms",
                                   state_class="measurement", suggested_display_precision=0),
        "false_starts": _diagnostic(topics, "False starts", "value_json.counts.false_starts", icon="mdi:ear-hearing-off",
                                    state_class="total_increasing"),
        "uptime": _diagnostic(topics, "Uptime", "value_json.uptime_s | round", device_class="duration", unit_of_measurement="s",
                              state_class="total_increasing"),
        "cpu": _diagnostic(topics, "Processor", "value_json.host.cpu_percent", icon="mdi:cpu-64-bit", unit_of_measurement="%",
                           state_class="measurement", suggested_display_precision=0),
        "memory": _diagnostic(topics, "Memory", "value_json.host.rss_mb", device_class="data_size", unit_of_measurement="MiB",
                              state_class="measurement", suggested_display_precision=0)}
    if state.get("wake_words"):
        entities["sensitivity"] = {
            "platform": "number", "name": "Wake word sensitivity", "icon": "mdi:ear-hearing", "entity_category": "config",
            "command_topic": topics.command("wake_word"), "command_template": '{"sensitivity": {{ value }}}', "min": 0, "max": 1,
            "step": 0.05, "mode": "slider", "state_topic": topics.state, "value_template": "{{ value_json.sensitivity }}"}
        entities["wake_word"] = _select(topics, "Wake word", "wake_word", '{{ {"words": [value]} | to_json }}', "value_json.wake_words[0]",
                                        [*dict.fromkeys([*state.get("wake_words_known", []), state["wake_words"][0]])], "mdi:account-voice")
    if "agenda" in state:
        entities["timers"] = {
            "platform": "sensor", "name": "Timers", "icon": "mdi:timer", "state_topic": topics.state, "state_class": "measurement",
            "value_template": "{{ value_json.agenda.timers + value_json.agenda.alarms + value_json.agenda.reminders "
                              "+ value_json.agenda.ringing }}"}
    if state.get("profiles"):
        entities["profile"] = _select(topics, "Profile", "profile", '{{ {"name": value} | to_json }}', "value_json.profile",
                                      list(state["profiles"]), "mdi:tune")
    if host.get("temperature_c") is not None:
        entities["temperature"] = _diagnostic(topics, "Temperature", "value_json.host.temperature_c", device_class="temperature",
                                              unit_of_measurement="°C", state_class="measurement")
    if host.get("wifi_dbm") is not None:
        entities["wifi"] = _diagnostic(topics, "Wi-Fi", "value_json.host.wifi_dbm", device_class="signal_strength",
                                       unit_of_measurement="dBm", state_class="measurement")
    return entities


def _diagnostic(topics: Topics, name: str, value: str, **facts: Any) -> dict[str, Any]:
    return {"platform": "sensor", "name": name, "entity_category": "diagnostic", "state_topic": topics.health,
            "value_template": f"{{{{ {value} }}}}", **facts}


def _select(topics: Topics, name: str, verb: str, template: str, value: str, options: list[str], icon: str) -> dict[str, Any]:
    return {"platform": "select", "name": name, "icon": icon, "entity_category": "config", "command_topic": topics.command(verb),
            "command_template": template, "state_topic": topics.state, "value_template": f"{{{{ {value} }}}}", "options": options}


def _json(**facts: Any) -> str:
    return json.dumps(facts)
