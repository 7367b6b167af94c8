"""A bundle: what is not exactly what its maker signed is refused, and nothing of it is written."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.errors import ConfigError, EdgeVoiceError, ModelError, SourceError, UpdateError, UsageError
from edgevoice.update import bundle, keys
from edgevoice.update import manifest as manifests
from tests.fakes.maker import Maker, model


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture(scope="module")
def made(maker: Maker) -> Path:
    return maker.bundle("1.4.0", {"llm": b"new weights" * 100, "tts": b"new voice"}, "[llm]\nmax_tokens = 50\n", note="a better voice")


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]


def packed(path: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_comes_out_as_it_went_in(maker: Maker, made: Path, tmp_path: Path) -> None:
    opened = bundle.unpack(made, [maker.public], tmp_path)
    assert opened.manifest.models == ["llm", "tts"] and opened.manifest.note == "a better voice" and opened.public_key == maker.public
    assert (tmp_path / "models/llm/model.gguf").read_bytes() == b"new weights" * 100
    assert (tmp_path / "config.toml").read_text() == "[llm]\nmax_tokens = 50\n"
    assert opened.id.startswith("1.4.0-") and (tmp_path / "manifest.json").read_bytes() == opened.text


def test_any_tool_that_knows_ed25519_can_verify_the_signature(maker: Maker, made: Path, tmp_path: Path) -> None:
    found = members(made)
    for name in ("manifest.json", "manifest.sig"):
        (tmp_path / name).write_bytes(found[name])
    subprocess.run(["openssl", "pkey", "-in", maker.key, "-pubout", "-out", tmp_path / "public.pem"], check=True)
    checked = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", tmp_path / "public.pem", "-rawin",
                              "-in", tmp_path / "manifest.json", "-sigfile", tmp_path / "manifest.sig"], capture_output=True, text=True)
    assert checked.returncode == 0 and "Verified Successfully" in checked.stdout


def test_a_key_of_openssl_signs(maker: Maker, tmp_path: Path) -> None:
    key = tmp_path / "o.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    signature, public = keys.sign(key, b"text")
    assert keys.verify([maker.public, public], b"text", signature) == public


def test_one_that_nobody_known_signed(made: Path, maker: Maker, tmp_path: Path) -> None:
    other = keys.make(tmp_path / "other.pem")
    with pytest.raises(UpdateError, match="not signed by a key that the configuration knows"):
        bundle.unpack(made, [other], None)
    with pytest.raises(UpdateError, match=r"names no public key.*update\.public_keys"):
        bundle.unpack(made, [], None)


def test_one_without_a_signature(made: Path, maker: Maker, tmp_path: Path) -> None:
    found = members(made)
    del found["manifest.sig"]
    with pytest.raises(UpdateError, match=r"manifest\.sig of at most 64 bytes should stand there"):
        bundle.unpack(packed(tmp_path / "b", found), [maker.public], None)


def test_a_manifest_that_was_changed(made: Path, maker: Maker, tmp_path: Path) -> None:
    found = members(made)
    found["manifest.json"] = found["manifest.json"].replace(b"1.4.0", b"1.5.0")
    with pytest.raises(UpdateError, match="not signed"):
        bundle.unpack(packed(tmp_path / "b", found), [maker.public], None)


def changed(found: dict[str, bytes]) -> None:
    found["models/llm/model.gguf"] = b"NEW WEIGHTS" * 100


def longer(found: dict[str, bytes]) -> None:
    found["models/llm/model.gguf"] += b"x"


def missing(found: dict[str, bytes]) -> None:
    del found["models/llm/model.gguf"]


def more(found: dict[str, bytes]) -> None:
    found["models/llm/../../../../etc/passwd"] = b"root"


@pytest.mark.parametrize(("change", "told"), [
    (changed, "model.gguf has sha256"), (longer, "should stand where"), (missing, "should stand where"), (more, "does not name")])
def test_files_that_are_not_those_of_the_manifest(made: Path, maker: Maker, tmp_path: Path, change: Callable[[dict[str, bytes]], None],
                                                  told: str) -> None:
    found = members(made)
    change(found)
    with pytest.raises(UpdateError, match=told):
        bundle.unpack(packed(tmp_path / "b", found), [maker.public], None)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_member_that_is_no_plain_file(made: Path, maker: Maker, tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("manifest.json")
    info.type, info.linkname = kind, "/etc/shadow"
    path = tmp_path / "b"
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + made.read_bytes())
    with pytest.raises(UpdateError, match="no plain file"):
        bundle.unpack(path, [maker.public], None)


@given(share=st.floats(0, 1, exclude_max=True))
def test_cut_off_anywhere(made: Path, maker: Maker, share: float) -> None:
    """But in the archive's own trailing zeros, before which all has been verified."""
    whole = made.read_bytes()
    with tarfile.open(made) as archive:
        cut = int(share * max(info.offset_data + info.size for info in archive))
    path = made.with_name("cut.bundle")
    path.write_bytes(whole[:cut])
    with pytest.raises(UpdateError):
        bundle.unpack(path, [maker.public], None)


