"""The daemon itself on a broker: it comes, obeys, lives without a sound card and without a broker, and ends to be started afresh."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from edgevoice.errors import EXIT_RESTART
from edgevoice.models import default_root
from edgevoice.settings import PathSettings
from tests.fakes.mosquitto import Listener, Mosquitto

ROOT = Path(__file__).resolve().parents[2]
START_S = 90.0


def test_it_comes_obeys_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "b") as broker, Listener(broker.port, "edgevoice/hall/#") as house:
        config = tmp_path / "hall.toml"
        config.write_text(f'[mqtt]\nhost = "localhost"\nport = {broker.port}\nid = "hall"\n[dialog]\nearcons = false\n', encoding="utf-8")
        rang = {"id": 1, "sort": "timer", "name": "egg", "about": False, "length_s": 60.0, "due": time.time()}
        (tmp_path / "agenda.json").write_text(json.dumps(
            {"version": 1, "saved": time.time() - 60.0, "last_id": 1, "items": [rang], "lists": {}}))
        environment = {**os.environ, "EDGEVOICE_MODELS": str(default_root(PathSettings())), "STATE_DIRECTORY": str(tmp_path),
                       "JACK_NO_START_SERVER": "1"}
        with subprocess.Popen([sys.executable, "-m", "edgevoice", "run", "--json", "--config", str(config)], cwd=ROOT, env=environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as daemon:
            try:
                house.wait("/availability", lambda value: value == "online", START_S)
                session = house.wait("/event/session", within_s=START_S)
                assert session["models"]["tts"] == "piper-en-us-joe"
                house.wait("/event/timer_done")  # of the process before this one, told of although it rang before the broker was there
                house.publish("edgevoice/hall/cmd/stop", {})
                house.wait("edgevoice/hall/state", lambda value: value["agenda"]["ringing"] == 0)
                state = house.wait("edgevoice/hall/state")
                assert state["wake_words"] == ["okay_nabu"] and "alexa" in state["wake_words_known"] and state["profiles"] == ["hall"]
                house.publish("edgevoice/hall/cmd/wake_word", {"words": ["alexa"], "sensitivity": 0.4, "id": "w"})
                assert house.wait("/cmd/wake_word/result", within_s=60)["ok"]
                house.wait("edgevoice/hall/state", lambda value: value["wake_words"] == ["alexa"])
                house.publish("edgevoice/hall/cmd/say", {"text": "The door is open."})
                house.wait("/event/playback_end", within_s=60)
                house.publish("edgevoice/hall/cmd/ask", {"text": "Set a timer for two seconds."})
                house.wait("/event/timer_set")
                broker.stop()
                time.sleep(2.5)  # it rings meanwhile, as if nothing had happened
                after = len(house.messages)
                broker.start()
                house.wait("edgevoice/hall/state", lambda value: value["agenda"]["ringing"] == 1, 60, after)
                after = len(house.messages)
                house.publish("edgevoice/hall/cmd/stop", {"id": "s"})
                house.wait("edgevoice/hall/state", lambda value: value["agenda"]["ringing"] == 0, 30, after)
                house.publish("edgevoice/hall/cmd/restart", {"id": "r"})
                assert house.wait("/cmd/restart/result")["ok"]
                house.wait("/availability", lambda value: value == "offline", 30)
                told = daemon.communicate(timeout=60)[1]
            finally:
                daemon.kill()
    assert daemon.returncode == EXIT_RESTART, told
    assert json.loads((tmp_path / "agenda.json").read_text())["items"] == []
    assert "MQTT: connected to localhost as edgevoice/hall" in told and "started afresh" in told and "Traceback" not in told
