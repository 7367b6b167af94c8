"""What every synthesizer keeps to; what a real voice must sound like, judged by a real recognizer; which folders are refused."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgevoice.audio import resample
from edgevoice.engines import piper, tts
from edgevoice.engines.piper import PiperTts, VoiceConfig
from edgevoice.engines.protocols import Float32, Tts
from edgevoice.errors import EdgeVoiceError, EngineError, ModelError
from edgevoice.models import find
from edgevoice.settings import PathSettings, TtsSettings
from tests.fakes.calm_voice import calm_voice
from tests.fakes.phonemizer import FakePhonemizer
from tests.fakes.tts import FakeCancel, FakeTts

LONG = "This is a sentence that somebody wants to hear, and here is another part of it. " * 6


def model(name: str) -> Path:
    try:
        return find(PathSettings(), name)
    except EdgeVoiceError as error:
        pytest.skip(f"{error}")


@pytest.fixture(scope="module")
def folder() -> Path:
    return model("piper-en-us-joe")


@pytest.fixture(scope="module")
def voice(folder: Path) -> Iterator[Tts]:
    made = tts.load(TtsSettings(), folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def calm(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tts]:
    """The same voice without its chance, so that a recognizer hears the same each time."""
    made = tts.load(TtsSettings(), calm_voice(folder, tmp_path_factory.mktemp("calm")))
    yield made
    made.close()


@pytest.fixture(params=["piper", "fake"])
def engine(request: pytest.FixtureRequest) -> Tts:
    return request.getfixturevalue("voice") if request.param == "piper" else FakeTts()


def say(engine: Tts, text: str) -> list[Float32]:
    heard: list[Float32] = []
    engine.synthesize(text, heard.append, FakeCancel())
    return heard


class TestEvery:
    def test_is_one(self, engine: Tts) -> None:
        assert isinstance(engine, Tts) and 8_000 <= engine.rate <= 48_000

    @pytest.mark.parametrize("text", ["", " ", "\n", "...", "?!", "—", "()"])
    def test_empty_input(self, engine: Tts, text: str) -> None:
        assert say(engine, text) == []

    def test_sound(self, engine: Tts) -> None:
        for piece in say(engine, "Good morning, it is a fine day."):
            assert piece.dtype == np.float32 and piece.ndim == 1 and len(piece)
            assert np.isfinite(piece).all() and 0.05 < np.abs(piece).max() <= 1.0

    def test_longer_text_is_longer(self, engine: Tts) -> None:
        lengths = [sum(map(len, say(engine, " ".join(["seven"] * n)))) for n in (2, 6, 12)]
        assert lengths == sorted(lengths) and lengths[2] > 2 * lengths[0]

    def test_cancelled_before(self, engine: Tts) -> None:
        cancel = FakeCancel()
        cancel.cancel()
        engine.synthesize("Nobody hears this.", lambda _: pytest.fail("spoke"), cancel)

    def test_stop_a_call(self, engine: Tts) -> None:
        """Cancelled while the first piece is handed over: there is no second, although there would be many."""
        cancel = FakeCancel()
        heard: list[int] = []

        def first(samples: Float32) -> None:
            heard.append(len(samples))
            cancel.cancel()

        engine.synthesize(LONG, first, cancel)
        assert len(heard) == 1
        assert len(say(engine, LONG)) > 5

    def test_stop_from_another_thread(self, engine: Tts) -> None:
        cancel, begun = FakeCancel(), threading.Event()
        heard: list[int] = []

        def slowly(samples: Float32) -> None:
            heard.append(len(samples))
            begun.set()
            assert cancelled.wait(10)

        cancelled = threading.Event()
        worker = threading.Thread(target=engine.synthesize, args=(LONG, slowly, cancel))
        worker.start()
        assert begun.wait(30)
        cancel.cancel()
        cancelled.set()
        worker.join(30)
        assert not worker.is_alive() and len(heard) == 1

    def test_an_error_of_the_listener_comes_through(self, engine: Tts) -> None:
        class Full(Exception):
            pass

        def refuse(samples: Float32) -> None:
            raise Full

        with pytest.raises(Full):
            engine.synthesize("Hello there.", refuse, FakeCancel())
        assert say(engine, "Hello there.")

    def test_closed(self, engine: Tts) -> None:
        if isinstance(engine, FakeTts):
            engine.close()
            with pytest.raises(EngineError, match="closed"):
                say(engine, "hello")


class TestFake:
    """The ways in which the fake misbehaves, since others' tests lean on them."""

    def test_order_and_length(self) -> None:
        fake = FakeTts(1000, word_s=0.1)
        assert [len(piece) for piece in say(fake, "one two, three. four five six")] == [200, 100, 300]
        assert fake.texts == ["one two, three. four five six"]

    def test_fails(self) -> None:
        with pytest.raises(EngineError, match="on fire"):
            say(FakeTts(fail="on fire"), "hello")

    def test_silent_and_nan(self) -> None:
        assert say(FakeTts(silent=True), "hello") == []
        assert np.isnan(say(FakeTts(nan=True), "hello")[0]).sum() == 1

    def test_hangs_until_cancelled(self) -> None:
        fake, cancel = FakeTts(hang=True), FakeCancel()
        worker = threading.Thread(target=fake.synthesize, args=("hello", lambda _: pytest.fail("spoke"), cancel))
        worker.start()
        assert fake.started.wait(5) and worker.is_alive()
        cancel.cancel()
        worker.join(5)
        assert not worker.is_alive()


