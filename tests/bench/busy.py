"""Loads that keep this process's Python busy while something else is measured."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable


def loads(name: str) -> list[Callable[[threading.Event], None]]:
    """What to run in threads until the event is set: "none", "1 spin", "4 spins", or ms for which a C call holds the GIL, again and
    again."""
    def spin(stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1

    def hold(stop: threading.Event) -> None:
        usleep = ctypes.PyDLL(None).usleep  # a PyDLL's functions keep the GIL
        while not stop.is_set():
            usleep(int(name) * 1000)
    if name.isdigit():
        return [hold]
    return [spin] * {"none": 0, "1 spin": 1, "4 spins": 4}[name]
