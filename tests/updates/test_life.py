"""One life of the daemon under updates: what goes into force when, what is counted, what is taken back, and that nothing of it stops it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgevoice.errors import ConfigError, StorageError
from edgevoice.models.releases import Releases, State
from edgevoice.pipeline.care import EngineState
from edgevoice.pipeline.health import UPDATE
from edgevoice.settings import Settings
from edgevoice.update import install
from edgevoice.update import life as lives
from edgevoice.update.life import Life, Ways, trouble
from tests.fakes.maker import Maker

LIMITS = "probation_s = 60.0\nprobation_turns = 2\ncrashes = 3"


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    made = Maker(tmp_path / "maker")
    made.configure(update=LIMITS)
    return made


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Daemon:
    """What ``Life`` sees of one; ``step`` lets it look once, ``seconds`` later."""

    def __init__(self, maker: Maker) -> None:
        self.told: list[str] = []
        self.clock = Clock()
        self.left = False
        self.life = Life(maker.config, lambda text, priority: self.told.append(text), clock=self.clock, leave=self._leave)
        self.quiet = True
        self.engines: list[EngineState] = []
        self.rest: list[str] = []
        self.taken: list[Settings] = []
        self.restarts = 0
        self.emitted: list[dict[str, Any]] = []
        self.ways = Ways(lambda: self.quiet, lambda: self.engines, self._take, self._restart,
                         lambda event, **facts: self.emitted.append(facts))

    def _leave(self) -> None:
        self.left = True

    async def _take(self, settings: Settings) -> list[str]:
        self.taken.append(settings)
        return self.rest

    def _restart(self) -> None:
        self.restarts += 1

    def listens(self) -> Settings:
        settings = self.life.begin()
        self.life.ready()
        return settings

    def answers(self, generation: int) -> None:
        self.life.on_event({"event": "routed", "generation": generation - 1})  # speculation, of which nothing was heard
        for event in ("routed", "llm_first_token", "playback_first_sample", "playback_first_sample"):
            self.life.on_event({"event": event, "generation": generation})

    def looks(self, *seconds: float) -> None:
        """Once each time, so much later."""
        left = list(seconds)
        slept = asyncio.sleep

        async def sleep(_: float) -> None:
            await slept(0)
            if not left:
                raise asyncio.CancelledError
            self.clock.now += left.pop(0)

        lives.asyncio.sleep = sleep  # type: ignore[attr-defined]
        try:
            with pytest.raises(asyncio.CancelledError):
                asyncio.run(self.life.watch(self.ways))
        finally:
            lives.asyncio.sleep = slept  # type: ignore[attr-defined]


def staged(maker: Maker, version: str = "1.0", settings: str = "[llm]\nmax_tokens = 50\n", **models: bytes) -> str:
    return maker.install(maker.bundle(version, models, settings)).id


def state(maker: Maker) -> State:
    return maker.store.releases.state()


class TestBegin:
    def test_what_waits_goes_into_force_and_is_on_probation(self, maker: Maker) -> None:
        id = staged(maker, llm=b"new")
        daemon = Daemon(maker)
        assert daemon.listens().llm.max_tokens == 50 and maker.reads("llm") == b"new"
        assert (state(maker).current, state(maker).probation and state(maker).probation.crashes) == (id, 1)
        assert daemon.told == ["update 1.0 is in force, on probation"]

    def test_without_updates_nothing_is_written(self, maker: Maker) -> None:
        daemon = Daemon(maker)
        daemon.listens()
        daemon.looks(1.0, 100.0, 1000.0)
        daemon.life.end()
        assert not maker.store.releases.root.exists() and not daemon.told

    def test_lives_that_end_in_order_are_no_crashes_and_their_time_counts(self, maker: Maker) -> None:
        staged(maker, llm=b"new")
        for k in range(5):
            daemon = Daemon(maker)
            daemon.listens()
            daemon.answers(1)
            daemon.clock.now += 5.0
            daemon.life.end()
            trial = state(maker).probation
            assert trial is not None and (trial.crashes, trial.lived_s, trial.turns) == (0, 5.0 * (k + 1), k + 1)

    def test_too_many_that_do_not_are_the_end_of_it(self, maker: Maker) -> None:
        id = staged(maker, llm=b"new")
        for _ in range(3):
            assert Daemon(maker).listens().llm.max_tokens == 50
        daemon = Daemon(maker)
        assert daemon.listens().llm.max_tokens == 96 and maker.reads("llm") == b"llm of the store"
        assert (state(maker).current, state(maker).undone[-1].id) == ("", id)
        assert daemon.told == ["update 1.0 was taken back: it crashed, was killed or lost its power 3 times"]
        assert not maker.store.releases.folder(id).exists()

    def test_one_that_cannot_be_read_any_more_is_taken_back(self, maker: Maker) -> None:
        staged(maker, settings="[vad]\nonset = 0.4\n")
        maker.configure(update=LIMITS, extra="[audio]\nrate = 16000\n")
        maker.config.write_text(maker.config.read_text().replace("[vad]\n", "[vad]\noffset = 0.45\n"))
        daemon = Daemon(maker)
        assert daemon.listens().vad.offset == 0.45 and state(maker).current == ""
        assert "vad.offset = 0.45: is not below" in daemon.told[-1]

    def test_one_that_is_settled_and_cannot_be_read_any_more_is_left_out(self, maker: Maker) -> None:
        """As after another version of the program, whose settings have other names."""
        id = staged(maker)
        maker.store.releases.change(lambda before: before.activate().settle())
        maker.store.releases.config(id).write_text("[llm]\nmax_tokenz = 50\n")  # type: ignore[union-attr]
        daemon = Daemon(maker)
        assert daemon.listens().llm.max_tokens == 96 and state(maker).current == id
        assert "its settings are left out" in daemon.told[-1] and "did you mean 'max_tokens'" in daemon.told[-1]

    @pytest.mark.parametrize("when", ["waiting", "probation"])
    def test_one_that_is_damaged_is_not_taken(self, maker: Maker, when: str) -> None:
        id = staged(maker, llm=b"new")
        if when == "probation":
            maker.store.releases.change(State.activate)
        (maker.store.releases.folder(id) / "models/llm/model.gguf").write_bytes(b"longer than before")
        daemon = Daemon(maker)
        assert daemon.listens().llm.max_tokens == 96 and maker.reads("llm") == b"llm of the store"
        assert "is damaged" in daemon.told[-1] and state(maker).named == frozenset()

    def test_settings_of_its_own_that_are_wrong_are_told_as_ever(self, maker: Maker) -> None:
        maker.configure(extra="[audio]\nrate = 1\n")
        with pytest.raises(ConfigError, match=r"audio\.rate = 1"):
            Daemon(maker).life.begin()

    def test_goes_on_where_nothing_can_be_written(self, maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
        staged(maker, llm=b"new")

        def full(*_: Any) -> State:
            raise StorageError("state.json: cannot be written (No space left on device)")

        monkeypatch.setattr(Releases, "change", full)
        daemon = Daemon(maker)
        assert daemon.listens().llm.max_tokens == 96
        daemon.looks(1.0, 5.0, 5.0)
        daemon.life.end()
        assert all("No space left on device" in line for line in daemon.told) and daemon.restarts == 0


class TestFailed:
    def test_what_never_listened_is_taken_back(self, maker: Maker) -> None:
        staged(maker, llm=b"new")
        daemon = Daemon(maker)
        daemon.life.begin()
        assert daemon.life.failed(ValueError("no such kernel")) and state(maker).current == ""
        assert daemon.told[-1] == "update 1.0 was taken back: it did not start: no such kernel"

    def test_what_listened_is_a_crash_among_others(self, maker: Maker) -> None:
        id = staged(maker, llm=b"new")
        daemon = Daemon(maker)
        daemon.listens()
        assert not daemon.life.failed(ValueError("an engine hangs")) and state(maker).current == id

    def test_without_a_probation_it_is_nobodys_fault_here(self, maker: Maker) -> None:
        daemon = Daemon(maker)
        daemon.life.begin()
        assert not daemon.life.failed(ValueError("no models"))

    def test_one_that_does_not_come_to_listen_in_time(self, maker: Maker) -> None:
        staged(maker, llm=b"new")
        daemon = Daemon(maker)
        daemon.life.begin()
        timer = daemon.life._timer
        assert timer is not None and timer.interval == 120.0
        timer.function()
        assert daemon.left and state(maker).current == "" and "did not listen within 120 s" in daemon.told[-1]

    def test_one_that_did(self, maker: Maker) -> None:
        id = staged(maker, llm=b"new")
        daemon = Daemon(maker)
        daemon.life.begin()
        timer = daemon.life._timer
        daemon.life.ready()
        assert timer is not None
        timer.function()  # as if it had been under way
        assert not daemon.left and state(maker).current == id


class TestProbation:
    def test_is_passed_by_time_and_answers(self, maker: Maker) -> None:
        first = staged(maker, llm=b"1")
        maker.store.releases.change(lambda before: before.activate().settle())
        staged(maker, "1.1", llm=b"2")
        daemon = Daemon(maker)
        daemon.listens()
        daemon.looks(61.0)
        assert state(maker).probation is not None, "nobody has asked anything yet"
        daemon.answers(1)
        daemon.life.on_event({"event": "playback_first_sample", "generation": 2})  # unasked: an announcement
        daemon.looks(1.0)
        assert state(maker).probation is not None
        daemon.answers(3)
        daemon.looks(1.0)
        assert state(maker).probation is None and state(maker).previous == "" and not maker.store.releases.folder(first).exists()
        daemon.looks()
        assert daemon.emitted[-1] == {"state": "settled", "version": "1.1", "message": ""} and daemon.restarts == 0
        daemon.life.end()
        assert state(maker).probation is None

    def test_answers_alone_are_not_enough(self, maker: Maker) -> None:
        staged(maker, llm=b"1")
        daemon = Daemon(maker)
        daemon.listens()
        for k in range(5):
            daemon.answers(k + 1)
        daemon.looks(30.0)
        assert state(maker).probation is not None

    def test_an_engine_that_fails_is_the_end_of_it_at_the_next_pause(self, maker: Maker) -> None:
        first = staged(maker, llm=b"1")
        maker.store.releases.change(lambda before: before.activate().settle())
        staged(maker, "1.1", llm=b"2")
        daemon = Daemon(maker)
        daemon.listens()
        daemon.quiet = False
        daemon.engines = [EngineState("tts", "open", 0, 0)]
        daemon.looks(1.0)
        assert state(maker).current == first and daemon.restarts == 0
        assert daemon.told[-1] == "update 1.1 was taken back: speech synthesis failed again and again"
        daemon.quiet = True
        daemon.looks(1.0, 1.0, 2.5)
        assert daemon.restarts == 1 and daemon.life.switching
        daemon.life.end()
        assert maker.reads("llm") == b"1"

    def test_and_without_one_after_a_while(self, maker: Maker) -> None:
        staged(maker, llm=b"1")
        daemon = Daemon(maker)
        daemon.listens()
        daemon.quiet, daemon.engines = False, [EngineState("llm", "open", 0, 0)]
        daemon.looks(1.0, *[1.0] * 29)
        assert daemon.restarts == 0

    def test_patience_ends(self, maker: Maker) -> None:
        staged(maker, llm=b"1")
        daemon = Daemon(maker)
        daemon.listens()
        daemon.quiet, daemon.engines = False, [EngineState("llm", "open", 0, 0)]
        daemon.looks(1.0, *[1.0] * 31)
        assert daemon.restarts == 1


@pytest.mark.parametrize(("engine", "told"), [
    (EngineState("llm", "closed", 2, 2), None), (EngineState("llm", "trial", 0, 1), None),
    (EngineState("stt", "open", 0, 0), "speech recognition failed again and again"),
    (EngineState("tts", "closed", 3, 3), "speech synthesis hung 3 times")])
def test_what_is_trouble(engine: EngineState, told: str | None) -> None:
    assert trouble([EngineState("turn", "closed", 0, 0), engine]) == told


class TestWhileItRuns:
    def test_only_at_a_pause(self, maker: Maker) -> None:
        daemon = Daemon(maker)
        daemon.listens()
        staged(maker, llm=b"new")
        daemon.quiet = False
        daemon.looks(1.0, 10.0, 10.0)
        assert daemon.restarts == 0 and state(maker).staged
        daemon.quiet = True
        daemon.looks(1.0, 2.0)
        assert daemon.restarts == 0
        daemon.looks(1.0, 2.0, 1.5)
        assert daemon.restarts == 1 and not state(maker).staged
        trial = state(maker).probation
        assert trial is not None and trial.crashes == 0, "the next life counts itself"

    def test_settings_alone_need_no_restart(self, maker: Maker) -> None:
        daemon = Daemon(maker)
        daemon.listens()
        staged(maker)
        daemon.looks(1.0, 1.0, 3.0)
        assert daemon.restarts == 0 and daemon.taken[-1].llm.max_tokens == 50
        assert daemon.told[-1] == "update 1.0: in force without a restart"
        trial = state(maker).probation
        assert trial is not None and trial.crashes == 1, "this life is counted"
        daemon.answers(1)
        daemon.answers(2)
        daemon.looks(61.0)
        assert state(maker).probation is None

    def test_unless_they_need_one(self, maker: Maker) -> None:
        daemon = Daemon(maker)
        daemon.listens()
        staged(maker)
        daemon.rest = ["llm.max_tokens"]
        daemon.looks(1.0, 1.0, 3.0)
        assert daemon.restarts == 1 and "(llm.max_tokens)" in daemon.told[-1]
        daemon.looks(10.0, 10.0)
        assert daemon.restarts == 1

    def test_goes_back_where_somebody_asks_for_it(self, maker: Maker) -> None:
        staged(maker, llm=b"new")
        daemon = Daemon(maker)
        daemon.listens()
        install.roll_back(maker.store.releases, 5.0)
        daemon.looks(1.0, 1.0, 3.0)
        assert daemon.restarts == 1 and maker.reads("llm") == b"llm of the store"

    def test_what_is_given_up_before_a_pause_never_comes(self, maker: Maker) -> None:
        daemon = Daemon(maker)
        daemon.listens()
        staged(maker, llm=b"new")
        daemon.quiet = False
        daemon.looks(1.0)
        install.roll_back(maker.store.releases, 5.0)
        daemon.quiet = True
        daemon.looks(1.0, 10.0, 10.0)
        assert daemon.restarts == 0


def test_health_tells_of_all_phases(maker: Maker) -> None:
    daemon = Daemon(maker)
    daemon.listens()
    assert daemon.life.health() == ({"phase": "none", "release": "", "previous": "", "staged": "", "lived_s": 0.0, "turns": 0,
                                     "undone": []}, [])
    staged(maker, llm=b"new")
    daemon = Daemon(maker)
    daemon.listens()
    daemon.answers(1)
    daemon.clock.now += 7.0
    document, alerts = daemon.life.health()
    jsonschema.validate(document, dict(UPDATE))
    assert (document["phase"], document["release"], document["lived_s"], document["turns"]) == ("probation", "1.0", 7.0, 1) and not alerts
    daemon.life._undo("it failed")
    document, (alert,) = daemon.life.health()
    assert document["undone"] == ["1.0"] and alert.name == "update_undone" and "it failed" in str(alert)
    jsonschema.validate(document, dict(UPDATE))
