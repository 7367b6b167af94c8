"""Who may do what over HTTP, and how much of it.

Theory: a page in somebody's browser can send requests to a device in his house.  It cannot choose the Host header's name to be an
address or the device's own name (that stops DNS rebinding), and its browser names it in Origin (that stops forged requests): so both are
looked at before anything else.  Whoever has a token is known by it alone: no cookie, nothing a browser would send by itself.

Laws: tokens are kept as digests and compared in constant time, all of them each time; one that is wrong costs its sender (by address)
a wait that doubles, during which right ones are not looked at either; every table here is bounded.
"""

from __future__ import annotations

import collections
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path

from edgevoice.adapters.limits import Bucket
from edgevoice.adapters.verbs import Refused
from edgevoice.errors import ConfigError

SCOPES = ("listen", "speak", "control", "admin")
SHORTEST = 16
"""characters of a token: what nobody guesses at one try a minute"""
MOST_BYTES = 65_536
"""of the file"""
FREE_TRIES = 3
"""wrong tokens in a row before one has to wait"""
LONGEST_WAIT_S = 60.0
PEERS = 1024
"""addresses remembered; past that the one that came least lately is forgotten"""


class Tokens:
    """Scopes by token.  Without a file everybody may do everything."""

    def __init__(self, file: str) -> None:
        self._digests = None if not file else _read(Path(file).expanduser())

    @property
    def needed(self) -> bool:
        return self._digests is not None

    def scopes(self, token: str) -> frozenset[str] | None:
        """What it allows; ``None`` if nobody was given it."""
        if self._digests is None:
            return frozenset(SCOPES)
        digest, found = hashlib.sha256(token.encode("utf-8", "replace")).digest(), None
        for known, scopes in self._digests:
            if hmac.compare_digest(known, digest):
                found = scopes
        return found


def _read(path: Path) -> list[tuple[bytes, frozenset[str]]]:
    """``ConfigError`` where it is no file of tokens."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"http.token_file = {path}: {(error.strerror or str(error)).lower()}; "
                          "name a file with a token on each line") from error
    try:
        lines = raw.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        lines = []
    made = []
    for number, line in enumerate(lines, 1):
        token, *scopes = line.split() or [""]
        if not token or token.startswith("#"):
            continue
        if len(token) < SHORTEST:
            raise ConfigError(f"{path}:{number}: the token has {len(token)} characters; {SHORTEST} at least, such as "
                              "`openssl rand -hex 16` makes")
        if unknown := set(scopes) - set(SCOPES):
            raise ConfigError(f"{path}:{number}: there is no scope {min(unknown)[:40]!r}; there are {', '.join(SCOPES)}")
        made.append((hashlib.sha256(token.encode()).digest(), frozenset(scopes or SCOPES)))
    if not made or len(raw) > MOST_BYTES:
        raise ConfigError(f"http.token_file = {path}: holds no tokens; one on each line, and after it its scopes ({' '.join(SCOPES)}), "
                          "or none for all")
    return made


class _Peer:
    def __init__(self, per_s: float) -> None:
        self.requests, self.stops = Bucket(per_s), Bucket(per_s * 5)
        self.wrong = 0
        self.until = 0.0


class Peers:
    """What is remembered of each address.  ``now`` is monotonic, in seconds."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._known: collections.OrderedDict[str, _Peer] = collections.OrderedDict()

    def _peer(self, address: str) -> _Peer:
        peer = self._known.pop(address, None) or _Peer(self._per_s)
        self._known[address] = peer
        if len(self._known) > PEERS:
            self._known.popitem(last=False)
        return peer

    def may(self, address: str, now: float, *, stop: bool = False) -> bool:
        """One request more; ``stop``: one that stops something, which has a budget of its own."""
        peer = self._peer(address)
        return (peer.stops if stop else peer.requests).take(now)

    def waits_s(self, address: str, now: float) -> float:
        """For how long no token of this address is looked at."""
        return max(0.0, self._peer(address).until - now)

    def wrong(self, address: str, now: float) -> None:
        peer = self._peer(address)
        peer.wrong += 1
        if peer.wrong >= FREE_TRIES:
            peer.until = now + min(LONGEST_WAIT_S, 2.0 ** min(peer.wrong - FREE_TRIES, 6))

    def right(self, address: str) -> None:
        self._peer(address).wrong = 0


def allowed(tokens: Tokens, peers: Peers, address: str, token: str, now: float) -> frozenset[str]:
    """The scopes of who says ``token``; ``Refused`` if there is none like it, or its sender has to wait."""
    if not tokens.needed:
        return frozenset(SCOPES)
    if (wait := peers.waits_s(address, now)) > 0:
        raise Refused("too_many", "too many wrong tokens from this address", {"retry_s": int(wait) + 1})
    if not token:
        raise Refused("token", "wants a token of http.token_file")
    scopes = tokens.scopes(token)
    if scopes is None:
        peers.wrong(address, now)
        raise Refused("token", "no such token")
    peers.right(address)
    return scopes


class Hosts:
    """The names under which the device may be addressed: any address, its own name, and ``more``."""

    def __init__(self, more: Iterable[str]) -> None:
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", *(name.lower() for name in more)}

    def knows(self, host: str) -> bool:
        """``host`` as in the header."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name.lower() in self._names
        return True
