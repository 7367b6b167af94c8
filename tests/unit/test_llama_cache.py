"""The prompt cache's file: what it accepts, what it refuses, what it leaves behind."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edgevoice.engines.llama_cache import ABANDONED_S, KEPT, PromptCache, identity

TOKENS = [1, 2, 49151]
STATE = bytes(range(256)) * 40


def counts(cache: PromptCache) -> tuple[int, ...]:
    return dataclasses.astuple(cache.counts)


class TestPromptCache:
    def test_round_trip(self, tmp_path: Path) -> None:
        cache = PromptCache(tmp_path, ["model", "shape"])
        assert cache.load(TOKENS) is None
        assert cache.save(TOKENS, STATE)
        assert PromptCache(tmp_path, ["model", "shape"]).load(TOKENS) == STATE
        assert cache.load([*TOKENS, 4]) is None
        assert PromptCache(tmp_path, ["model", "other"]).load(TOKENS) is None
        assert counts(cache) == (0, 2, 0, 1, 0)

    @given(st.data())
    def test_no_damaged_file_is_taken(self, data: st.DataObject) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            cache = PromptCache(Path(folder), ["model"])
            cache.save(TOKENS, STATE)
            raw = bytearray(cache.path(TOKENS).read_bytes())
            if data.draw(st.booleans()):
                raw = raw[:data.draw(st.integers(0, len(raw) - 1))]
            else:
                raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
            cache.path(TOKENS).write_bytes(bytes(raw))
            assert cache.load(TOKENS) is None
            assert counts(cache) == (0, 0, 1, 1, 0)

    def test_a_state_that_llama_cpp_refused_was_no_hit(self, tmp_path: Path) -> None:
        cache = PromptCache(tmp_path, [])
        cache.save(TOKENS, STATE)
        cache.load(TOKENS)
        cache.refused()
        assert counts(cache) == (0, 0, 1, 1, 0)

    def test_a_disk_that_will_not_have_it(self, tmp_path: Path) -> None:
        cache = PromptCache(tmp_path / "nowhere", [])
        assert not cache.save(TOKENS, STATE)
        assert counts(cache) == (0, 0, 0, 0, 1)

    def test_nothing_half_written_is_left(self, tmp_path: Path) -> None:
        cache = PromptCache(tmp_path, [])
        cache.path(TOKENS).mkdir()
        assert not cache.save(TOKENS, STATE)
        assert [path.name for path in tmp_path.iterdir()] == [cache.path(TOKENS).name]

    def test_old_files_go(self, tmp_path: Path) -> None:
        cache = PromptCache(tmp_path, [])
        for number in range(KEPT + 3):
            cache.save([number], STATE)
            os.utime(cache.path([number]), (number + 1, number + 1))
        cache.save([99], STATE)
        assert cache.load([99]) == STATE
        assert cache.load([KEPT + 2]) == STATE
        assert cache.load([0]) is None
        assert len(list(tmp_path.glob("*.kv"))) == KEPT

    def test_what_a_dead_process_left_goes(self, tmp_path: Path) -> None:
        old, new = tmp_path / ".prompt-1.tmp", tmp_path / ".prompt-2.tmp"
        for path in (old, new):
            path.write_bytes(b"half")
        past = old.stat().st_mtime - ABANDONED_S - 60
        os.utime(old, (past, past))
        PromptCache(tmp_path, []).save(TOKENS, STATE)
        assert not old.exists() and new.exists()


class TestIdentity:
    def test_any_change_shows(self, tmp_path: Path) -> None:
        model = tmp_path / "model.gguf"
        seen = set()

        def look() -> None:
            before = len(seen)
            seen.add(identity(model))
            assert len(seen) == before + 1

        model.write_bytes(bytes(3_000_000))
        os.utime(model, (5, 5))
        look()
        os.utime(model, (6, 6))
        look()
        for position in (0, 2_999_999):
            raw = bytearray(3_000_000)
            raw[position] = 1
            model.write_bytes(bytes(raw))
            os.utime(model, (5, 5))
            look()
        (tmp_path / "model.json").write_text(json.dumps({"files": {"model.gguf": {"sha256": "ab"}}}))
        look()
        same = identity(model)
        (tmp_path / "model.json").write_text("{}")
        assert identity(model) != same

    def test_a_broken_manifest_is_as_none(self, tmp_path: Path) -> None:
        model = tmp_path / "model.gguf"
        model.write_bytes(b"x")
        plain = identity(model)
        for text in ("", "[]", "{", '{"files": []}'):
            (tmp_path / "model.json").write_text(text)
            assert identity(model) == plain
