"""The MQTT broker: whether it is there and lets this device in, what its ACL allows, and what it believes of the device."""

from __future__ import annotations

from edgevoice.adapters.mqtt.trial import attempt
from edgevoice.checks import service
from edgevoice.checks.check import Found, Place

FAR_MS = 1000.0
"""a connection that takes longer makes commands late"""


def reachable(place: Place) -> Found:
    """A connection of its own, with the device's user and certificates."""
    mqtt = place.settings.mqtt
    if not mqtt.host:
        return Found("skipped", "no broker is set (mqtt.host)")
    trial = attempt(mqtt)
    name = f"{mqtt.host}:{mqtt.port or (8883 if mqtt.tls else 1883)}"
    facts = {"connect_ms": round(1000 * trial.seconds, 1), "refused": trial.refused, "availability": trial.availability,
             "topic": trial.topics.root}
    if trial.problem:
        return Found("problem", f"{name}: {trial.problem}", "mqtt.host, port, username, password_file and the certificates; is it running, "
                     "and has the service a network (`edgevoice service install` gives it one)?", facts)
    if trial.refused:
        return Found("problem", f"{name} lets this device in, but not to {', '.join(trial.refused)}",
                     "the broker's ACL: configs/mosquitto/acl is one that fits", facts)
    if trial.availability == "online" and (told := service.running(place)).status not in ("ok", "skipped"):
        return Found("warning", f"{name} believes that this device is online, and {told.text}",
                     "is another device called so, too? give each its own mqtt.id", facts)
    if 1000 * trial.seconds > FAR_MS:
        return Found("warning", f"{name} takes {trial.seconds:.1f} s to answer", "commands will be as late: a nearer broker", facts)
    kept = {None: "its availability cannot be read here", "online": "it knows this device as online"}.get(
        trial.availability, "it knows this device as offline")
    rights = "topics are allowed" if trial.told else "what MQTT 3.1.1 refuses it does not tell"
    return Found("ok", f"{name} answers in {1000 * trial.seconds:.0f} ms; {rights}; {kept}", facts=facts)
