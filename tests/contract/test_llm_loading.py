"""A language model that is loaded, or cannot be, and who may use it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from edgevoice.engines import llama_native, llm
from edgevoice.engines.llm import LlamaLlm
from edgevoice.engines.threads import threads_for
from edgevoice.errors import ConfigError, EngineError, ModelError
from edgevoice.settings import LlmSettings
from tests.contract.asking import CANCELS, ask, conversation
from tests.fakes.llm import FlagCancel


class TestLoading:
    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="models pull"):
            llm.load(LlmSettings(), tmp_path / "nothing")

    @pytest.mark.parametrize("names", [[], ["a.gguf", "b.gguf"]])
    def test_a_folder_without_one_model(self, tmp_path: Path, names: list[str]) -> None:
        for name in names:
            (tmp_path / name).write_bytes(b"GGUF")
        with pytest.raises(ModelError, match=r"\.gguf"):
            llm.load(LlmSettings(), tmp_path)

    @pytest.mark.parametrize(("content", "says"), [
        (b"", "empty"), (b"PK\x03\x04" + bytes(100), "no GGUF"), (b"GGUF\x03", "cut off"), (b"GGUF\x09\0\0\0" + bytes(100), "version 9"),
        (b"GGUF\x03\0\0\0" + bytes(100), "no tensors"), (b"GGUF\x03\0\0\0" + b"\x05" * 400, "refuses")])
    def test_what_is_no_model(self, tmp_path: Path, content: bytes, says: str) -> None:
        (tmp_path / "model.gguf").write_bytes(content)
        with pytest.raises(ModelError, match=says) as caught:
            llm.load(LlmSettings(), tmp_path)
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_model_that_is_cut_off(self, model: Path, tmp_path: Path) -> None:
        with (model / "model.gguf").open("rb") as whole:
            (tmp_path / "model.gguf").write_bytes(whole.read(20_000_000))
        with pytest.raises(ModelError, match="not within the file bounds"):
            llm.load(LlmSettings(), tmp_path)

    def test_a_file_by_its_path(self, model: Path) -> None:
        llm.load(LlmSettings(prompt_cache=False), model / "model.gguf").close()

    def test_a_context_beyond_the_model(self, model: Path) -> None:
        with pytest.raises(ConfigError, match=r"llm\.context = 10000: .* 8192"):
            llm.load(LlmSettings(context=10000), model)

    def test_without_the_package(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(llama_native, "_library", None)
        monkeypatch.setitem(__import__("sys").modules, "llama_cpp.llama_cpp", None)
        with pytest.raises(EngineError, match="llama-cpp-python"):
            llm.load(LlmSettings(), model)

    def test_it_says_nothing(self, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        engine = llm.load(LlmSettings(prompt_cache=False), model)
        ask(engine, conversation("Hello."), max_tokens=2)
        engine.close()
        (tmp_path / "model.gguf").write_bytes(b"GGUF\x03\0\0\0" + b"\x05" * 400)
        with pytest.raises(ModelError):
            llm.load(LlmSettings(), tmp_path)
        assert capfd.readouterr() == ("", "")

    def test_two_threads_at_once(self, real: LlamaLlm) -> None:
        inside, go_on = threading.Event(), threading.Event()

        def emit(_: str) -> None:
            inside.set()
            go_on.wait(5)

        thread = threading.Thread(target=lambda: real.generate(conversation("Hello."), emit, FlagCancel(), max_tokens=1))
        thread.start()
        assert inside.wait(10)
        with pytest.raises(RuntimeError, match="second thread"):
            ask(real, conversation("Hello."))
        go_on.set()
        thread.join(10)

    def test_threads(self) -> None:
        cores = len(os.sched_getaffinity(0))
        assert threads_for(0) == max(1, cores - 1)
        assert threads_for(3) == 3

    def test_no_thread_is_left(self, real: LlamaLlm) -> None:
        before = threading.active_count()
        for kind in CANCELS:
            ask(real, conversation("Hello."), max_tokens=2, cancel=kind())
        assert threading.active_count() == before
