"""HTTP: people and programs see the device, ask it and command it."""

from edgevoice.adapters.http.edge import HttpEdge

__all__ = ["HttpEdge"]
