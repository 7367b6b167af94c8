"""The Wyoming edge: the device's ears and voice for Home Assistant, and the device as a satellite of it."""

from edgevoice.adapters.wyoming.edge import WyomingEdge

__all__ = ["WyomingEdge"]
