"""The catalogue: complete where it promises, silent where nothing was measured."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from edgevoice import models
from edgevoice.cli.models import named_by
from edgevoice.models import catalogue, families, trial
from edgevoice.models.catalogue import DEFAULTS, ENTRIES, Url, Wheel
from edgevoice.settings import Settings, SttSettings, WakeSettings


def test_the_defaults_are_the_models_that_the_default_settings_name():
    settings = Settings()
    assert set(DEFAULTS) == {settings.vad.model, settings.stt.model, settings.llm.model, settings.tts.model,
                             settings.dialog.turn_model}
    assert set(named_by(settings)) == set(DEFAULTS), "`edgevoice models pull` fetches them all"


def test_the_public_list():
    assert sorted(models.__all__) == ["Pulled", "Store", "default_root", "find", "pull", "pull_defaults"]


def test_names_are_unique_and_can_name_a_folder():
    names = [entry.name for entry in ENTRIES]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name) for name in names)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
class TestEntry:
    def test_its_family_is_known_and_can_be_tried(self, entry):
        assert families.get(entry.family)
        assert entry.family in trial.TRIALS

    def test_its_files_make_a_model_of_the_family(self, entry):
        found = families.recognize(part.name for part in entry.parts)
        assert found and found[0].name == entry.family
        if entry.ready:
            family = families.get(entry.family)
            assert families.fill(family.installed, [file.name for file in entry.ready])

    def test_hashes_are_hashes_and_stand_with_sizes(self, entry):
        for thing in (*entry.origins, *entry.parts, *entry.ready):
            assert re.fullmatch(r"|[0-9a-f]{64}", thing.sha256)
            assert bool(thing.size) == bool(thing.sha256), "a size that was not measured does not stand beside one that was"

    def test_it_says_under_which_terms(self, entry):
        assert entry.licence
        if entry.licence == "see note":
            assert entry.note

    def test_urls_are_https(self, entry):
        for origin in entry.origins:
            for url in origin.urls if isinstance(origin, Url) else ():
                assert urlsplit(url).scheme == "https"
                assert url.endswith(f"/{origin.filename}")

    def test_a_wheel_is_named_after_its_project_and_version(self, entry):
        for origin in entry.origins:
            if isinstance(origin, Wheel):
                assert origin.filename.startswith(f"{origin.project.replace('-', '_')}-{origin.version}-")
                assert origin.filename.endswith(f"-{origin.platform or 'any'}.whl")


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_come_verified_from_the_package_index(name):
    entry = catalogue.get(name)
    assert entry.verified and entry.ready
    assert all(isinstance(origin, Wheel) for origin in entry.origins)
    assert entry.download_size and entry.installed_size


def test_what_was_not_run_is_not_called_verified():
    assert {entry.name for entry in ENTRIES if entry.verified} == set(DEFAULTS)


def test_the_voice_says_that_its_terms_must_be_checked():
    assert "lessac" in catalogue.get("piper-en-us-joe").note


@pytest.mark.parametrize(("typed", "meant"), [
    ("silero", "silero-vad"), ("smollm2-135m", "smollm2-135m-instruct"), ("Piper-en-us-jo", "piper-en-us-joe"), ("mine", "mine2")])
def test_a_wrong_name_is_answered_with_the_near_one(typed, meant):
    error = catalogue.unknown(typed, also=["mine2"])
    assert meant in str(error)
    assert repr(typed) in str(error)


def test_a_name_far_from_all_is_answered_with_the_list():
    assert "edgevoice models list" in str(catalogue.unknown("xyzzy"))


class TestFamilies:
    def test_int8_is_preferred_where_a_publisher_ships_both(self):
        files = ["tokens.txt", *(f"{role}-a{width}.onnx" for role in ("encoder", "decoder", "joiner") for width in ("", ".int8"))]
        family, filled = families.recognize(files)
        assert family.name == "zipformer-transducer"
        assert (filled["encoder"], filled["decoder"], filled["joiner"]) == ("encoder-a.int8.onnx", "decoder-a.onnx", "joiner-a.int8.onnx")

    def test_a_decoder_that_is_only_int8_is_taken(self):
        _, filled = families.recognize(["encoder.onnx", "decoder.int8.onnx", "joiner.onnx", "tokens.txt"])
        assert filled["decoder"] == "decoder.int8.onnx"

    @pytest.mark.parametrize(("files", "family"), [
        (["silero_vad_16k_op15.onnx"], "silero"),
        (["encoder_model.ort", "decoder_model_merged.ort", "tokens.txt"], "moonshine-v2"),
        (["encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin", "README.md"], "moonshine-v2"),
        (["model.onnx", "tokens.txt", "config.json"], "piper-vits"),
        (["en_GB-x-low.onnx", "en_GB-x-low.onnx.json", "MODEL_CARD"], "piper-vits"),
        (["model.gguf"], "gguf"), (["Any.Q8_0.gguf"], "gguf")])
    def test_a_folder_is_recognized_by_its_files(self, files, family):
        assert families.recognize(files)[0].name == family

    @pytest.mark.parametrize("files", [[], ["README.md"], ["encoder.onnx", "tokens.txt"], ["encoder_model.ort"], ["voice.onnx"]])
    def test_half_a_model_is_none(self, files):
        assert families.recognize(files) is None


def test_what_the_settings_name_beside_the_defaults_is_pulled_too() -> None:
    wake = WakeSettings(keywords=["hey kitchen"], keyword_model="zipformer-en-20m")
    settings = Settings(wake=wake, stt=SttSettings(model="zipformer-en-20m", final_model="moonshine-tiny-en"))
    assert {"zipformer-en-20m", "moonshine-tiny-en"} <= set(named_by(settings))
    assert named_by(settings).count("zipformer-en-20m") == 1 and "" not in named_by(Settings())