@pytest.fixture(scope="module")
def recognize() -> Any:
    """Samples and their rate → the words that Moonshine hears."""
    sherpa_onnx = pytest.importorskip("sherpa_onnx")
    home = model("moonshine-tiny-en")
    recognizer = sherpa_onnx.OfflineRecognizer.from_moonshine_v2(
        encoder=str(home / "encoder_model.ort"), decoder=str(home / "decoder_model_merged.ort"), tokens=str(home / "tokens.txt"))

    def words(samples: Float32, rate: int) -> list[str]:
        stream = recognizer.create_stream()
        stream.accept_waveform(16_000, resample(samples, rate, 16_000).tolist())
        recognizer.decode_stream(stream)
        return re.findall(r"[a-z']+", stream.result.text.lower())

    return words


SENTENCES = (
    "The capital of France is Paris.",
    "The meeting begins early in the evening.",
    "I turned off the lights in the kitchen, and the front door is locked.",
    "Tomorrow will be sunny, with a gentle wind from the west.",
    "Your timer is set, and I will tell you when it ends.",
    "Would you like me to play some music in the living room?",
    "The train leaves from another platform in the afternoon.",
    "I am sorry, I did not understand that; please say it again.",
)


class TestVoice:
    @pytest.mark.parametrize(("which", "share"), [("calm", 0.06), ("voice", 0.15)])
    def test_others_understand_it(self, which: str, share: float, request: pytest.FixtureRequest, recognize: Any) -> None:
        """A recognizer hears what was written.  Seen: 3 of 83 words wrong for the calm voice, 2 to 6 for the voice as it is."""
        speaker = request.getfixturevalue(which)
        wrong = total = 0
        for sentence in SENTENCES:
            wanted = re.findall(r"[a-z']+", sentence.lower())
            wrong += _distance(wanted, recognize(np.concatenate(say(speaker, sentence)), speaker.rate))
            total += len(wanted)
        assert wrong <= share * total

    def test_no_word_is_lost_between_pieces(self, calm: Tts, recognize: Any) -> None:
        """Chunks as the chunker cuts them, each spoken alone, give the sentence."""
        chunks = ["Here is", "what I found", "about the weather", "in your town today,", "it will rain in the morning."]
        sound = np.concatenate([piece for chunk in chunks for piece in say(calm, chunk)])
        wanted = re.findall(r"[a-z']+", " ".join(chunks).lower())
        assert _distance(wanted, recognize(sound, calm.rate)) <= 2

    def test_order(self, calm: Tts, recognize: Any) -> None:
        said = say(calm, "This is the kitchen. That is the garden. Here is the bathroom.")
        heard = [" ".join(recognize(piece, calm.rate)) for piece in said]
        assert len(heard) == 3
        for text, word in zip(heard, ("kitchen", "garden", "bathroom"), strict=True):
            assert word in text

    def test_quick_to_begin(self, voice: Tts) -> None:
        """Sound stands within 20 ms of the first sample, and the pause after it is the punctuation's."""
        for mark, pause in ((".", 0.28), (",", 0.10), ("", 0.02)):
            piece = say(voice, f"Turn on the lamp{mark}")[0]
            loud = np.flatnonzero(np.abs(piece) > 0.05 * np.abs(piece).max())
            assert loud[0] < 0.06 * voice.rate
            silent = np.flatnonzero(piece)[-1]
            assert len(piece) - silent == pytest.approx(pause * voice.rate, abs=0.01 * voice.rate)

    @pytest.mark.parametrize("text", [
        "日本語 русский", "🙂🙂 smile", "[[h@]] <b>x</b>", "aaaaaaaa" * 400, "\u200b\u202e", "ʘǃ ok", "%&$#@ 42"])
    def test_odd_text(self, voice: Tts, text: str) -> None:
        for piece in say(voice, text):
            assert np.isfinite(piece).all() and len(piece) < 12 * voice.rate

    def test_long_text_comes_in_short_pieces(self, voice: Tts) -> None:
        pieces = say(voice, " ".join(["potato"] * 60))
        assert len(pieces) >= 3 and max(map(len, pieces)) < 20 * voice.rate

    def test_speed(self, folder: Path, voice: Tts) -> None:
        fast = tts.load(TtsSettings(speed=2.0), folder)
        text = "One two three four five six seven eight nine ten."
        assert len(say(fast, text)[0]) < 0.7 * len(say(voice, text)[0])
        fast.close()
        with pytest.raises(EngineError, match="closed"):
            say(fast, text)

    def test_lexicon(self, folder: Path, tmp_path: Path, recognize: Any) -> None:
        (tmp_path / "words.tsv").write_text("qxz\t/bənˈænə/\n", encoding="utf-8")
        made = tts.load(TtsSettings(lexicon=str(tmp_path / "words.tsv")), folder)
        assert "banana" in " ".join(recognize(np.concatenate(say(made, "I would like to eat a qxz now.")), made.rate))
        made.close()

    def test_unknown_phonemes_are_left_out_and_told_once(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        class Odd(FakePhonemizer):
            def phonemes(self, text: str) -> list[str]:
                return ["həl\u2603ˈoʊ."]

        made = PiperTts(folder, VoiceConfig.read(folder), Odd())
        assert len(say(made, "a")) == len(say(made, "b")) == 1
        assert [record.getMessage() for record in caplog.records] == ["the voice has no phoneme '☃' (U+2603 SNOWMAN): left out"]
        made.close()


class TestRefused:
    """Folders on which sherpa-onnx would end the process."""

    @pytest.fixture
    def copy(self, folder: Path, tmp_path: Path) -> Path:
        home = tmp_path / "voice"
        home.mkdir()
        for name in piper.FILES:
            (home / name).symlink_to(folder / name)
        return home

    def put(self, path: Path, content: bytes) -> None:
        """In place of the link, never through it."""
        path.unlink()
        path.write_bytes(content)

    def refused(self, folder: Path, words: str, **settings: Any) -> None:
        with pytest.raises(ModelError, match=words) as caught:
            tts.load(TtsSettings(**settings), folder)
        assert folder.name in str(caught.value) and "\n" not in str(caught.value)

    def test_absent(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "nobody", "no such voice")

    @pytest.mark.parametrize("name", piper.FILES)
    def test_a_file_is_missing(self, copy: Path, name: str) -> None:
        (copy / name).unlink()
        self.refused(copy, f"{name} missing")

    def test_another_family(self, copy: Path) -> None:
        (copy / "model.json").write_text(json.dumps({"family": "gguf"}))
        self.refused(copy, "'gguf'")

    def test_damaged_manifest(self, copy: Path) -> None:
        (copy / "model.json").write_text("{")
        self.refused(copy, "damaged")

    @pytest.mark.parametrize("keep", [0, 3, 1000, 30_000_000, -1, -100])
    def test_a_truncated_model(self, copy: Path, keep: int) -> None:
        self.put(copy / "model.onnx", (copy / "model.onnx").read_bytes()[:keep])
        self.refused(copy, "cut short|metadata")

    @pytest.mark.parametrize("content", [b"not a model at all", b"\x00" * 64, b"{}"])
    def test_no_model(self, copy: Path, content: bytes) -> None:
        self.put(copy / "model.onnx", content)
        self.refused(copy, "cut short|damaged|metadata")

    @pytest.mark.parametrize(("content", "words"), [
        ("", "has no"), ("_ zero\n", "tokens.txt:1"), ("a 1\nb\n", "tokens.txt:2"), ("_ 0\n^ 1\n$ 2\n", "has no")])
    def test_bad_tokens(self, copy: Path, content: str, words: str) -> None:
        self.put(copy / "tokens.txt", content.encode())
        self.refused(copy, words)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"audio": {"sample_rate": "x"}, "phoneme_id_map": {}}', '{"audio": 5}'])
    def test_bad_config(self, copy: Path, content: str) -> None:
        self.put(copy / "config.json", content.encode())
        self.refused(copy, "configuration")

    def test_another_rate(self, copy: Path) -> None:
        config = json.loads((copy / "config.json").read_text())
        config["audio"]["sample_rate"] = 16_000
        self.put(copy / "config.json", json.dumps(config).encode())
        self.refused(copy, "22050 Hz, config.json says 16000")

    def test_a_speaker_it_has_not(self, folder: Path) -> None:
        self.refused(folder, "no speaker 3; wants 0 to 0", speaker=3)


