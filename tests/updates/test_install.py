"""Installing: staged whole, or refused with everything as it was."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from edgevoice.errors import ConfigError, EdgeVoiceError, ModelError, StorageError, UpdateError, UsageError
from edgevoice.models.releases import Probation, State
from edgevoice.update import bundle, in_force, install, keys
from edgevoice.update.manifest import Needs
from tests.fakes.maker import Maker


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "maker")


def activated(maker: Maker, version: str, models: dict[str, bytes] | None = None, settings: str = "") -> str:
    """A release in force, past its probation."""
    id = maker.install(maker.bundle(version, models or {"llm": version.encode()}, settings)).id
    maker.store.releases.change(lambda state: state.activate().settle())
    return id


def everything(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != ".lock"}


def test_nothing_changes_until_it_goes_into_force(maker: Maker) -> None:
    done = maker.install(maker.bundle("1.0", {"llm": b"new"}, "[llm]\nmax_tokens = 50\n"))
    assert done.new and maker.store.releases.state().staged == done.id
    assert maker.reads("llm") == b"llm of the store" and in_force.load(maker.config).llm.max_tokens == 96
    maker.store.releases.change(State.activate)
    assert maker.reads("llm") == b"new" and maker.reads("tts") == b"tts of the store"
    assert in_force.load(maker.config).llm.max_tokens == 50
    maker.store.releases.change(lambda state: state.undo("test", 0.0))
    assert maker.reads("llm") == b"llm of the store" and in_force.load(maker.config).llm.max_tokens == 96


def test_what_an_earlier_one_brought_stays_unless_it_is_replaced(maker: Maker) -> None:
    first = activated(maker, "1.0", {"llm": b"llm 1", "tts": b"tts 1"}, "[llm]\nmax_tokens = 50\n")
    activated(maker, "1.1", {"tts": b"tts 2"})
    maker.store.releases.sweep()
    assert not maker.store.releases.folder(first).exists()
    assert (maker.reads("llm"), maker.reads("tts")) == (b"llm 1", b"tts 2") and in_force.load(maker.config).llm.max_tokens == 50


def test_twice_is_once(maker: Maker) -> None:
    path = maker.bundle("1.0", {"llm": b"new"})
    assert maker.install(path).new and not maker.install(path).new
    maker.store.releases.change(lambda state: state.activate().settle())
    assert not maker.install(path).new


def test_a_later_one_takes_the_place_of_one_that_waits(maker: Maker) -> None:
    first = maker.install(maker.bundle("1.0", {"llm": b"1"})).id
    second = maker.install(maker.bundle("1.1", {"llm": b"2"})).id
    assert maker.store.releases.state().staged == second and not maker.store.releases.folder(first).exists()


def test_the_devices_own_sections_are_never_an_updates(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "check_settings", lambda path: None)  # a maker with tools of his own
    path = maker.bundle("1.0", settings="[update]\npublic_keys = []\n")
    with pytest.raises(ConfigError, match=r"sets update\.public_keys, which is the device's own"):
        maker.install(path)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another kind of device": ({"compatible": "speaker-2"}, "made for 'speaker-2', and update.compatible here is 'speaker-1'"),
    "a later program": ({"needs": Needs(edgevoice="99.0")}, "needs edgevoice 99.0"),
    "an update before it": ({"needs": Needs(release="0.9")}, "needs the update 0.9 first, and none is in force"),
    "another processor": ({"needs": Needs(machine=("riscv64",))}, "is for riscv64"),
    "more memory": ({"needs": Needs(memory_mb=10_000_000)}, "needs 10000000 MB of memory"),
}


class TestRefused:
    @pytest.fixture(autouse=True)
    def _unchanged(self, maker: Maker):
        """Whatever is refused changes nothing and leaves nothing."""
        maker.configure(update='compatible = "speaker-1"')
        yield
        assert not list(maker.store.releases.staging.glob("*"))
        assert set(maker.store.releases.state().named) == {
            path.name for path in maker.store.releases.folder("").glob("*")}

    @pytest.mark.parametrize(("more", "told"), REFUSED.values(), ids=REFUSED)
    def test_what_is_not_for_this_device(self, maker: Maker, more: dict[str, Any], told: str) -> None:
        path = maker.bundle("1.0", {"llm": b"new"}, **more)
        with pytest.raises(UpdateError, match=f"1.0 is not for this device: .*{told}"):
            maker.install(path)

    def test_what_fits_is_taken(self, maker: Maker) -> None:
        activated(maker, "0.9")
        maker.install(maker.bundle("1.0", {"llm": b"new"}, compatible="speaker-1", needs=Needs("0.1", "0.9", ("x86_64", "aarch64"), 10)))

    def test_an_older_one_unless_it_is_meant(self, maker: Maker) -> None:
        activated(maker, "1.10")
        path = maker.bundle("1.9", {"llm": b"old"})
        with pytest.raises(UpdateError, match=r"older than 1\.10, which is in force"):
            maker.install(path)
        assert maker.install(path, downgrade=True).new

    def test_one_of_somebody_else(self, maker: Maker, tmp_path: Path) -> None:
        path = maker.bundle("1.0", {"llm": b"new"})
        maker.public = keys.make(tmp_path / "other.pem")
        maker.configure()
        with pytest.raises(UpdateError, match="not signed by a key"):
            maker.install(path)

    def test_one_that_is_cut_off(self, maker: Maker) -> None:
        path = maker.bundle("1.0", {"llm": b"new" * 5000})
        path.write_bytes(path.read_bytes()[:-12_000])
        before = everything(maker.store.root)
        with pytest.raises(UpdateError, match="cut off"):
            maker.install(path)
        assert everything(maker.store.root) == before

    def test_one_for_which_there_is_no_room(self, maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
        path = maker.bundle("1.0", {"llm": b"new"})
        monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
        with pytest.raises(StorageError, match=r"the update 1\.0 needs 32 MB"):
            maker.install(path)

    def test_settings_that_do_not_fit_the_devices_own(self, maker: Maker) -> None:
        """Each right by itself."""
        maker.config.write_text(maker.config.read_text().replace("[vad]\n", "[vad]\noffset = 0.45\n"))
        path = maker.bundle("1.0", settings="[vad]\nonset = 0.4\n[wake]\nwords = [\"no such word\"]\n")
        with pytest.raises(ConfigError) as caught:
            maker.install(path)
        told = "\n".join(caught.value.problems)
        assert "device.toml:2: vad.offset = 0.45: is not below vad.onset (0.4)" in told and "no such word" in told

    def test_settings_that_name_a_model_which_nobody_has(self, maker: Maker) -> None:
        with pytest.raises(ModelError, match="no model is called 'elsewhere'"):
            maker.install(maker.bundle("1.0", settings='[llm]\nmodel = "elsewhere"\n'))

    def test_one_that_fails_its_trial(self, maker: Maker) -> None:
        def fails(*_: Any) -> None:
            raise UpdateError("the update failed its trial: speech synthesis did not come through")
        with pytest.raises(UpdateError, match="failed its trial"):
            maker.install(maker.bundle("1.0", {"llm": b"new"}), attempt=fails)

    def test_a_model_that_its_engine_refuses(self, maker: Maker) -> None:
        """The real trial, in a real child."""
        with pytest.raises(ModelError, match="the engine refused it as a gguf model"):
            maker.install(maker.bundle("1.0", {"llm": b"no model at all"}), attempt=None)

    def test_a_model_whose_own_list_is_another(self, maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
        def with_one_more(name: str, folder: Path, made: Any = bundle._files_of) -> dict[str, Path | bytes]:
            return {**made(name, folder), f"models/{name}/more": b"not in its list"}

        monkeypatch.setattr(bundle, "_files_of", with_one_more)
        with pytest.raises(UpdateError, match=r"model llm has other files than its model\.json says"):
            maker.install(maker.bundle("1.0", {"llm": b"new"}))

    def test_any_while_one_is_on_probation(self, maker: Maker) -> None:
        activated(maker, "1.0")
        maker.store.releases.change(lambda state: State(state.current, probation=Probation()))
        with pytest.raises(UpdateError, match=r"1\.0 is on probation"):
            maker.install(maker.bundle("1.1", {"llm": b"new"}))

    def test_one_that_was_taken_back_here_unless_it_is_meant(self, maker: Maker) -> None:
        path = maker.bundle("1.0", {"llm": b"new"})
        maker.install(path)
        maker.store.releases.change(lambda state: state.activate().undo("it crashed", 0.0))
        maker.store.releases.sweep()
        with pytest.raises(UpdateError, match=r"was taken back here \(it crashed\)"):
            maker.install(path)
        assert maker.install(path, again=True).new and not maker.store.releases.state().undone


class TestRollBack:
    def test_what_waits_goes_first_then_what_is_on_probation(self, maker: Maker) -> None:
        releases = maker.store.releases
        first = activated(maker, "1.0")
        second = maker.install(maker.bundle("1.1", {"llm": b"2"})).id
        assert install.roll_back(releases, 0.0)[0] == second and releases.state().current == first
        second = maker.install(maker.bundle("1.2", {"llm": b"3"})).id
        releases.change(State.activate)
        gone, after = install.roll_back(releases, 5.0)
        assert (gone, after.current, after.undone[-1].id) == (second, first, second)
        with pytest.raises(UsageError, match=r"nothing to go back to: 1\.0 has passed its probation"):
            install.roll_back(releases, 0.0)

    def test_nothing(self, maker: Maker) -> None:
        with pytest.raises(EdgeVoiceError, match="no update was installed"):
            install.roll_back(maker.store.releases, 0.0)


def test_the_services_file_means_the_services_store_whoever_reads_it(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_force, "SERVICE", maker.config)
    monkeypatch.delenv("EDGEVOICE_MODELS", raising=False)
    assert in_force.load(maker.config).paths.models == str(maker.store.root), "it says so itself"
    maker.config.write_text("[llm]\nmax_tokens = 20\n")
    assert in_force.load(maker.config).paths.models == "/var/lib/edgevoice/models"
    monkeypatch.setenv("EDGEVOICE_MODELS", "/elsewhere")
    assert in_force.load(maker.config).paths.models == ""


def test_what_root_installs_belongs_to_the_store(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    given: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid, *, follow_symlinks: given.__setitem__(str(path), (uid, gid)))
    owner = os.stat_result((0o40755, 0, 0, 1, 997, 998, 0, 0, 0, 0))
    kept = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **more: owner if self == maker.store.root else kept(self, **more))
    id = maker.install(maker.bundle("1.0", {"llm": b"new"})).id
    assert given[str(maker.store.releases.folder(id) / "models/llm/model.gguf")] == (997, 998)
    assert set(given.values()) == {(997, 998)}
