"""Models: a catalogue, a store, and the way from one into the other."""

from edgevoice.models.pull import Pulled, pull, pull_defaults
from edgevoice.models.store import Store, default_root, find

__all__ = ["Pulled", "Store", "default_root", "find", "pull", "pull_defaults"]
