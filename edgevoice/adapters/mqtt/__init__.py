"""MQTT: the house sees the device and commands it."""

from edgevoice.adapters.mqtt.adapter import MqttAdapter
from edgevoice.adapters.mqtt.house import Failed, House, Verb

__all__ = ["Failed", "House", "MqttAdapter", "Verb"]
