"""A person's pronunciations: whole words, any case, possessives; a bad file is told line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgevoice.engines.lexicon import Lexicon, load
from edgevoice.errors import ConfigError

GOOD = """# names
Xiaomi\t/ˈʃaʊmi/

Nguyen \t win
Home  Assistant\t/hˈoʊm əsˈɪstənt/
home\t/hˈoʊm/
Max\t/mæks/
Alex\tallix
C++\tsee plus plus
Zoë\t/zˈoʊi/
"""


@pytest.fixture
def lexicon(tmp_path: Path) -> Lexicon:
    (tmp_path / "words.tsv").write_text(GOOD, encoding="utf-8")
    return load(tmp_path / "words.tsv")


def applied(lexicon: Lexicon, text: str) -> str:
    return lexicon.apply(text, lambda ipa: f"<{ipa}>")


@pytest.mark.parametrize(("text", "said"), [
    ("the Xiaomi lamp", "the <ˈʃaʊmi> lamp"),
    ("XIAOMI, xiaomi!", "<ˈʃaʊmi>, <ˈʃaʊmi>!"),
    ("Xiaomi's lamp and Max’s", "<ˈʃaʊmiz> lamp and <mæksɪz>"),
    ("Dr. Nguyen's office", "Dr. win's office"),
    ("home assistant is at home", "<hˈoʊm əsˈɪstənt> is at <hˈoʊm>"),
    ("Home\nAssistant", "<hˈoʊm əsˈɪstənt>"),
    ("homes, homely, chrome, e-home", "homes, homely, chrome, e-<hˈoʊm>"),
    ("Alexander and Alex", "Alexander and allix"),
    ("it's maximal", "it's maximal"),
    ("C++ code", "see plus plus code"),
    ("Zoe\u0308 and ZOË", "Zoe\u0308 and <zˈoʊi>"),
    ("", ""),
])
def test_replaces(lexicon: Lexicon, text: str, said: str) -> None:
    assert applied(lexicon, text) == said


def test_counts_entries(lexicon: Lexicon) -> None:
    assert len(lexicon) == 8


def test_an_empty_one_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "none").write_text("# nothing yet\n")
    assert applied(load(tmp_path / "none"), "Xiaomi") == "Xiaomi"


@pytest.mark.parametrize(("line", "words"), [
    ("Xiaomi shaomi", "no tab"),
    ("\t/x/", "no word"),
    ("Xiaomi\t", "no pronunciation"),
    ("Xiaomi\t/ʃaʊmi", "between two slashes"),
    ("Xiaomi\t//", "between two slashes"),
    ("Xiaomi\t/ʃa/ʊmi/", "between two slashes"),
    ("Xiaomi\t/ˈˈ/", "no sound"),
    ("Xiaomi\t[[x]]", "letters only"),
])
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "words.tsv"
    path.write_text(f"# one\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=words) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:2: ") and "\n" not in str(caught.value)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("a\tay\nb\nA\tah\nc\t/\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [f"{path}:2", f"{path}:3", f"{path}:4"]
    assert "line 1 already" in caught.value.problems[1]


def test_absent_and_binary(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.tsv"):
        load(tmp_path / "no.tsv")
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "x")
