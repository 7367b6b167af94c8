"""Written text as spoken words: a table for each kind, and laws that hold for any text."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgevoice.dialog import numbers
from edgevoice.dialog.markdown import Stripper, plain
from edgevoice.dialog.spoken import spoken

CASES = {
    "words": [
        ("The capital of France is Paris.", "The capital of France is Paris."),
        ("Don't! It's o'clock, isn't it?", "Don't! It's o'clock, isn't it?"),
        ("Well... wait—what?!", "Well... wait, what?!"),
        ('"Quoted" (aside) text; [ok].', "Quoted, aside, text; ok."),
        ("He said ‘hello’ to the dogs’ owner.", "He said hello to the dogs' owner."),
        ("naïve café, Zürich", "naïve café, Zürich"),
        ("one - two -- three – four", "one, two, three, four"),
    ],
    "cardinals": [
        ("0 1 12 20 21 99", "zero one twelve twenty twenty-one ninety-nine"),
        ("100 and 101", "one hundred and one hundred one"),
        ("1,234,567 people", "one million two hundred thirty-four thousand five hundred sixty-seven people"),
        ("2,000,000,000 stars", "two billion stars"),
        ("1500 people", "one thousand five hundred people"),
        ("12345678901234567890", "one two three four five six seven eight nine zero one two three four five six seven eight nine zero"),
        ("agent 007", "agent zero zero seven"),
        ("-5 and +5", "minus five and plus five"),
        ("It is −3.", "It is minus three."),
    ],
    "decimals": [
        ("3.14", "three point one four"), ("0.5 or .5", "zero point five or point five"), ("-2.05", "minus two point zero five"),
        ("It is 3.", "It is three."), ("1.2.3", "one point two point three"), ("v1.2", "version one point two"),
    ],
    "ordinals": [
        ("1st, 2nd, 3rd, 23rd", "first, second, third, twenty-third"), ("the 100th and 112th", "the one hundredth and one hundred twelfth"),
    ],
    "fractions": [
        ("1/2 cup, 3/4 full", "one half cup, three quarters full"), ("1 1/2 cups", "one and a half cups"),
        ("2 3/4", "two and three quarters"),
        ("5/6", "five sixths"), ("24/7", "twenty-four seven"), ("½ cup", "one half cup"),
    ],
    "times": [
        ("10:30", "ten thirty"), ("7pm", "seven PM"), ("7 p.m.", "seven PM."), ("7 p.m. in Paris", "seven PM in Paris"),
        ("At 7 a.m. The bus", "At seven AM. The bus"), ("6:05 a.m.,", "six oh five AM,"), ("14:05", "fourteen oh five"),
        ("10:30-11:45 or 9:00 – 10:00", "ten thirty to eleven forty-five or nine o'clock to ten o'clock"),
        ("7:00", "seven o'clock"), ("7:00 PM", "seven PM"), ("19:00", "nineteen hundred"),
        ("16:9 and 3:1", "sixteen to nine and three to one"),
    ],
    "dates": [
        ("2024-05-12", "May twelfth, twenty twenty-four"), ("5/12/2024", "May twelfth, twenty twenty-four"),
        ("on May 5, 2024", "on May fifth, twenty twenty-four"), ("5 May 2024", "fifth of May, twenty twenty-four"),
        ("Jan. 3rd", "January third"), ("July 1969", "July nineteen sixty-nine"), ("May 5", "May fifth"),
        ("You may 5 times", "You may five times"),
    ],
    "years": [
        ("in 1999 and since 2005", "in nineteen ninety-nine and since two thousand five"),
        ("(1879–1955)", "eighteen seventy-nine to nineteen fifty-five"),
        ("2024 was hot", "twenty twenty-four was hot"), ("in 1905", "in nineteen oh five"), ("in 1800", "in eighteen hundred"),
        ("the 1990s and '80s", "the nineteen nineties and eighties"),
    ],
    "money": [
        ("$5", "five dollars"), ("$1", "one dollar"), ("$5.99", "five dollars and ninety-nine cents"), ("$0.50", "fifty cents"),
        ("$0.01", "one cent"), ("$1,234.50", "one thousand two hundred thirty-four dollars and fifty cents"),
        ("$5 million", "five million dollars"),
        ("$2.5k", "two point five thousand dollars"), ("$1.5 billion", "one point five billion dollars"), ("20 €", "twenty euros"),
        ("£1.01", "one pound and one penny"), ("¥500", "five hundred yen"), ("-$3", "minus three dollars"), ("15 USD", "fifteen dollars"),
        ("$5-10 or $20–$30", "five to ten dollars or twenty to thirty dollars"), ("$1-2 million", "one to two million dollars"),
    ],
    "units": [
        ("5% and 3.5 %", "five percent and three point five percent"), ("100 km/h", "one hundred kilometers per hour"),
        ("1 km", "one kilometer"), ("20 °C", "twenty degrees Celsius"), ("68°F", "sixty-eight degrees Fahrenheit"),
        ("-3°C", "minus three degrees Celsius"), ("5 kWh", "five kilowatt-hours"), ("2.5 m²", "two point five square meters"),
        ("16GB", "sixteen gigabytes"), ("2.4 GHz", "two point four gigahertz"), ("90°", "ninety degrees"), ("30 sec", "thirty seconds"),
        ("5 in a row", "five in a row"), ("3 m.", "three meters."), ("10 mph winds", "ten miles per hour winds"),
    ],
    "ranges and sums": [
        ("5-10 minutes", "five to ten minutes"), ("5–10", "five to ten"), ("10 - 5 = 5", "ten minus five equals five"),
        ("2 + 2 = 4", "two plus two equals four"), ("3 × 4 or 3*4", "three times four or three times four"),
        ("10 / 2", "ten divided by two"), ("~5", "about five"), ("<5", "less than five"), ("x < y", "x less than y"),
        ("2^8", "two to the power of eight"),
        ("call 555-1234.", "call five five five, one two three four."),
    ],
    "abbreviations": [
        ("Dr. Smith and Mrs. Jones", "Doctor Smith and Missus Jones"), ("e.g. apples, i.e. fruit", "for example apples, that is fruit"),
        ("cats vs. dogs", "cats versus dogs"), ("and so on, etc.", "and so on, et cetera."),
        ("pens, etc. are here", "pens, et cetera are here"),
        ("No. 5 is alive.", "number five is alive."), ("No. I said no.", "No. I said no."), ("the U.S. Army", "the U-S Army"),
        ("St. Mary", "Saint Mary"), ("on Main St. in town", "on Main Street in town"), ("Baker St., London", "Baker Street, London"),
        ("It is on Elm St.", "It is on Elm Street."), ("a visit to St. Ives", "a visit to Saint Ives"),
        ("LEDs", "L-E-Ds"), ("#1", "number one"), ("C# and C++", "C sharp and C plus plus"),
    ],
    "mixed": [
        ("H2O, 4K, MP3, COVID-19, Wi-Fi 6", "H two O, four K, MP three, COVID nineteen, Wi-Fi six"),
        ("and/or, he/she, TCP/IP", "and or, he or she, TCP IP"), ("R&D @ home", "R and D at home"), ("20-year-old", "twenty year-old"),
    ],
    "addresses": [
        ("Visit https://www.example.com/path.", "Visit example dot com slash path."),
        ("Is it at http://a.org/x?b=1&c=2#d?", "Is it at a dot org slash x?"), ("www.a.org?", "a dot org?"),
        ("http://10.0.0.1:8080/", "ten dot zero dot zero dot one port eight thousand eighty"),
        ("me.you@ex-ample.org!", "me dot you at ex dash ample dot org!"),
    ],
    "markdown": [
        ("# Heading\nText", "Heading. Text"), ("**bold** and *it* and __x__ and _y_", "bold and it and x and y"),
        ("`code` and ~~gone~~", "code and gone"),
        ("- one\n- two\n* three", "one. two. three"), ("1. first\n2) second", "one, first. two, second"),
        ("> quoted\n> text", "quoted. text"),
        ("[the site](http://x.y/(z)) is up [1]", "the site is up"), ("![a cat](cat.png)", "a cat"), ("<b>x</b> &amp; y<br>z", "x and y z"),
        ("a\n\nb", "a. b"), ("para one\ncontinues", "para one continues"), ("one\n---\ntwo", "one. two"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b. one, two"), ("Look:\n```python\nx = 1\n```\nDone.", "Look: Done."),
        ("snake_case 2 * 3", "snake case two times three"), ("😊 Hi 👍🏽!", "Hi!"), (r"\*not bold\*", "not bold"),
        ("5°C outside ☀️", "five degrees Celsius outside"),
        ("- [ ] open\n- [x] done", "open. done"),
    ],
    "nothing": [("", ""), ("...", ""), ("😊", ""), ("---", ""), ("***", ""), ("\n\n", ""), ("$", "dollars"), ("```\nx\n```", "")],
}


@pytest.mark.parametrize(("text", "said"), [
    pytest.param(*case, id=f"{kind}: {case[0][:30]!r}") for kind, cases in CASES.items() for case in cases])
def test_table(text: str, said: str) -> None:
    assert spoken(text) == said


MARKED = st.text(st.sampled_from("ab Z1290.,:;!?-–—/*_#`~[](){}<>|&$€%°'\"\n\t+=@^\\é😊½²"), max_size=60)


@given(text=st.one_of(st.text(max_size=60), MARKED))
@settings(max_examples=400)
@example("1" * 5000)
@example("[" * 500)
@example("²³ ٣ Ⅳ")
def test_only_words_come_out(text: str) -> None:
    said = spoken(text)
    assert not any(c.isnumeric() and c.isascii() for c in said)
    assert all(c.isalpha() or c in " ,;:.!?'-" or not c.isascii() for c in said)
    assert "  " not in said and said == said.strip()


@given(text=st.lists(st.sampled_from(
    ["the", "cat", "Paris", "o'clock", "twenty-one", "is,", "red;", "so:", "yes.", "why?", "oh!", "maybe..."]), max_size=12))
@settings(max_examples=200)
def test_words_stay(text: list[str]) -> None:
    assert spoken(" ".join(text)) == " ".join(text)


@given(text=MARKED, cuts=st.lists(st.integers(0, 60), max_size=6))
@settings(max_examples=400)
@example("[a](b) c", [1, 3, 5])
@example("1. x\n12", [1, 2])
@example("```\nx\n``", [1, 5, 7])
def test_markdown_does_not_depend_on_the_cuts(text: str, cuts: list[int]) -> None:
    stripper = Stripper()
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    got = [pair for a, b in itertools.pairwise(edges) for pair in stripper.feed(text[a:b])] + stripper.flush()
    assert "".join(c for c, _ in got) == plain(text)
    indices = [index for _, index in got]
    assert indices == sorted(indices) and all(0 <= index < len(text) for index in indices)


@pytest.mark.parametrize(("n", "said"), [
    (0, "zero"), (13, "thirteen"), (40, "forty"), (110, "one hundred ten"), (1_000_000, "one million"), (-7, "minus seven"),
    (10**18 - 1, "nine hundred ninety-nine quadrillion nine hundred ninety-nine trillion nine hundred ninety-nine billion nine hundred "
                 "ninety-nine million nine hundred ninety-nine thousand nine hundred ninety-nine"),
])
def test_cardinal(n: int, said: str) -> None:
    assert numbers.cardinal(n) == said


@given(n=st.integers(0, 10**18 - 1))
def test_cardinals_read_back(n: int) -> None:
    """The words, added up again, are the number."""
    values = {word: i for i, word in enumerate(numbers.ONES)} | {word: 10 * i for i, word in enumerate(numbers.TENS) if word}
    total = group = 0
    for word in numbers.cardinal(n).replace("-", " ").split():
        if word == "hundred":
            group *= 100
        elif word in numbers.SCALES:
            total, group = total + group * 1000 ** numbers.SCALES.index(word), 0
        else:
            group += values[word]
    assert total + group == n


@pytest.mark.parametrize(("n", "said"), [
    (1, "first"), (5, "fifth"), (8, "eighth"), (12, "twelfth"), (20, "twentieth"), (21, "twenty-first"), (100, "one hundredth")])
def test_ordinal(n: int, said: str) -> None:
    assert numbers.ordinal(n) == said


@pytest.mark.parametrize(("n", "said"), [
    (1066, "ten sixty-six"), (1900, "nineteen hundred"), (1905, "nineteen oh five"), (2000, "two thousand"), (2007, "two thousand seven"),
    (2010, "twenty ten"), (33, "thirty-three")])
def test_year(n: int, said: str) -> None:
    assert numbers.year(n) == said
