"""A web server with bad days: cuts connections, lies about lengths, drips, forgets ranges.  For tests of downloads."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Page:
    """One file and how it is served; ``cuts`` are byte counts after which one response each is cut, in order."""

    body: bytes
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str = '"one"'
    modified: bool = False
    kind: str = "application/octet-stream"
    length: bool = True
    claim: int | None = None
    """a Content-Length that is not the true one"""
    statuses: list[int] = field(default_factory=list)
    """answers before the file is served at all"""
    redirect: str = ""
    drip_s: float = 0.0
    """seconds between pieces of a sixteenth of the file"""
    stalls: list[int] = field(default_factory=list)
    """byte counts after which one response each comes to a stop, though its connection stays open"""


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    range: str
    if_range: str


class Server:
    """``pages`` by path; ``asked`` in order of arrival."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []
        self.base = ""
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"{self.base}/{path}"

    def put(self, path: str, page: Page | bytes) -> str:
        self.pages[f"/{path}"] = page if isinstance(page, Page) else Page(page)
        return self.url(path)


@contextmanager
def running(certificate: Path | None = None) -> Iterator[Server]:
    """A server on a loopback port, with TLS if ``certificate`` (a PEM of key and certificate) is given."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, server)

        def log_message(self, format: str, *args: object) -> None:
            """the test reads ``asked`` instead"""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """clients of these tests hang up as they please"""

    http = Quiet(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        http.socket = context.wrap_socket(http.socket, server_side=True)
    server.base = f"{'https' if certificate else 'http'}://localhost:{http.server_port}" if certificate else f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        http.shutdown()
        thread.join()
        http.server_close()


def _answer(handler: BaseHTTPRequestHandler, server: Server) -> None:
    asked = Asked(handler.path, handler.headers.get("Range", ""), handler.headers.get("If-Range", ""))
    server.asked.append(asked)
    page = server.pages.get(handler.path)
    if page is None or page.statuses:
        handler.send_error(404 if page is None else page.statuses.pop(0))
        return
    if page.redirect:
        handler.send_response(302)
        handler.send_header("Location", page.redirect)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    start = int(asked.range.removeprefix("bytes=").rstrip("-")) if asked.range else 0
    validator = formatdate(0, usegmt=True) if page.modified else page.etag
    partial = page.ranges and start > 0 and asked.if_range in ("", validator)
    if partial and start >= len(page.body):
        handler.send_error(416)
        return
    body = page.body[start:] if partial else page.body
    handler.send_response(206 if partial else 200)
    handler.send_header("Content-Type", page.kind)
    if partial:
        handler.send_header("Content-Range", f"bytes {start}-{len(page.body) - 1}/{len(page.body)}")
    if page.modified or page.etag:
        handler.send_header("Last-Modified" if page.modified else "ETag", validator)
    if page.length:
        handler.send_header("Content-Length", str(len(body) if page.claim is None else page.claim))
    handler.send_header("Connection", "close")
    handler.close_connection = True
    handler.end_headers()
    _send(handler, server, page, body[:page.cuts.pop(0)] if page.cuts else body)


def _send(handler: BaseHTTPRequestHandler, server: Server, page: Page, body: bytes) -> None:
    if page.stalls:
        handler.wfile.write(body[:page.stalls.pop(0)])
        handler.wfile.flush()
        server.closing.wait(30)
        return
    step = max(1, len(page.body) // 16) if page.drip_s else len(body) or 1
    for place in range(0, len(body), step):
        handler.wfile.write(body[place:place + step])
        handler.wfile.flush()
        if page.drip_s:
            time.sleep(page.drip_s)
