"""The published OpenAPI document: it is what is served, and whatever it allows or forbids breaks nothing."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from edgevoice import app
from edgevoice.adapters.http import commands
from edgevoice.adapters.http.openapi import document
from edgevoice.adapters.http.pages import FILES
from edgevoice.pipeline.lending import Lender, Loans
from tests.edges.test_http import House, house
from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection"
ENDLESS = ("/v1/events", "/v1/stream")
"""what a client reads on and on"""


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lent are scripted engines."""
    def make(settings: Any, wanted: Any) -> Lender:
        return Lender(Loans(FakeStt, lambda: FakeLlm([words("Well, this is that.")]), functools.partial(FakeTts, word_s=0.02)), settings,
                      lambda: False)

    monkeypatch.setattr(app, "make_lender", make)


def test_the_document_is_that_of_the_routes_and_the_file_is_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with house(monkeypatch) as home:
            assert (await home.get("/openapi.json"))[1] == document()
            assert home.made.http is not None and home.made.http._server is not None
            served = set()
            for route in home.made.http._server.app.router.routes():
                path = route.resource.canonical if route.resource is not None else ""
                if route.method == "HEAD" or path in FILES:
                    continue
                names = [path.replace("{verb}", verb) for verb in commands.COMMANDS] if "{verb}" in path else [path]
                served |= {(name, route.method.lower()) for name in names}
            assert served == {(path, method) for path, methods in document()["paths"].items() for method in methods}

    asyncio.run(act())
    assert json.loads(FILE.read_text(encoding="utf-8")) == document(), \
        "write it anew: python -m edgevoice.adapters.http.openapi docs/openapi.json"


def fuzz(monkeypatch: pytest.MonkeyPatch, folder: Path, examples: int) -> None:
    open_to_all = document()  # there are no tokens here: wrong ones would soon have the right ones refused, too
    for operation in (operation for path in open_to_all["paths"].values() for operation in path.values()):
        operation["security"] = []
    file, rules = folder / "openapi.json", folder / "schemathesis.toml"
    rules.write_text("[checks.negative_data_rejection]\nexpected-statuses = [400, 404, 405, 409, 413, 415, 503]\n"
                     "[checks.not_a_server_error]\nexpected-statuses = [\"2xx\", \"4xx\", 503]\n", encoding="utf-8")  # 503: too many wait
    file.write_text(json.dumps(open_to_all), encoding="utf-8")

    async def run(home: House) -> tuple[int | None, str]:
        assert home.made.http is not None
        skip = [part for path in ENDLESS for part in ("--exclude-path", path)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(rules), "run", str(file),
            "--url", f"http://127.0.0.1:{home.made.http.port}", "--checks", CHECKS, "--phases", "fuzzing", "--seed", "8",
            "--max-examples", str(examples), "--request-timeout", "20", "--warnings", "off", "--suppress-health-check", "all",
            "--generation-database", "none", *skip, cwd=folder,  # it leaves files where it runs
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    async def act() -> None:
        async with house(monkeypatch, clients=100) as home:
            code, out = await run(home)
            assert code == 0, out[-20_000:]
            assert home.made.session.failure is None
            status, health = await home.get("/health")
            assert status == 200 and not health["http"]["refused"].get("failed"), health["http"]
            assert health["http"]["requests"] > examples * len(document()["paths"]) / 2, "it was not asked much"

    asyncio.run(act())


@pytest.mark.usefixtures("lent")
def test_whatever_is_sent_breaks_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fuzz(monkeypatch, tmp_path, 6)


@pytest.mark.slow
@pytest.mark.usefixtures("lent")
def test_whatever_is_sent_for_long_breaks_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fuzz(monkeypatch, tmp_path, 150)
