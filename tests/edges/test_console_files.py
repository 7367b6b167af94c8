"""The console's files over HTTP: what is served, under which policy, and that nothing else can be reached."""

from __future__ import annotations

import asyncio
import re
from importlib import resources
from pathlib import Path

import aiohttp
import pytest

from edgevoice.adapters.http import pages
from tests.edges.test_http import FULL, house

PAGE = resources.files("edgevoice.adapters.http") / "page"
CLIMBS = (
    "/console/../server.py", "/console/..%2fserver.py", "/console/%2e%2e/%2e%2e/server.py", "/console/..%252fserver.py",
    "/../../etc/passwd", "//etc/passwd", "/console//etc/passwd", "/console/main.js/..", "/console/main.js%00.css",
    "/console/..\\server.py", "/console/", "/console", "/page/main.js", "/index.html", "/console/index.html", "/console/__init__.py",
    "/console/MAIN.JS", "/console/main.js/")


async def raw(port: int, target: str) -> tuple[int, bytes]:
    """Status and body, without a client that tidies the address up first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("latin-1"))
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


def test_every_file_is_served_to_anybody_under_a_strict_policy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{FULL}\n", encoding="ascii")

    async def act() -> None:
        async with house(monkeypatch, token_file=str(tokens)) as home:
            for path, (name, kind) in pages.FILES.items():
                async with home.web.get(path) as response:
                    body = await response.read()
                    assert response.status == 200 and response.content_type == kind and body == (PAGE / name).read_bytes()
                    assert FULL.encode() not in body
                    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
                    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
                    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
                    assert policy["require-trusted-types-for"] == "'script'" and "unsafe" not in response.headers["Content-Security-Policy"]
                    assert response.headers["X-Content-Type-Options"] == "nosniff" and response.headers["Referrer-Policy"] == "no-referrer"
                    tag = response.headers["ETag"]
                for known, status in ((tag, 304), (f'"other", W/{tag}', 304), ('"other"', 200)):
                    async with home.web.get(path, headers={"If-None-Match": known}) as response:
                        assert response.status == status and (status == 200) == bool(await response.read())
            assert (await home.get("/health"))[0] == 401, "only the files are everybody's"
            assert (await home.get("/", headers={"Host": "evil.example"}))[0] == 421
            assert (await home.get("/", headers={"Origin": "https://evil.example"}))[0] == 403

    asyncio.run(act())


def test_nothing_else_can_be_reached_by_any_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch) as home:
            assert (await raw(home.made.http.port, "/console/main.js"))[0] == 200
            for target in CLIMBS:
                status, body = await raw(home.made.http.port, target)
                assert status in (400, 404), target
                assert b"import" not in body and b"root:" not in body, target
            async with aiohttp.request("POST", f"http://127.0.0.1:{home.made.http.port}/") as response:
                assert response.status in (404, 405)

    asyncio.run(act())


def test_the_table_has_all_files_and_the_files_want_nothing_else() -> None:
    names = {name for name, _ in pages.FILES.values()}
    assert names == {file.name for file in PAGE.iterdir()}
    for path, (name, _) in pages.FILES.items():
        text = (PAGE / name).read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400
        for wanted in re.findall(r"""(?:from|import|src=|href=|addModule\()\s*["']([^"'#]+)["']""", text):
            assert (wanted.replace("./", "/console/") if wanted.startswith("./") else wanted) in pages.FILES, f"{path} wants {wanted}"
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser", "setHTML",
                    "localStorage", "document.cookie"):
            assert way not in text, f"{name}: {way}"
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", page), "the policy would refuse it"
