"""Downloads against a server that behaves badly in every way we know of."""

from __future__ import annotations

import hashlib
import random
import subprocess
from pathlib import Path

import pytest

from edgevoice.errors import SourceError, StorageError
from edgevoice.models import web
from edgevoice.models.catalogue import Url
from edgevoice.models.progress import Progress
from tests.fakes.web_server import Page, running

BODY = random.Random(7).randbytes(400_000)
HASH = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def ask(tmp_path):
    """Fetch from these mirrors."""
    def ask(*urls: str, expected: str = "", size: int = 0, room=lambda more: None, timeout_s: float = 5.0) -> Path:
        origin = Url("file.bin", urls, size, expected)
        return web.fetch(web.Request(origin, tmp_path / "d", expected, Progress(), room, timeout_s, backoff_s=0.01))
    return ask


@pytest.fixture
def part(tmp_path):
    return tmp_path / "d" / "file.bin.part"


def test_a_file_comes_whole_and_alone(server, ask):
    path = ask(server.put("f", BODY))
    assert path.read_bytes() == BODY
    assert [file.name for file in path.parent.iterdir()] == ["file.bin"]


def test_what_is_there_is_not_asked_for_again(server, ask):
    url = server.put("f", BODY)
    ask(url)
    ask(url)
    assert len(server.asked) == 1


class TestResume:
    @pytest.mark.parametrize("page", [{}, {"modified": True}, {"etag": ""}], ids=["etag", "last-modified", "neither, but a hash"])
    def test_cut_connections_are_continued(self, server, ask, page):
        url = server.put("f", Page(BODY, cuts=[100_000, 150_000], **page))
        assert ask(url, expected=HASH).read_bytes() == BODY
        assert [asked.range for asked in server.asked] == ["", "bytes=100000-", "bytes=250000-"]

    def test_a_file_that_changed_in_between_is_fetched_anew(self, server, ask, part):
        url = server.put("f", Page(b"x" * 400_000, cuts=[100_000, 0, 0, 0, 0, 0]))
        with pytest.raises(SourceError):
            ask(url)
        assert part.stat().st_size == 100_000
        server.put("f", Page(BODY, etag='"two"'))
        assert ask(url).read_bytes() == BODY
        assert server.asked[-1].if_range == '"one"'

    def test_a_server_without_ranges_is_asked_again_from_the_start(self, server, ask):
        url = server.put("f", Page(BODY, cuts=[100_000, 200_000], ranges=False))
        assert ask(url, expected=HASH).read_bytes() == BODY

    def test_without_validator_or_hash_nothing_is_continued(self, server, ask):
        url = server.put("f", Page(BODY, cuts=[100_000], etag=""))
        assert ask(url).read_bytes() == BODY
        assert [asked.range for asked in server.asked] == ["", ""]

    def test_a_weak_etag_does_not_vouch(self, server, ask):
        url = server.put("f", Page(BODY, cuts=[100_000], etag='W/"one"'))
        assert ask(url).read_bytes() == BODY
        assert [asked.range for asked in server.asked] == ["", ""]

    def test_a_part_that_was_wrong_is_thrown_away_once(self, server, ask, part):
        part.parent.mkdir()
        part.write_bytes(b"?" * 1000)
        assert ask(server.put("f", BODY), expected=HASH).read_bytes() == BODY
        assert [asked.range for asked in server.asked] == ["bytes=1000-", ""]

    def test_a_part_that_is_complete_already(self, server, ask, part):
        part.parent.mkdir()
        part.write_bytes(BODY)
        assert ask(server.put("f", BODY), expected=HASH).read_bytes() == BODY

    def test_a_part_is_continued_from_another_mirror_where_the_hash_is_known(self, server, ask):
        one = server.put("one", Page(BODY, cuts=[100_000, 0, 0, 0, 0]))
        two = server.put("two", Page(BODY, etag='"other"'))
        assert ask(one, two, expected=HASH).read_bytes() == BODY
        assert server.asked[-1].range == "bytes=100000-" and server.asked[-1].path == "/two"


