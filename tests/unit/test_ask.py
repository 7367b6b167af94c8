"""``edgevoice ask`` with a model that does as it is told."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from pathlib import Path

import pytest

from edgevoice.cli.dispatch import dispatch
from edgevoice.errors import EngineError, ModelError
from edgevoice.events import Message
from edgevoice.settings import LlmSettings
from tests.fakes.llm import Fail, FakeLlm, Hang, Script, words


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeLlm:
    """What ``ask`` loads; its scripts may be changed."""
    fake = FakeLlm([words("Because it is.")])
    fake.settings: list[LlmSettings] = []  # type: ignore[misc, attr-defined]

    def load(settings: LlmSettings, folder: Path) -> FakeLlm:
        fake.settings.append(settings)  # type: ignore[attr-defined]
        assert folder == tmp_path
        return fake

    monkeypatch.setattr("edgevoice.engines.llm.load", load)
    monkeypatch.setattr("edgevoice.models.find", lambda paths, name: tmp_path)
    return fake


def script(model: FakeLlm, steps: Script) -> None:
    model._scripts = [steps]


class TestAsk:
    def test_words_come_out(self, model: FakeLlm, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["ask", "Why?"]) == 0
        assert capsys.readouterr() == ("Because it is.\n", "")
        assert model.asked[0][-1] == Message("user", "Why?")
        assert model.asked[0][0] == Message("system", LlmSettings().system_prompt)
        assert model.closed

    def test_frames_for_programs(self, model: FakeLlm, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["ask", "--json", "Why", "so?"]) == 0
        frames = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [frame["seq"] for frame in frames] == [0, 1, 2, 3]
        assert "".join(frame["delta"] for frame in frames) == "Because it is."
        assert [frame.get("finish") for frame in frames] == [None, None, None, "stop"]
        assert frames[-1]["usage"]["completion_tokens"] == 3
        assert model.asked[0][-1].content == "Why so?"

    def test_options(self, model: FakeLlm) -> None:
        assert dispatch(["ask", "Why?", "--system", "", "--max-tokens", "7"]) == 0
        assert model.asked == [(Message("user", "Why?"),)]
        assert (model.settings[0].system_prompt, model.settings[0].max_tokens) == ("", 7)  # type: ignore[attr-defined]

    def test_standard_input(self, model: FakeLlm, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("Wie heißt du?\n".encode())))
        assert dispatch(["ask", "-"]) == 0
        assert model.asked[0][-1].content == "Wie heißt du?"

    def test_an_empty_reply(self, model: FakeLlm, capsys: pytest.CaptureFixture[str]) -> None:
        script(model, [])
        assert dispatch(["ask", "Why?"]) == 0
        assert capsys.readouterr() == ("", "")

    @pytest.mark.parametrize(("arguments", "stdin", "says"), [
        (["  "], b"", "empty"), (["-"], b" \n", "empty"), (["-"], b"\xff", "UTF-8"), (["Why?", "--max-tokens", "0"], b"", "at least 1"),
        ([], b"", "TEXT"), (["Why?", "--max-tokens", "many"], b"", "many")])
    def test_bad_input(self, model: FakeLlm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                       arguments: list[str], stdin: bytes, says: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        assert dispatch(["ask", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == "" and says in err and err.count("\n") == 1
        assert not model.asked

    def test_an_engine_that_breaks_in_the_middle(self, model: FakeLlm, capsys: pytest.CaptureFixture[str]) -> None:
        script(model, ["Well, ", Fail(EngineError("the weights fell out"))])
        assert dispatch(["ask", "Why?", "--json"]) == EngineError.exit_code
        out, err = capsys.readouterr()
        frames = [json.loads(line) for line in out.splitlines()]
        assert [frame.get("error") for frame in frames] == [None, "the weights fell out", None]
        assert frames[-1]["finish"] == "error"
        assert err == "edgevoice: the weights fell out\n"

    def test_a_model_that_does_not_load(self, model: FakeLlm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        def load(settings: LlmSettings, folder: Path) -> FakeLlm:
            raise ModelError("it is no GGUF")

        monkeypatch.setattr("edgevoice.engines.llm.load", load)
        assert dispatch(["ask", "Why?"]) == ModelError.exit_code
        assert capsys.readouterr() == ("", "edgevoice: it is no GGUF\n")

    def test_ctrl_c_cancels_the_model(self, model: FakeLlm, capsys: pytest.CaptureFixture[str]) -> None:
        before = signal.getsignal(signal.SIGINT)
        script(model, ["Once upon a time ", Hang()])
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        assert dispatch(["ask", "Tell me a story.", "--json"]) == 130
        out, err = capsys.readouterr()
        frames = [json.loads(line) for line in out.splitlines()]
        assert [frame.get("finish") for frame in frames] == [None, "cancelled"]
        assert err == "edgevoice: interrupted\n"
        assert model.closed
        assert signal.getsignal(signal.SIGINT) is before
        assert "brain" not in {thread.name for thread in threading.enumerate()}

    def test_help_has_an_example(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["ask", "--help"]) == 0
        assert "edgevoice ask" in capsys.readouterr().out
