"""``edgevoice doctor --acoustic`` as it is typed: in the simulated room, on either core, and through a real sound system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edgevoice.acoustic_picture import HEIGHT, WIDTH
from edgevoice.cli.doctor_acoustic import ROOM_DELAY_MS, ROOM_NOISE_DB
from tests.fakes.pulse import MISSING, PulseServer

ROOT = Path(__file__).resolve().parents[2]


def doctor(*argv: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgevoice", "doctor", *argv], cwd=cwd, text=True, capture_output=True, timeout=120,
                          env={**os.environ, **(env or {}), "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL)


def measured(*argv: str, cwd: Path, env: dict[str, str] | None = None) -> dict[str, Any]:
    result = doctor("--acoustic", "--json", *argv, cwd=cwd, env=env)
    assert result.returncode == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


class TestVirtual:
    @pytest.mark.parametrize("core", ["", "1"], ids=["C", "twin"])
    @pytest.mark.parametrize(("rate", "hop_ms"), [(16_000, 10), (48_000, 20)])
    def test_a_room_that_is_known(self, tmp_path: Path, core: str, rate: int, hop_ms: int) -> None:
        """What is played in one period of the device is heard in the next at the earliest."""
        (tmp_path / "c.toml").write_text(f"[audio]\nrate = {rate}\nhop_ms = {hop_ms}\n")
        said = measured("--virtual", "--config", "c.toml", "--png", "echo.png", cwd=tmp_path, env={"EDGEVOICE_PURE": core})
        assert said["ok"] and said["findings"] == [] and said["rate"] == rate
        assert said["delay_ms"] == pytest.approx(ROOM_DELAY_MS + hop_ms, abs=0.05)
        assert said["drift_ppm"] == pytest.approx(0.0, abs=0.1)
        assert said["noise_db"] == pytest.approx(ROOM_NOISE_DB, abs=0.5)
        assert 0.2 < said["reverberation_s"] < 0.45 and said["clipped"] == said["lost"] == said["xruns"] == 0
        assert -25.0 < said["gain"]["echo_peak_db"] < -5.0
        with Image.open(tmp_path / "echo.png") as image:
            image.load()
            assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))

    def test_it_is_told_to_people(self, tmp_path: Path) -> None:
        result = doctor("--acoustic", "--virtual", cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, "edgevoice: measures a simulated room\n")
        lines = result.stdout.splitlines()
        assert [line[:16].rstrip() for line in lines[:-1]] == [
            "noise floor", "round trip", "clock drift", "clipping", "echo", "echo path", "response", "harmonics", "suggested gain"]
        assert lines[-1] == "nothing is wrong"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(("config", "wrong", "remedy"), [
        ("muted = true", "dead_microphone", "audio.muted"), ("volume = 0.0", "unplayed", "audio.volume"),
        ("voice_volume = 0.0", "unplayed", "audio.voice_volume"), ("volume = 0.0001", "no_echo", "audio.output")])
    def test_what_the_settings_spoil_is_found(self, tmp_path: Path, config: str, wrong: str, remedy: str) -> None:
        (tmp_path / "c.toml").write_text(f"[audio]\n{config}\n")
        said = measured("--virtual", "--config", "c.toml", "--png", "echo.png", cwd=tmp_path)
        (finding,) = said["findings"]
        assert finding["name"] == wrong and remedy in finding["remedy"]
        assert not said["ok"] and said["delay_ms"] is None and said["gain"]["words"] == "not known: no echo was heard"
        told = doctor("--acoustic", "--virtual", "--config", "c.toml", cwd=tmp_path).stdout.splitlines()
        assert told[-1] == f"wrong: {finding['measured']} (right: {finding['right']}): {finding['remedy']}"


@pytest.mark.parametrize(("argv", "code", "said"), [
    (["--virtual"], 2, "doctor: --virtual belongs to --acoustic"),
    (["--acoustic", "--level", "3"], 2, "doctor: --level 3 is not -60 to 0 dBFS"),
    (["--acoustic", "--level", "nan"], 2, "doctor: --level nan is not -60 to 0 dBFS"),
    (["--acoustic", "--virtual", "--png", "no/echo.png"], 8,
     "no/echo.png: cannot be written (No such file or directory); the folder does not exist: create it first"),
])
def test_what_cannot_be_asked(tmp_path: Path, argv: list[str], code: int, said: str) -> None:
    result = doctor(*argv, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (code, "", f"edgevoice: {said}\n")


@pytest.mark.pulse
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
class TestSoundSystem:
    @pytest.mark.parametrize("rate", [16_000, 48_000])
    def test_a_loudspeaker_that_is_its_own_microphone(self, tmp_path: Path, rate: int) -> None:
        (tmp_path / "c.toml").write_text(f"[audio]\nrate = {rate}\n")
        with PulseServer(tmp_path / "server", rate) as server:
            for _ in range(4):  # the server is an ordinary process, and may be late itself on a busy machine: then the delay jumps
                said = measured("--config", "c.toml", cwd=tmp_path, env=server.environment)
                if said["ok"] and abs(said["drift_ppm"]) < 1.0 and max(abs(band["db"]) for band in said["response"]) < 0.1:
                    break
        assert said["ok"], said["findings"]
        assert 5.0 < said["delay_ms"] < 250.0
        assert said["return_loss_db"] == pytest.approx(0.0, abs=0.1) and said["peak_db"] == pytest.approx(-12.0, abs=0.1)
        assert [band["db"] for band in said["response"]] == pytest.approx([0.0] * len(said["response"]), abs=0.1)
        assert said["drift_ppm"] == pytest.approx(0.0, abs=1.0)

    def test_a_loudspeaker_that_no_microphone_hears(self, tmp_path: Path) -> None:
        """The microphone's sink gets nothing but silence."""
        with PulseServer(tmp_path / "server", apart=True) as server:
            said = measured(cwd=tmp_path, env=server.environment)
        assert "dead_microphone" in [finding["name"] for finding in said["findings"]]
