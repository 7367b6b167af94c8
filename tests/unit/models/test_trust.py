"""Who vouches for a file, in which order."""

from __future__ import annotations

import pytest

from edgevoice.errors import ModelError, UsageError
from edgevoice.models import trust
from edgevoice.models.trust import Trust

A, B, C = "a" * 64, "b" * 64, "c" * 64


def of(given=None, pinned=None, first_use=False):
    return Trust("m", given or {}, pinned or {}, first_use)


@pytest.mark.parametrize(("texts", "parsed"), [
    ([], {}), ([A], {"": A}), ([A.upper()], {"": A}), ([f"x.gguf={A}", f"y={B}"], {"x.gguf": A, "y": B}),
    ([f"a=b.onnx={A}"], {"a=b.onnx": A})])
def test_the_option_is_read(texts, parsed):
    assert trust.parse(texts) == parsed


@pytest.mark.parametrize("text", ["", "abc", A[:-1], f"{A}0", "x" * 64, f"f={A[:-1]}"])
def test_a_wrong_option_says_what_is_right(text):
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        trust.parse([text])


class TestAdmit:
    def test_the_catalogues_hash_is_enough(self):
        believed = of()
        believed.admit("f", A, {A, B})
        assert believed.level == "catalogue" and believed.admitted == {"f": A} and not believed.new

    def test_another_hash_than_the_catalogues_is_refused_with_both(self):
        with pytest.raises(ModelError, match=f"(?s)f of m .*{A}.*{B}"):
            of().admit("f", B, {A})

    def test_a_person_may_overrule_the_catalogue(self):
        believed = of(given={"f": B})
        believed.admit("f", B, {A})
        assert believed.level == "given" and believed.new == {"f": B}

    def test_trust_on_first_use_overrules_the_catalogue_only_with_a_note(self):
        believed = of(first_use=True)
        believed.admit("f", B, {A})
        assert believed.level == "first-use" and believed.new == {"f": B}

    def test_a_given_hash_must_fit(self):
        with pytest.raises(ModelError, match=f"{A}, but --sha256 says {B}"):
            of(given={"": B}, first_use=True).admit("f", A)

    def test_what_nobody_knows_is_refused_with_its_hash(self):
        with pytest.raises(ModelError, match=f"(?s)found {A}.*--sha256.*--trust-first-use"):
            of().admit("f", A)

    def test_what_was_trusted_once_may_not_change(self):
        believed = of(first_use=True)
        believed.admit("f", A)
        later = of(pinned=believed.new, first_use=True)
        later.admit("f", A)
        assert later.level == "first-use"
        with pytest.raises(ModelError, match=rf"pinned in models\.lock as {A}"):
            of(pinned=believed.new, first_use=True).admit("f", B)

    def test_a_given_hash_replaces_a_pin(self):
        believed = of(given={"f": B}, pinned={"f": A})
        believed.admit("f", B)
        assert believed.new == {"f": B}

    def test_the_weakest_trust_counts(self):
        believed = of(given={"g": B}, first_use=True)
        believed.admit("h", C)
        believed.admit("g", B)
        believed.admit("f", A, {A})
        assert believed.level == "first-use"


def test_a_download_nobody_will_vouch_for_is_refused_beforehand():
    with pytest.raises(ModelError, match="no verified sha256"):
        of().foresee("f")
    for known in (of(first_use=True), of(given={"": A}), of(pinned={"f": A})):
        known.foresee("f")
    of().foresee("f", A)


def test_a_bare_hash_is_for_one_file_only():
    of(given={"": A}).single(["f"])
    with pytest.raises(UsageError, match="f=HEX, g=HEX"):
        of(given={"": A}).single(["g", "f"])