class TestMirrors:
    @pytest.mark.parametrize("bad", [
        Page(BODY, statuses=[404]), Page(BODY, statuses=[403]), Page(BODY, statuses=[503] * 9), Page(BODY[:-1]), Page(BODY + b"x"),
        Page(BODY[:-1] + b"?"), Page(BODY, cuts=[0] * 9), Page(BODY, claim=500_000), Page(BODY + b"x", length=False)],
        ids=["404", "403", "503", "shorter", "longer", "another file", "cut", "claims more", "sends more"])
    def test_the_next_one_is_asked(self, server, ask, bad):
        path = ask(server.put("bad", bad), server.put("good", BODY), expected=HASH, size=len(BODY))
        assert path.read_bytes() == BODY
        assert server.asked[-1].path == "/good"

    def test_all_failures_are_named(self, server, ask):
        short = server.put("short", BODY[:-1])
        with pytest.raises(SourceError) as error:
            ask(server.url("none"), short, size=len(BODY), expected=HASH)
        assert f"{server.url('none')} answers HTTP 404" in str(error.value)
        assert f"{short} has 399999 bytes, expected 400000" in str(error.value)

    def test_a_wrong_hash_names_both(self, server, ask, tmp_path):
        with pytest.raises(SourceError, match=f"sha256 {HASH}, expected {'0' * 64}"):
            ask(server.put("f", BODY), expected="0" * 64)
        assert not [file for file in (tmp_path / "d").iterdir() if file.stat().st_size > 1000]

    def test_passing_trouble_is_waited_out(self, server, ask):
        url = server.put("f", Page(BODY, statuses=[503, 429, 500]))
        assert ask(url).read_bytes() == BODY

    def test_nobody_home(self, ask, part):
        with pytest.raises(SourceError, match=r"127\.0\.0\.1:9/f did not deliver: Connection refused"):
            ask("http://127.0.0.1:9/f", expected=HASH)


def test_a_stalled_connection_is_left_and_continued(server, ask):
    url = server.put("f", Page(BODY, stalls=[50_000, 50_000]))
    assert ask(url, expected=HASH, timeout_s=0.5).read_bytes() == BODY
    assert [asked.range for asked in server.asked] == ["", "bytes=50000-", "bytes=100000-"]


def test_a_slow_server_is_only_slow(server, ask):
    assert ask(server.put("f", Page(BODY, drip_s=0.05)), timeout_s=0.5).read_bytes() == BODY


def test_a_server_that_says_no_length_is_believed_only_with_a_hash(server, ask, tmp_path):
    url = server.put("f", Page(BODY, length=False))
    assert ask(url, expected=HASH).read_bytes() == BODY
    (tmp_path / "d" / "file.bin").unlink()
    with pytest.raises(SourceError, match="does not say how long the file is"):
        ask(url)


def test_the_disk_is_asked_before_the_first_byte(server, ask, part):
    def room(more: int) -> None:
        assert more == len(BODY)
        raise StorageError("too small")

    with pytest.raises(StorageError):
        ask(server.put("f", BODY), room=room)
    assert not part.exists()


class TestScheme:
    @pytest.mark.parametrize(("url", "said"), [
        ("http://example.invalid/f", "is not https"), ("ftp://example.invalid/f", "is no source"), ("https:///f", "is no source")])
    def test_others_than_https_are_refused(self, ask, url, said):
        with pytest.raises(SourceError, match=said):
            ask(url)

    def test_http_may_carry_what_a_hash_vouches_for(self):
        web._permit("http://nas.local/f", HASH)

    def test_names_of_files_come_from_the_path(self):
        assert web.filename("https://h/a/b%20c.gguf?download=true#x") == "b c.gguf"
        for url in ("https://h", "https://h/", "https://h/a/..", "https://h/a%2F.."):
            with pytest.raises(SourceError, match="names no file"):
                web.filename(url)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    pem = folder / "both.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key", "-out", folder / "cert"],
        capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"openssl cannot make a certificate here: {made.stderr.decode()[-200:]}")
    pem.write_bytes((folder / "key").read_bytes() + (folder / "cert").read_bytes())
    return pem


class TestTls:
    def test_a_trusted_certificate(self, certificate, ask, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with running(certificate) as server:
            assert ask(server.put("f", BODY)).read_bytes() == BODY

    def test_an_unknown_certificate_is_refused_at_once(self, certificate, ask):
        with running(certificate) as server, pytest.raises(SourceError, match="certificate is not valid: self-signed certificate"):
            ask(server.put("f", BODY))

    def test_a_redirect_away_from_https_is_refused(self, certificate, ask, monkeypatch, server):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with running(certificate) as secure, pytest.raises(SourceError, match=r"redirects to http://.* which is not https"):
            ask(secure.put("f", Page(b"", redirect=server.put("f", BODY))))


def test_a_redirect_is_followed(server, ask):
    assert ask(server.put("old", Page(b"", redirect=server.put("new", BODY)))).read_bytes() == BODY
