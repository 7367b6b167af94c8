"""MQTT: the house sees the device and commands it."""

from edgevoice.adapters.mqtt.adapter import MqttAdapter

__all__ = ["MqttAdapter"]
