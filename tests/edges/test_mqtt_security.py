"""TLS, passwords and ACLs against a real broker; and no secret is told to anybody but the broker."""

from __future__ import annotations

import asyncio
import logging
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgevoice.adapters.mqtt.secret import password
from edgevoice.config import to_toml
from tests.edges.conftest import device, hears, settings_for, until, with_mqtt
from tests.fakes.mosquitto import Listener, Mosquitto

ROOT = Path(__file__).resolve().parents[2]
SECRET = "correct horse battery staple"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca, server (localhost) and device, each .pem and .key, and another authority that vouches for nothing here."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem", "-addext", "basicConstraints=critical,CA:TRUE")
    for name, host in (("server", "localhost"), ("device", "cellar")):
        (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n", encoding="ascii")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}", "-keyout", f"{name}.key",
                "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    return path


def guarded(folder: Path, certificates: Path | None, more: str = "") -> Mosquitto:
    """A broker with the example's ACL, the users ``cellar`` and ``house``, and TLS where there are certificates."""
    folder.mkdir(parents=True, exist_ok=True)
    users = folder / "users"
    users.write_text("", encoding="ascii")
    for name in ("cellar", "house"):
        subprocess.run(["mosquitto_passwd", "-b", str(users), name, SECRET], check=True, capture_output=True)
    acl = folder / "acl"
    acl.write_text((ROOT / "configs" / "mosquitto" / "acl").read_text(encoding="utf-8"), encoding="utf-8")
    acl.chmod(0o600)
    tls = "" if certificates is None else "".join(f"{key} {certificates}/{name}\n" for key, name in (
        ("cafile", "ca.pem"), ("certfile", "server.pem"), ("keyfile", "server.key")))
    return Mosquitto(folder, f"allow_anonymous false\npassword_file {users}\nacl_file {acl}\n{tls}{more}")


def trusting(certificates: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates / "ca.pem"))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_tls_with_a_password_and_the_examples_acl(
        certificates: Path, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    async def act() -> None:
        with guarded(tmp_path / "b", certificates) as broker:
            settings = settings_for(broker.port, tmp_path, id="cellar", protocol=protocol, username="cellar", password_file=str(secret),
                                    tls=True, ca_file=str(certificates / "ca.pem"))
            with Listener(broker.port, "edgevoice/#", "homeassistant/#", username="house", password=SECRET,
                          tls=trusting(certificates)) as house:
                async with device(settings, monkeypatch) as made:
                    await hears(house, "/availability", lambda value: value == "online")
                    await hears(house, "device/cellar/config")
                    house.publish(f"{made.root}/cmd/mute", {"muted": True}, ResponseTopic="panel/7")  # where the device may not write
                    assert (await hears(house, "/cmd/mute/result"))["ok"]
                    await hears(house, "/event/muted")
                    await until(lambda: not made.mqtt._link.waiting)
                    assert made.mqtt._link.problem is None
                await hears(house, "/availability", lambda value: value == "offline")

    asyncio.run(act())


def test_a_client_certificate_instead_of_a_password(certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with guarded(tmp_path / "b", certificates, "require_certificate true\nuse_identity_as_username true\n") as broker:
            settings = settings_for(broker.port, tmp_path, id="cellar", tls=True, ca_file=str(certificates / "ca.pem"),
                                    cert_file=str(certificates / "device.pem"), key_file=str(certificates / "device.key"))
            async with device(settings, monkeypatch) as made:
                await until(lambda: made.mqtt._published_state is not None and made.mqtt._link.waiting == 0)
                assert made.mqtt._link.problem is None
            async with device(with_mqtt(settings, id="attic"), monkeypatch) as made:  # whose certificate it has not
                await until(lambda: any("does not take edgevoice/attic/" in line for line in made.told))
            async with device(with_mqtt(settings, cert_file="", key_file=""), monkeypatch, connected=False) as made:
                await until(lambda: made.told)
                assert made.mqtt._link.connects == 0

    asyncio.run(act())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves a socket whose handshake failed to Python
@pytest.mark.parametrize(("change", "said"), [
    ({"password_file": ""}, "not authori"), ({"ca_file": "other.pem"}, "no TLS connection"), ({"ca_file": "none.pem"}, "none.pem"),
    ({"password_file": "/nowhere/password"}, "/nowhere/password"), ({"host": "127.0.0.1"}, "no TLS connection")])
def test_what_is_wrong_is_told_in_a_line_without_the_secret(
        certificates: Path, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
        change: dict[str, str], said: str) -> None:
    async def act() -> list[str]:
        with guarded(tmp_path / "b", certificates) as broker:
            facts: dict[str, Any] = {"username": "cellar", "password_file": str(secret), "tls": True, "ca_file": "ca.pem", **change}
            facts["ca_file"] = str(certificates / facts["ca_file"])
            settings = settings_for(broker.port, tmp_path, id="cellar", **facts)
            assert SECRET not in to_toml(settings) and SECRET not in repr(settings)
            async with device(settings, monkeypatch, connected=False) as made:
                await until(lambda: made.told)
                assert SECRET not in repr(made.mqtt._link._broker) + str(made.mqtt.health())
                return list(made.told)

    with caplog.at_level(logging.DEBUG):
        told = asyncio.run(act())
    assert said in told[0] and "\n" not in told[0]
    assert SECRET not in caplog.text + "".join(told)


def test_an_acl_that_forgets_a_topic_is_told_with_the_topic(secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        broker = guarded(tmp_path / "b", None)
        acl = tmp_path / "b" / "acl"
        acl.write_text(acl.read_text().replace("/event/#", "/evnt/#"))
        with broker:
            settings = settings_for(broker.port, tmp_path, id="cellar", username="cellar", password_file=str(secret))
            async with device(settings, monkeypatch) as made:
                made.session.set_volume(0.5)
                await until(lambda: any("/event/" in line for line in made.told))
                assert any(alert.name == "mqtt_refused" for alert in made.mqtt.health()[1])

    asyncio.run(act())


def test_the_example_configuration_runs(certificates: Path, tmp_path: Path) -> None:
    guarded(tmp_path, None)  # makes users and ACL
    text = (ROOT / "configs" / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    for theirs, ours in (("/etc/mosquitto/edgevoice.users", tmp_path / "users"), ("/etc/mosquitto/edgevoice.acl", tmp_path / "acl"),
                         ("/etc/mosquitto/ca.pem", certificates / "ca.pem"), ("/etc/mosquitto/server.pem", certificates / "server.pem"),
                         ("/etc/mosquitto/server.key", certificates / "server.key")):
        assert theirs in text
        text = text.replace(theirs, str(ours))
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "listener", "persistence", "set_tcp"))]
    with Mosquitto(tmp_path / "b", "\n".join(lines)) as broker, \
            Listener(broker.port, "edgevoice/#", username="house", password=SECRET, tls=trusting(certificates)) as house:
        house.publish("edgevoice/cellar/cmd/stop", b"{}")
        assert house.wait("/cmd/stop") == {}


def test_the_example_keeps_devices_apart(tmp_path: Path) -> None:
    with guarded(tmp_path / "b", None) as broker, Listener(broker.port, "edgevoice/#", username="house", password=SECRET) as house, \
            Listener(broker.port, username="cellar", password=SECRET, client_id="cellar") as cellar:
        house.publish("edgevoice/cellar/cmd/stop", b"{}")
        for topic in ("edgevoice/attic/cmd/stop", "edgevoice/attic/state", "homeassistant/device/attic/config",
                      "edgevoice/cellar/cmd/stop"):
            cellar.publish(topic, b"evil")
        cellar.publish("edgevoice/cellar/state", b"good")
        house.wait("cellar/state")
        assert [bytes(message.payload) for message in house.messages] == [b"{}", b"good"]


def test_the_password_comes_from_a_file_or_from_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert password("") is None
    (tmp_path / "mqtt-password").write_text("from systemd\n", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert password("") == "from systemd"
    (tmp_path / "file").write_bytes("vom Bäcker\r\nnothing of this\n".encode())
    assert password(str(tmp_path / "file")) == "vom Bäcker"
    (tmp_path / "file").write_bytes(b"\0" * 10)
    with pytest.raises(ValueError, match="holds no password"):
        password(str(tmp_path / "file"))
    with pytest.raises(OSError, match="nowhere"):
        password("/nowhere")