class TestPieces:
    def test_clauses_of_a_sentence_are_joined_until_it_is_long(self) -> None:
        assert piper.pieces(["a b,", "c d;", "e f.", "g h"], 24) == ["a b, c d; e f.", "g h"]
        many = ["a b c d e,"] * 4
        assert piper.pieces(many, 24) == ["a b c d e, a b c d e,"] * 2
        assert piper.pieces(many, 5) == many

    @pytest.mark.parametrize("words", [1, 4, 5, 9, 100])
    def test_a_long_clause_is_cut_evenly(self, words: int) -> None:
        parts = piper.pieces([" ".join(["abc"] * words) + "."], 4)
        sizes = [part.count("abc") for part in parts]
        assert sum(sizes) == words and max(sizes) <= 4 and max(sizes) - min(sizes[:-1] or sizes) <= 1
        assert [part[-1] for part in parts if part[-1] == "."] == ["."] and parts[-1][-1] == "."

    def test_one_endless_word(self) -> None:
        assert max(map(len, piper.pieces(["a" * 1000], 4))) <= 4 * piper.PHONEMES_A_WORD

    def test_marks_alone_are_no_piece(self) -> None:
        assert piper.pieces([".", "ˈ,"], 4) == []


class TestShape:
    def test_cuts_both_silences_and_puts_the_pause(self) -> None:
        noise = np.random.default_rng(0).normal(0, 0.0003, 3000).astype(np.float32)
        noise[1000:2000] += np.float32(0.5)
        out = piper.shape(noise, 1000, 0.1)
        assert len(out) == 8 + 1000 + 40 + 100
        assert np.all(out[-100:] == 0) and np.all(out[8:1008] > 0.4)

    @pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(1000), np.full(100, 1e-6)])
    def test_silence_is_nothing(self, samples: Any) -> None:
        assert len(piper.shape(samples.astype(np.float32), 1000, 0.3)) == 0

    def test_sound_to_the_edges_is_kept(self) -> None:
        assert len(piper.shape(np.ones(50, np.float32), 1000, 0.0)) == 50


def _distance(wanted: list[str], heard: list[str]) -> int:
    """Words to change, by Levenshtein's table."""
    row = list(range(len(heard) + 1))
    for i, want in enumerate(wanted, 1):
        last, row = row, [i]
        for (j, got), (above, left_above) in zip(enumerate(heard), itertools.pairwise(last), strict=True):
            row.append(min(left_above + 1, row[j] + 1, above + (want != got)))
    return row[-1]
