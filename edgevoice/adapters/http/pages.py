"""The console: one page, the files it consists of, and nothing else that a browser may load.

Theory: every file stands in ``FILES`` under the one address it has; an address is looked up and never made into a path, so there is no
directory to climb out of.  The files hold no secret and nothing of this device: who has no token sees an empty page that asks for one.
A browser keeps them and asks by ETag whether they are still the same.

Law: the policy lets the page load its own scripts, talk to the device it came from, and nothing more; no text becomes markup or script
(trusted types), and no other page may hold it in a frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources

from aiohttp import web

from edgevoice.adapters.http.routes import Route

_HTML, _CSS, _JS, _SVG = "text/html", "text/css", "text/javascript", "image/svg+xml"
FILES: Mapping[str, tuple[str, str]] = {
    "/": ("index.html", _HTML), "/console/icon.svg": ("icon.svg", _SVG),
    **{f"/console/{name}.css": (f"{name}.css", _CSS) for name in ("frame", "talk", "panels")},
    **{f"/console/{name}.js": (f"{name}.js", _JS) for name in (
        "main", "link", "dom", "conversation", "markdown", "player", "microphone", "capture", "timing", "health", "plot", "log", "device",
        "signin", "tabs")}}
"""address: file of ``page/`` and its type"""
HEADERS = {
    "Cache-Control": "no-cache", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "Content-Security-Policy": "; ".join((
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'", "base-uri 'none'",
        "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"))}


class Pages:
    """A ``Group``; anybody may have its files."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[bytes, str]] = {}

    def routes(self) -> Iterable[Route]:
        return [Route("GET", path, None, self._serve) for path in FILES]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        route = request.match_info.route.resource
        assert route is not None
        name, kind = FILES[route.canonical]
        if name not in self._read:
            body = (resources.files("edgevoice.adapters.http") / "page" / name).read_bytes()
            self._read[name] = body, hashlib.sha256(body).hexdigest()[:20]
        body, tag = self._read[name]
        known = any(etag.value in (tag, "*") for etag in request.if_none_match or ())
        headers = {**HEADERS, "ETag": f'"{tag}"'}
        if known:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers={**headers, "Content-Type": f"{kind}; charset=utf-8"})