@given(st.integers(0, 9_000), st.integers(1, 255))
def test_a_byte_changed_anywhere_is_refused_or_means_nothing(made: Path, maker: Maker, place: int, other: int) -> None:
    """What is not in manifest, signature or files (the fill of a block, an owner in a header) has no meaning: then all is as signed."""
    whole = bytearray(made.read_bytes())
    whole[place] ^= other
    path = made.with_name("changed.bundle")
    path.write_bytes(whole)
    try:
        opened = bundle.unpack(path, [maker.public], None)
    except UpdateError:
        return
    assert opened.text == bundle.read(made, [maker.public]).text


@given(st.binary(max_size=3000))
def test_noise_is_no_bundle(maker: Maker, noise: bytes) -> None:
    path = maker.folder / "noise"
    path.write_bytes(noise)
    with pytest.raises(UpdateError):
        bundle.unpack(path, [maker.public], None)


def test_what_is_not_there_or_no_file(maker: Maker, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file"):
        bundle.unpack(tmp_path / "none", [maker.public], None)
    with pytest.raises(UpdateError, match="is a folder"):
        bundle.unpack(tmp_path, [maker.public], None)


FILE = {"sha256": "0" * 64, "size": 1}
WRONG = {
    "another format": {"format": "edgevoice-bundle/2"}, "a version that is none": {"version": "one"},
    "a path outside": {"files": {"../x": FILE}}, "an absolute path": {"files": {"/x": FILE}},
    "a path of another depth": {"files": {"models/a/b/c": FILE}}, "a hidden file": {"files": {"models/a/.b": FILE}},
    "no files": {"files": {}}, "no hash": {"files": {"config.toml": {**FILE, "sha256": ""}}},
    "no size": {"files": {"config.toml": {**FILE, "size": -1}}}, "a model without its list": {"files": {"models/a/b": FILE}},
    "no list": {"files": 3}, "no needs": {"needs": []}}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_manifest_that_is_signed_and_wrong_all_the_same(made: Path, change: dict[str, object]) -> None:
    document = json.loads(members(made)["manifest.json"]) | change
    with pytest.raises(UpdateError, match="manifest is not understood"):
        manifests.parse(json.dumps(document).encode())


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
                                              | st.dictionaries(st.sampled_from(["format", "files", "version", "needs"]), inner)).map(
    lambda value: json.dumps(value).encode()))
def test_whatever_stands_in_a_manifest_is_understood_or_refused(text: bytes) -> None:
    with pytest.raises(UpdateError):
        manifests.parse(text)


class TestMade:
    def test_of_nothing(self, maker: Maker, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="of nothing"):
            bundle.make(tmp_path / "b", maker.key, "1.0")

    @pytest.mark.parametrize("version", ["", "1.", "v1", "1.2.3.4.5", "1.0-rc1"])
    def test_of_a_version_that_is_none(self, maker: Maker, tmp_path: Path, version: str) -> None:
        with pytest.raises(UsageError, match="up to four numbers"):
            bundle.make(tmp_path / "b", maker.key, version, models=[("llm", maker.store.root / "llm")])

    def test_of_settings_that_are_wrong(self, maker: Maker) -> None:
        with pytest.raises(ConfigError, match=r"settings\.toml:2: vad\.onset = 7"):
            maker.bundle("2.1", settings="[vad]\nonset = 7\n")

    @pytest.mark.parametrize("text", ["[update]\npublic_keys = []\n", '[paths]\nmodels = "/elsewhere"\n'])
    def test_of_settings_that_are_the_devices_own(self, maker: Maker, text: str) -> None:
        with pytest.raises(ConfigError, match="is the device's own"):
            maker.bundle(f"2.{len(text)}", settings=text)

    def test_of_a_model_that_is_damaged(self, maker: Maker, tmp_path: Path) -> None:
        folder = model(tmp_path / "m", b"weights", "m")
        (folder / "model.gguf").write_bytes(b"WEIGHTS")
        with pytest.raises(ModelError, match="damaged"):
            bundle.make(tmp_path / "b", maker.key, "1.0", models=[("m", folder)])

    def test_of_a_folder_without_a_list_of_its_own(self, maker: Maker, tmp_path: Path) -> None:
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / "model.gguf").write_bytes(b"weights")
        (tmp_path / "m" / "notes.txt").write_bytes(b"no part of it")
        made = bundle.make(tmp_path / "b", maker.key, "1.0", models=[("mine", tmp_path / "m")])
        assert set(made.manifest.files) == {"models/mine/model.json", "models/mine/model.gguf"}
        assert bundle.unpack(tmp_path / "b", [maker.public], None).manifest.models == ["mine"]

    def test_a_key_is_its_owners_and_never_replaced(self, tmp_path: Path) -> None:
        keys.make(tmp_path / "k")
        assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
        with pytest.raises(UsageError, match="is there already"):
            keys.make(tmp_path / "k")

    def test_a_key_of_another_kind(self, tmp_path: Path) -> None:
        subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", tmp_path / "k"], check=True, capture_output=True)
        with pytest.raises(UsageError, match="another kind"):
            keys.load(tmp_path / "k")
        (tmp_path / "t").write_text("none")
        for path in (tmp_path / "t", tmp_path / "missing"):
            with pytest.raises(EdgeVoiceError, match="`edgevoice update key FILE` makes one"):
                keys.load(path)
