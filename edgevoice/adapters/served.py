"""An edge that is a server: a thread with a loop of its own, so that no flood of clients costs the conversation more than they ask of it.

Law: whatever happens there (no port, no certificate, no memory), the conversation goes on; it is told as a line and in health.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable

from edgevoice.errors import ConfigError

log = logging.getLogger(__name__)

STOP_S = 3.0
"""for the edge's thread to end"""


class Served(abc.ABC):
    """``start`` and ``stop`` on the device's loop.  ``name`` as people write it, ``section`` of the settings; ``told`` is called on the
    edge's thread with what a person should know of it."""

    def __init__(self, name: str, section: str, address: str, port: int, told: Callable[[str], None]) -> None:
        self._name, self._section, self._place, self._told = name, section, f"{address}:{port}", told
        self._device = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"edgevoice-{section}", daemon=True)
        self._ending = asyncio.Event()
        self.problem: str | None = None
        """why nothing is served"""
        self.port = 0
        """where it is served; 0 for not yet or not at all"""

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> bool:
        """False if its thread did not end in time."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ending.set)
        await asyncio.to_thread(self._thread.join, STOP_S)
        return not self._thread.is_alive()

    @abc.abstractmethod
    async def _serve(self) -> None:
        """Until ``_ending`` is set, on the edge's loop; sets ``port`` once it is open."""

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except ConfigError as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(f"{self._place}: {(error.strerror or str(error)).lower()}; free it, or set {self._section}.address and "
                       f"{self._section}.port")
        except Exception as error:
            log.exception("the %s edge ended", self._name)
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            self.port = 0
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _fail(self, problem: str) -> None:
        self.problem = problem
        self._told(f"{self._name}: {problem}")
