"""``https:`` downloads: resumed, from mirrors, measured.

Theory.  A download grows in ``FILE.part``, with ``FILE.part.json`` beside it saying which file that is (RFC 9110: ETag or Last-Modified,
asked for again by If-Range).  A cut connection is resumed by Range; a server that cannot answers 200 and the file begins anew.  Where the
file's sha256 is known beforehand, a part may also be continued from another mirror, since a wrong mixture cannot pass.
A mirror is given up when it says no (404), when its file has another length or hash, or when several tries in a row bring nothing.

Laws: never more bytes on disk than the length that was announced or known; redirects never leave https; ``FILE`` exists only complete.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from edgevoice.errors import SourceError
from edgevoice.models import manifest
from edgevoice.models.catalogue import Url
from edgevoice.models.progress import Progress, human

TIMEOUT_S = 30.0
"""No byte for this long is a dead connection; a mobile link wakes within a few seconds."""
TRIES = 4
"""Tries in a row that bring nothing before a mirror is given up."""
BACKOFF_S = 0.5
"""Before the second try; doubled for each further one."""
_CHUNK = 1 << 16
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class _Again(Exception):
    """This try failed in a way that may pass."""


@dataclass(frozen=True)
class Request:
    """What is wanted: ``expected`` is its sha256 (empty if unknown); ``room`` raises if the disk lacks that many more bytes."""

    origin: Url
    folder: Path
    expected: str
    progress: Progress
    room: Callable[[int], None]
    timeout_s: float = field(default_factory=lambda: TIMEOUT_S)
    backoff_s: float = field(default_factory=lambda: BACKOFF_S)

    @property
    def target(self) -> Path:
        return self.folder / self.origin.filename

    @property
    def part(self) -> Path:
        return self.folder / f"{self.origin.filename}.part"

    @property
    def notes(self) -> Path:
        return self.folder / f"{self.origin.filename}.part.json"

    def have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


def fetch(request: Request) -> Path:
    """The complete file, from the first mirror that delivers it.  ``SourceError`` names each mirror's failure."""
    if request.target.exists():
        return request.target
    request.folder.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in request.origin.urls:
        try:
            _permit(url, request.expected)
            resumed = request.have() > 0
            while True:
                _download(url, request)
                if not request.expected or (found := manifest.hash_file(request.part)) == request.expected:
                    break
                request.forget()
                if not resumed:
                    raise SourceError(f"{url} has another file than expected: sha256 {found}, expected {request.expected}")
                resumed = False
            with request.part.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(request.part, request.target)
            request.notes.unlink(missing_ok=True)
            return request.target
        except SourceError as error:
            failures.append(str(error))
            if url != request.origin.urls[-1]:
                request.progress.say(f"{error}; trying the next mirror")
    raise SourceError("; ".join(failures))


def _permit(url: str, expected: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and (expected or _loopback(parts.hostname)):
        return
    if parts.scheme == "http":
        raise SourceError(f"{url} is not https: without a known sha256 nobody can tell what comes over it (give --sha256)")
    raise SourceError(f"{url} is no source: a source is a path, a file: or an https: URL")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _download(url: str, request: Request) -> None:
    """Bring ``request.part`` to its full length."""
    best, idle = request.have(), 0
    with request.progress.task(f"fetching {request.origin.filename}", request.origin.size, best) as task:
        while True:
            try:
                _once(url, request, task)
                return
            except _Again as error:
                have = request.have()
                idle = 0 if have > best else idle + 1
                best = max(best, have)
                if idle >= TRIES:
                    kept = f" ({human(have)} kept for the next time)" if have else ""
                    raise SourceError(f"{url} did not deliver: {error}{kept}") from error
                time.sleep(request.backoff_s * 2 ** max(0, idle - 1))


def _once(url: str, request: Request, task: Any) -> None:
    headers = {"User-Agent": "edgevoice", "Accept-Encoding": "identity"} | _resume_headers(url, request)
    try:
        with _OPENER.open(urllib.request.Request(url, headers=headers), timeout=request.timeout_s) as response:
            _receive(url, request, response, task)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            request.forget()
            raise _Again("the server refused to continue the download") from error
        if error.code in _PASSING:
            raise _Again(f"HTTP {error.code} {error.reason}") from error
        raise SourceError(f"{url} answers HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise SourceError(f"{url}: the server's certificate is not valid: {error.reason.verify_message}") from error
        raise _Again(str(getattr(error.reason, "strerror", None) or error.reason)) from error
    except TimeoutError as error:
        raise _Again(f"nothing came for {request.timeout_s:g} s") from error
    except (http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
        raise _Again(f"the connection was cut ({type(error).__name__})") from error


def _resume_headers(url: str, request: Request) -> dict[str, str]:
    have = request.have()
    if not have:
        return {}
    try:
        notes = json.loads(request.notes.read_text(encoding="utf-8"))
        validator = notes["validator"] if notes["url"] == url else ""
    except (OSError, ValueError, KeyError):
        validator = ""
    if validator:
        return {"Range": f"bytes={have}-", "If-Range": validator}
    if request.expected:
        return {"Range": f"bytes={have}-"}
    request.forget()
    return {}


def _receive(url: str, request: Request, response: Any, task: Any) -> None:
    start, total = 0, _number(response.headers.get("Content-Length"))
    if response.status == 206:
        start, total = _content_range(response.headers.get("Content-Range", ""))
        if start != request.have():
            request.forget()
            raise _Again("the server continued at the wrong place")
    known = request.origin.size
    if known and total is not None and total != known:
        request.forget()
        raise SourceError(f"{url} has {total} bytes, expected {known}")
    limit = known or total
    if limit is None and not request.expected:
        raise SourceError(f"{url} does not say how long the file is, and no sha256 is known: give --sha256")
    if limit is not None:
        request.room(limit - start)
        task.total = limit
    validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
    notes = {"url": url, "validator": "" if validator.startswith("W/") else validator, "total": total}
    manifest.write_durably(request.notes, json.dumps(notes))
    task.set(start)
    with request.part.open("r+b" if start else "wb") as out:
        out.seek(start)
        size = start
        while block := response.read1(_CHUNK):
            size += len(block)
            if limit is not None and size > limit:
                raise SourceError(f"{url} sends more than the {limit} bytes expected")
            out.write(block)
            task.set(size)
    if limit is not None and size < limit:
        raise _Again(f"the connection was cut after {size} of {limit} bytes")


def _content_range(text: str) -> tuple[int, int | None]:
    """First byte and total length of ``bytes 7-99/100``."""
    unit, _, rest = text.partition(" ")
    span, _, total = rest.partition("/")
    start = _number(span.partition("-")[0])
    if unit != "bytes" or start is None:
        raise _Again(f"the server's Content-Range {text!r} makes no sense")
    return start, _number(total)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise SourceError(f"{req.full_url} redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_NoDowngrade)


def filename(url: str) -> str:
    """The last part of a URL's path; ``SourceError`` if it has none."""
    name = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    if not name or name in (".", "..") or "\0" in name:
        raise SourceError(f"{url} names no file")
    return name


def digest_key(text: str) -> str:
    """A short folder name for a URL or hash."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
