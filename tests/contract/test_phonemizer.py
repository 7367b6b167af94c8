"""What every phonemizer keeps to, and what the espeak-ng child must survive."""

from __future__ import annotations

import os
import shutil
import signal
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgevoice.engines.lexicon import Lexicon
from edgevoice.engines.phonemes import EspeakPhonemizer, clauses
from edgevoice.engines.protocols import Phonemizer
from edgevoice.errors import EngineError
from tests.fakes.phonemizer import FakePhonemizer

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="the program espeak-ng is not installed")


@pytest.fixture(scope="module", params=[
    pytest.param(EspeakPhonemizer, id="espeak", marks=needs_espeak), pytest.param(FakePhonemizer, id="fake")])
def phonemizer(request: pytest.FixtureRequest) -> Iterator[Phonemizer]:
    made = request.param()
    yield made
    made.close()


class TestEvery:
    def test_is_one(self, phonemizer: Phonemizer) -> None:
        assert isinstance(phonemizer, Phonemizer)

    @pytest.mark.parametrize("text", ["", " ", "\n\t", "...", "?!", "— , —", "()", "\x00"])
    def test_nothing_to_say(self, phonemizer: Phonemizer, text: str) -> None:
        assert phonemizer.phonemes(text) == []

    def test_a_clause_each_with_its_mark(self, phonemizer: Phonemizer) -> None:
        got = phonemizer.phonemes("Hello there, my friend; how are you? Good: fine! I am. Ok")
        assert [clause[-1] for clause in got[:-1]] == [",", ";", "?", ":", "!", "."]
        assert len(got) == 7 and got[-1][-1].isalpha()

    def test_order(self, phonemizer: Phonemizer) -> None:
        words = ["apple", "bottle", "candle", "dragon"]
        alone = [phonemizer.phonemes(f"{word}.")[0] for word in words]
        assert phonemizer.phonemes(". ".join(words) + ".") == alone

    def test_same_text_same_sound(self, phonemizer: Phonemizer) -> None:
        assert phonemizer.phonemes("once more, with feeling") == phonemizer.phonemes("once more, with feeling")

    def test_nfd(self, phonemizer: Phonemizer) -> None:
        for clause in phonemizer.phonemes("Café, naïve, Ångström, button."):
            assert clause == unicodedata.normalize("NFD", clause)

    @pytest.mark.parametrize("text", [
        "<break/> [[h@loU]] \\ | ~ ^ = *", "日本語 и русский", "🙂 smile", "a" * 5000, "word " * 2000, "x,y.z 3.14 http://a.b/c?d=e",
        "line\nbreaks\r\nand\ttabs", "''' \"quotes\" “x” ‘y’", "NaN \u200b\u202e\ufeff zero width"])
    def test_odd_text(self, phonemizer: Phonemizer, text: str) -> None:
        got = phonemizer.phonemes(text)
        assert all(clause.strip() and "\n" not in clause for clause in got)
        assert phonemizer.phonemes("still here.")[0] == phonemizer.phonemes("still here.")[0]

    def test_closed(self, phonemizer: Phonemizer) -> None:
        made = type(phonemizer)()
        made.close()
        made.close()
        with pytest.raises(EngineError, match="closed"):
            made.phonemes("hello")


@needs_espeak
class TestEspeak:
    @pytest.fixture
    def espeak(self) -> Iterator[EspeakPhonemizer]:
        made = EspeakPhonemizer(lexicon=Lexicon({"Xiaomi": "ˈʃaʊmi", "nabu": "nˈɑbu"}, {"Nguyen": "win"}))
        yield made
        made.close()

    def test_known_sound(self, espeak: EspeakPhonemizer) -> None:
        assert espeak.phonemes("Hello, world.") == ["həlˈoʊ,", "wˈɜːld."]

    def test_commands_are_not_obeyed(self, espeak: EspeakPhonemizer) -> None:
        assert espeak.phonemes("[[h@l'oU]]") != espeak.phonemes("hello")
        assert espeak.phonemes("one [[?X?]] two [[X?X]] three.")[0].startswith("wˈʌn")

    def test_lexicon_in_its_place(self, espeak: EspeakPhonemizer) -> None:
        assert espeak.phonemes("The Xiaomi lamp, (nabu) and Xiaomi's.") == ["ðə ˈʃaʊmi lˈæmp,", "nˈɑbu ˈænd ˈʃaʊmiz."]
        assert espeak.phonemes("Nguyen") == espeak.phonemes("win")

    def test_lexicon_across_lines(self, espeak: EspeakPhonemizer) -> None:
        text = "Xiaomi " + "word " * 200 + "nabu"
        got = espeak.phonemes(text)[0]
        assert got.startswith("ˈʃaʊmi ") and got.endswith(" nˈɑbu")

    def test_a_child_that_died_is_replaced(self, espeak: EspeakPhonemizer) -> None:
        before = espeak.phonemes("Hello.")
        for _ in range(3):
            os.kill(espeak.pid, signal.SIGKILL)
            assert espeak.phonemes("Hello.") == before

    def test_a_child_that_is_stuck_is_replaced(self) -> None:
        made = EspeakPhonemizer(timeout_s=0.5)
        os.kill(made.pid, signal.SIGSTOP)
        assert made.phonemes("Hello.") == ["həlˈoʊ."]
        made.close()

    def test_close_ends_the_child(self, espeak: EspeakPhonemizer) -> None:
        pid = espeak.pid
        espeak.close()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    def test_unknown_language(self) -> None:
        with pytest.raises(EngineError, match=r"'xx-none'.*--voices"):
            EspeakPhonemizer("xx-none")


class TestPrograms:
    """Programs that are not there, or not espeak-ng."""

    def program(self, folder: Path, script: str) -> str:
        path = folder / "espeak-fake"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def test_missing(self) -> None:
        with pytest.raises(EngineError, match="sudo apt install espeak-ng"):
            EspeakPhonemizer(program="no-such-program")

    @pytest.mark.parametrize("script", ["exit 1", "exec sleep 60", "exec cat > /dev/null", "echo broken >&2; exit 3"])
    def test_one_that_never_answers(self, tmp_path: Path, script: str) -> None:
        with pytest.raises(EngineError, match="cannot speak"):
            EspeakPhonemizer(program=self.program(tmp_path, script), timeout_s=0.3)

    def test_one_that_stops_answering(self, tmp_path: Path) -> None:
        made = EspeakPhonemizer(program=self.program(tmp_path, "read x; echo sound; exec cat > /dev/null"), timeout_s=0.3)
        with pytest.raises(EngineError, match="failed twice"):
            made.phonemes("hello")
        made.close()


@pytest.mark.parametrize(("text", "cut"), [
    ("a, b.", [("a", ","), ("b", ".")]),
    ("It is 3.5 or 1,000 at 10:30.", [("It is 3.5 or 1,000 at 10:30", ".")]),
    ("What?! No... Yes", [("What", "?"), ("No", ","), ("Yes", "")]),
    ("one—two — three", [("one", ","), ("two", ","), ("three", "")]),
    ('He said "stop." Then', [('He said "stop', "."), ("Then", "")]),
    (" , . ", []),
])
def test_clauses(text: str, cut: list[tuple[str, str]]) -> None:
    assert clauses(text) == cut
