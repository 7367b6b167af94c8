"""The Wyoming edge, between Home Assistant (or whoever speaks its protocol) and the device.

Theory: the protocol has no authentication, so that who may connect is decided by address alone: this machine, and ``wyoming.allow``.
Everything that takes time is the engines' on loan, a detector of the client's own, or the device's loop, which is handed no more than what
to play and who leads.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import ipaddress
from collections.abc import Callable
from typing import Any

from edgevoice.adapters.served import STOP_S, Served
from edgevoice.adapters.wyoming import wire
from edgevoice.adapters.wyoming.client import Client, Desk
from edgevoice.adapters.wyoming.offered import Offered
from edgevoice.adapters.wyoming.satellite import Satellite, Stage
from edgevoice.adapters.wyoming.services import Detector, Engines
from edgevoice.pipeline.alert import Alert
from edgevoice.settings import WyomingSettings


class WyomingEdge(Served):
    """``engines`` are those on loan, ``detector`` makes one that hears the device's wake words; ``audio_s`` and ``words`` as in
    ``Desk``."""

    def __init__(self, settings: WyomingSettings, stage: Stage, offered: Offered, *, engines: Engines | None,
                 detector: Callable[[], Detector], audio_s: float, words: tuple[int, int],
                 told: Callable[[str], None] = lambda text: None) -> None:
        super().__init__("Wyoming", "wyoming", settings.address, settings.port, told)
        self._settings, self._stage, self._offered = settings, stage, offered
        self._engines, self._detector, self._audio_s, self._words = engines, detector, audio_s, words
        self._clients: dict[asyncio.Task[None], Client] = {}
        self._counts: collections.Counter[str] = collections.Counter()
        self._satellite: Satellite | None = None

    def health(self) -> tuple[dict[str, Any], list[Alert]]:
        """How the edge itself does.  Any thread."""
        satellite = self._satellite
        facts = {"serving": bool(self.port), "port": self.port, "problem": self.problem, "connections": len(self._clients),
                 "requests": {name: self._counts[name] for name in ("transcribe", "synthesize", "detect")},
                 "refused": self._counts["refused"], "turned_away": self._counts["turned_away"],
                 "leads": satellite is not None and satellite.led, "pipelines": satellite.pipelines if satellite else 0,
                 "lost_s": round(satellite.lost_s, 2) if satellite else 0.0}
        return facts, [Alert("wyoming_not_served", self.problem)] if self.problem else []

    # The edge's loop.

    def _there(self, act: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the device has ended
            self._device.call_soon_threadsafe(act)

    async def _serve(self) -> None:
        settings = self._settings
        if settings.satellite:
            self._satellite = Satellite(self._stage, self._there)
        desk = Desk(self._offered, self._engines, self._detector, self._satellite, self._audio_s, self._words, self._count)
        allowed = Allowed(settings.allow)

        async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = writer.get_extra_info("peername")
            who = peer[0] if peer else ""
            if not allowed.may(who) or len(self._clients) >= settings.clients:
                self._counts["turned_away"] += 1
                writer.close()
                return
            task = asyncio.current_task()
            assert task is not None
            client = self._clients[task] = Client(reader, writer, who, desk, settings.idle_s)
            try:
                await client.run()
            finally:
                del self._clients[task]

        server = await asyncio.start_server(come, settings.address, settings.port, limit=wire.MOST_LINE)
        try:
            self.port = server.sockets[0].getsockname()[1]
            self._told(f"Wyoming: tcp://{settings.address}:{self.port}")
            await self._ending.wait()
        finally:
            server.close()
            for client in tuple(self._clients.values()):
                client.close()
            if self._clients:
                await asyncio.wait(tuple(self._clients), timeout=STOP_S / 2)

    def _count(self, what: str) -> None:
        self._counts[what] += 1


class Allowed:
    """Addresses that may connect: this machine's own, and those of ``networks``."""

    def __init__(self, networks: list[str]) -> None:
        self._networks = [ipaddress.ip_network(network, strict=False) for network in networks]

    def may(self, address: str) -> bool:
        try:
            here = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(here, ipaddress.IPv6Address) and here.ipv4_mapped is not None:
            here = here.ipv4_mapped
        return here.is_loopback or any(here in network for network in self._networks)
