"""Conversions, against layouts written out by hand and against the engines themselves."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.errors import ModelError
from edgevoice.models import convert, trial
from tests.fakes import tiny_gguf


def tokenizer(tokens: list[bytes]) -> bytes:
    """The publisher's layout, written the other way round."""
    out = b""
    for token in tokens:
        length = len(token)
        out += bytes([length]) if length < 128 else bytes([length % 128 + 128, length // 128])
        out += token
    return out


class TestMoonshineTokens:
    def test_a_small_vocabulary(self):
        assert convert.moonshine_tokens(b"\x01a\x04\xe2\x96\x81b\x00\x02hi") == b"YQ== 0\nIGI= 1\naGk= 3\n"

    @given(st.lists(st.binary(min_size=1, max_size=400).filter(lambda token: "▁".encode() not in token), min_size=1, max_size=30))
    def test_every_token_comes_back_under_its_number(self, tokens):
        lines = convert.moonshine_tokens(tokenizer(tokens)).decode().splitlines()
        pairs = [line.split() for line in lines]
        assert [(base64.b64decode(token), int(number)) for token, number in pairs] == [(token, i) for i, token in enumerate(tokens)]

    @pytest.mark.parametrize(("data", "where"), [
        (b"\x05ab", "inside token 0"), (b"\x01a\x80", "the length of token 1"), (b"", "no tokens"), (b"\x00\x00", "no tokens")])
    def test_a_cut_file_is_refused(self, data, where):
        with pytest.raises(ModelError, match=where):
            convert.moonshine_tokens(data)


ONNX = b"\x08\x09" + b"\x12\x04test" + b"\x3a\x03\x0a\x01x" + b"\x1d\x00\x00\x00\x00" + b"\x42\x02\x10\x0f"
"""ir_version, producer_name, a graph, a fixed 32-bit field nobody uses, opset_import: enough of protobuf to walk over."""


class TestOnnxMetadata:
    def test_what_is_appended_is_read_back(self, tmp_path):
        entries = {"sample_rate": "22050", "language": "U.S. English" * 20, "comment": "piper"}
        path = tmp_path / "m.onnx"
        path.write_bytes(ONNX + convert.encode_metadata(entries))
        assert convert.onnx_metadata(path) == entries

    def test_the_wire_form_is_the_documented_one(self):
        # field 14, length-delimited: tag 0x72; the entry's key is field 1 (0x0a), its value field 2 (0x12)
        assert convert.encode_metadata({"a": "bc"}) == b"\x72\x07\x0a\x01a\x12\x02bc"

    def test_onnxruntime_reads_what_we_append(self, tmp_path):
        onnxruntime = pytest.importorskip("onnxruntime")
        # the smallest graph: y = Identity(x), one float
        tensor = b"\x0a\x01%b\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x01"
        graph = (b"\x0a\x10" + b"\x0a\x01x\x12\x01y\x22\x08Identity" + b"\x12\x01g"
                 + b"\x5a\x0f" + tensor % b"x" + b"\x62\x0f" + tensor % b"y")
        model = b"\x08\x08" + b"\x3a" + bytes([len(graph)]) + graph + b"\x42\x02\x10\x0d"
        path = tmp_path / "m.onnx"
        path.write_bytes(model + convert.encode_metadata({"sample_rate": "22050", "comment": "piper"}))
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        assert session.get_modelmeta().custom_metadata_map == {"sample_rate": "22050", "comment": "piper"}

    @pytest.mark.parametrize("data", [b"not onnx at all", ONNX[:-1], b"\xff" * 20, b"\x3a\xff\xff\xff\xff\x0fxx"])
    def test_what_is_no_onnx_is_refused(self, tmp_path, data):
        path = tmp_path / "m.onnx"
        path.write_bytes(data)
        with pytest.raises(ModelError, match=r"m\.onnx is no ONNX file"):
            convert.onnx_metadata(path)


VOICE = {"audio": {"sample_rate": 16000}, "espeak": {"voice": "de"}, "num_speakers": 3,
         "phoneme_id_map": {"_": [0], " ": [3], "ə": [59], "aɪ": [7]}}
METADATA = {"sample_rate": "16000", "n_speakers": "3", "language": "de", "comment": "piper"}


class TestPiper:
    @pytest.fixture
    def folders(self, tmp_path):
        raw, out = tmp_path / "raw", tmp_path / "out"
        raw.mkdir()
        out.mkdir()
        (raw / "de_DE-x-low.onnx").write_bytes(ONNX)
        (raw / "de_DE-x-low.onnx.json").write_text(json.dumps(VOICE))
        return raw, out

    def test_metadata_tokens_and_config(self, folders):
        raw, out = folders
        made = convert.install_form("piper-vits", raw, out)
        assert convert.onnx_metadata(out / "model.onnx") == METADATA
        assert (out / "tokens.txt").read_text(encoding="utf-8") == "_ 0\n  3\nə 59\naɪ 7\n"
        assert json.loads((out / "config.json").read_text()) == VOICE
        assert set(made) == {"model.onnx", "tokens.txt"}

    def test_metadata_that_is_there_is_not_written_twice(self, folders):
        raw, out = folders
        (raw / "de_DE-x-low.onnx").write_bytes(ONNX + convert.encode_metadata(METADATA))
        before = (raw / "de_DE-x-low.onnx").read_bytes()
        assert set(convert.install_form("piper-vits", raw, out)) == {"tokens.txt"}
        assert (out / "model.onnx").read_bytes() == before

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"audio": {"sample_rate": "high"}}'])
    def test_a_json_that_is_no_voice_is_refused(self, folders, text):
        raw, out = folders
        (raw / "de_DE-x-low.onnx.json").write_text(text)
        with pytest.raises(ModelError, match=r"de_DE-x-low\.onnx\.json is not the json of a Piper voice"):
            convert.install_form("piper-vits", raw, out)


class TestGguf:
    @pytest.fixture
    def folders(self, tmp_path):
        raw, out = tmp_path / "raw", tmp_path / "out"
        raw.mkdir()
        out.mkdir()
        return raw, out

    def test_it_is_only_renamed(self, folders, tiny):
        raw, out = folders
        (raw / "Some.Q8_0.gguf").write_bytes(tiny)
        assert convert.install_form("gguf", raw, out) == {}
        assert (out / "model.gguf").read_bytes() == tiny

    def test_requantized_it_is_smaller_and_runs(self, folders):
        raw, out = folders
        tiny_gguf.write(raw / "Some.F16.gguf", half=True)
        size = (raw / "Some.F16.gguf").stat().st_size
        made = convert.install_form("gguf", raw, out, requantize=True)
        assert "Some.F16.gguf requantized to Q8_0 by llama-cpp-python" in made["model.gguf"]
        assert [path.name for path in out.iterdir()] == ["model.gguf"]
        assert not list(raw.iterdir()), "the original is not kept"
        assert (out / "model.gguf").stat().st_size < 0.7 * size
        assert trial.attempt("gguf", out)["parameters"] == 27104

    def test_rubbish_is_refused_and_we_live(self, folders):
        raw, out = folders
        (raw / "x.gguf").write_bytes(b"GGUF" + b"\xff" * 1000)
        with pytest.raises(ModelError, match=r"llama\.cpp could not requantize x\.gguf"):
            convert.install_form("gguf", raw, out, requantize=True)

    def test_a_folder_without_the_files_says_what_there_is(self, folders):
        raw, out = folders
        (raw / "README.md").write_text("nothing")
        with pytest.raises(ModelError, match=r"files of a gguf model are missing: there are only README\.md"):
            convert.install_form("gguf", raw, out)
