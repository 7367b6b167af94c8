"""Sentences kept as sound."""

from __future__ import annotations

import numpy as np

from edgevoice.pipeline.phrases import Phrases


def sound(seconds: float) -> np.ndarray:
    return np.ones(int(seconds * 100), np.int16)


def test_what_must_be_there_is_missing_until_it_is_put() -> None:
    phrases = Phrases(100, 10.0, ["sorry", "", "sorry", "one moment"])
    assert phrases.missing == "sorry"
    phrases.put("sorry", sound(1.0))
    assert phrases.missing == "one moment" and len(phrases.get("sorry")) == 100  # type: ignore[arg-type]
    phrases.put("one moment", sound(1.0))
    assert phrases.missing is None and phrases.get("hello") is None


def test_it_is_bounded_and_the_longest_unused_goes_first_but_never_what_must_stay() -> None:
    phrases = Phrases(100, 3.0, ["sorry"])
    phrases.put("sorry", sound(1.0))
    phrases.put("a", sound(1.0))
    phrases.put("b", sound(1.0))
    phrases.get("a")
    phrases.put("c", sound(1.0))
    assert phrases.get("b") is None and phrases.get("a") is not None and phrases.frames == 300
    phrases.put("long", sound(3.1))
    assert phrases.get("long") is None and phrases.get("sorry") is not None


def test_without_room_nothing_is_kept_and_nothing_missing() -> None:
    phrases = Phrases(100, 0.0, ["sorry"])
    phrases.put("sorry", sound(1.0))
    assert phrases.missing is None and phrases.get("sorry") is None
