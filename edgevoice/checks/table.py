"""All checks, in the order in which one would look."""

from __future__ import annotations

from edgevoice.checks import broker, engines, machine, models, service, sound, updates
from edgevoice.checks.check import Check

TABLE: tuple[Check, ...] = (
    Check("sound_permissions", "sound: permissions", sound.permissions),
    Check("sound_devices", "sound: devices", sound.devices, disturbs=True),
    Check("sound_rates", "sound: rates", sound.rates, disturbs=True),
    Check("real_time", "real-time rights", sound.real_time),
    Check("models", "models", models.present),
    Check("models_verified", "models: every byte", models.verified, disturbs=True),
    Check("engines", "engines", engines.run, disturbs=True),
    Check("update", "update", updates.state),
    Check("broker", "MQTT broker", broker.reachable),
    Check("heat_and_power", "heat and power", machine.heat_and_power),
    Check("resources", "memory and disk", machine.resources),
    Check("ladder", "what is left out", machine.ladder),
    Check("governor", "processor speed", machine.governor),
    Check("clock", "clock", machine.clock),
    Check("service", "system service", service.running),
    Check("exposure", "service: exposure", service.exposure),
)
"""The names stay: tickets and scripts hang on them."""
