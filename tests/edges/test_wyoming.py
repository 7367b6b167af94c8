"""The Wyoming edge of a device in real time, by the protocol's own client: what it tells, hears and speaks, and who leads."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.satellite import PauseSatellite, RunSatellite, StreamingStarted, StreamingStopped
from wyoming.snd import Played
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped
from wyoming.vad import VoiceStopped
from wyoming.wake import Detect, Detection, NotDetected

from edgevoice import app
from edgevoice.adapters.metrics import prometheus
from edgevoice.adapters.wyoming import client as clients
from edgevoice.adapters.wyoming import edge, satellite, wire
from edgevoice.audio import read, to_int16
from edgevoice.pipeline.session import Engines
from edgevoice.settings import DialogSettings, LendSettings, MqttSettings, Settings, WyomingSettings
from tests.e2e.stage import alike
from tests.edges.conftest import Device, device, until
from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

RATE = 16_000
BLOCK = 512
SENTENCE = "the birch canoe slid on the smooth planks"


class Client(AsyncTcpClient):
    """The package's, with a few words less to write."""

    async def say(self, *events: Eventable) -> None:
        for event in events:
            await self.write_event(event.event())

    async def hears(self, *kinds: type[Any], within_s: float = 20.0) -> Any:
        """The next event, which is of one of ``kinds``; ``None`` once the connection has ended."""
        async with asyncio.timeout(within_s):
            event = await self.read_event()
        if event is None:
            return None
        fits = [kind for kind in kinds if kind.is_type(event.type)]
        assert fits, f"{event.type} {event.data}"
        return fits[0].from_event(event)

    async def sounds(self, samples: np.ndarray[Any, Any], rate: int = RATE) -> None:
        await self.say(AudioStart(rate, 2, 1))
        for at in range(0, len(samples), BLOCK):
            await self.say(AudioChunk(rate, 2, 1, samples[at:at + BLOCK].astype("<i2").tobytes()))
        await self.say(AudioStop())

    async def spoken(self) -> tuple[np.ndarray[Any, Any], int]:
        """The sound of one answer, and its rate."""
        started, pieces = await self.hears(AudioStart), []
        while isinstance(event := await self.hears(AudioChunk, AudioStop), AudioChunk):
            assert (event.rate, event.width, event.channels) == (started.rate, 2, 1)
            pieces.append(np.frombuffer(event.audio, "<i2"))
        return np.concatenate([np.zeros(0, np.int16), *pieces]), started.rate


def settings_for(**wyoming: Any) -> Settings:
    return Settings(mqtt=MqttSettings(id="kitchen"), wyoming=WyomingSettings(**{"enabled": True, "port": 0, **wyoming}),
                    dialog=DialogSettings(earcons=False, followup_s=0.0, barge_in="wake"), lend=LendSettings(audio_s=30.0))


def lends_fakes(monkeypatch: pytest.MonkeyPatch, stt: Callable[[], FakeStt] = lambda: FakeStt([SENTENCE], word_s=0.1),
                tts: Callable[[], FakeTts] = lambda: FakeTts(word_s=0.05)) -> None:
    monkeypatch.setattr(app, "load_stt", lambda settings: stt())
    monkeypatch.setattr(app, "load_tts", lambda settings: tts())


@contextlib.asynccontextmanager
async def box(monkeypatch: pytest.MonkeyPatch, *, wakes: bool = False, **wyoming: Any) -> AsyncIterator[Device]:
    """A device; ``wakes``: with the real detector at its microphone."""
    settings = settings_for(**wyoming)
    wake = app.load_wake(settings) if wakes else None
    engines = Engines(FakeVad(), FakeStt(["who was ada"]), FakeLlm([words("All is well.")]), FakeTts(RATE, word_s=0.1), wake=wake)
    async with device(settings, monkeypatch, engines=engines, connected=False) as made:
        assert made.wyoming is not None
        await until(lambda: made.wyoming.port)
        yield made
        assert made.session.failure is None and made.wyoming.problem is None


@contextlib.asynccontextmanager
async def asking(made: Device) -> AsyncIterator[Client]:
    assert made.wyoming is not None
    async with Client("127.0.0.1", made.wyoming.port) as client:
        yield client


def health(made: Device) -> dict[str, Any]:
    assert made.wyoming is not None
    return made.wyoming.health()[0]


def test_it_tells_what_is_installed_and_answers_a_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with box(monkeypatch) as made, asking(made) as client:
            await client.say(Ping("still there?"))
            assert (await client.hears(Pong)).text == "still there?"
            await client.say(Describe())
            info = await client.hears(Info)
            settings = Settings()
            (stt,), (voice,), (word,) = info.asr[0].models, info.tts[0].voices, info.wake[0].models
            assert (stt.name, voice.name, word.name) == (settings.stt.model, settings.tts.model, "okay_nabu")
            assert stt.languages == voice.languages == ["en"] and "en" in word.languages and word.phrase == "Okay Nabu"
            assert stt.version.startswith("0.0.68+") and "moonshine" in stt.attribution.name and "MIT" in stt.description
            assert info.tts[0].supports_synthesize_streaming and not info.asr[0].supports_transcript_streaming
            assert info.satellite is None, "off unless wanted"
            await client.say(RunSatellite())
            assert (await client.hears(Error)).code == "unavailable" and await client.hears() is None
        async with box(monkeypatch, satellite=True, area="Kitchen") as made, asking(made) as client:
            await client.say(Describe())
            told = (await client.hears(Info)).satellite
            assert told.name == "kitchen" and told.area == "Kitchen" and told.active_wake_words == ["okay_nabu"]

    asyncio.run(act())


def test_sound_in_any_form_is_written_down_and_text_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        lends_fakes(monkeypatch)
        async with box(monkeypatch) as made, asking(made) as client:
            tone = np.full(RATE * 2, 8000, np.int16)
            await client.say(Transcribe(language="en"))
            await client.sounds(tone)
            heard = await client.hears(Transcript)
            assert (heard.text, heard.language) == (SENTENCE, "en")
            await client.sounds(np.repeat(tone, 3), 48_000)
            assert (await client.hears(Transcript)).text == SENTENCE
            await client.say(AudioStart(RATE, 2, 2), AudioChunk(RATE, 2, 2, np.repeat(tone, 2).tobytes()), AudioStop())
            assert (await client.hears(Transcript)).text == SENTENCE
            await client.say(Transcribe(), AudioStart(RATE, 2, 1), AudioStop())
            assert (await client.hears(Transcript)).text == "", "nothing was said"

            await client.say(Synthesize("The kettle is on, and the tea is ready."))
            sound, rate = await client.spoken()
            assert rate == 22_050 and len(sound) == pytest.approx(9 * 0.05 * rate, abs=9)
            await client.say(SynthesizeStart(), SynthesizeChunk("The kettle is on, and the tea is "))
            started = await client.hears(AudioStart)  # before the text is whole
            await client.say(SynthesizeChunk("ready."), Synthesize("The kettle is on, and the tea is ready."), SynthesizeStop())
            frames = 0
            while isinstance(event := await client.hears(AudioChunk, AudioStop), AudioChunk):
                frames += len(event.audio) // 2
            assert started.rate == rate and frames == pytest.approx(len(sound), abs=9), "once"
            await client.hears(SynthesizeStopped)
            await client.say(Synthesize("…"))
            assert len((await client.spoken())[0]) == 0
            told = health(made)
            assert told["requests"] == {"transcribe": 4, "synthesize": 3, "detect": 0} and told["refused"] == 0

    asyncio.run(act())


def test_what_the_devices_own_engines_speak_they_write_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with box(monkeypatch) as made, asking(made) as client:
            said, understood = "What is the weather like tomorrow?", {False: False, True: False}
            for streamed in (False, True) * 3:  # the voice speaks a text a little differently each time
                if understood[streamed]:
                    continue
                if streamed:
                    await client.say(SynthesizeStart(), *(SynthesizeChunk(f"{word} ") for word in said.split()), SynthesizeStop())
                else:
                    await client.say(Synthesize(said))
                sound, rate = await client.spoken()
                if streamed:
                    await client.hears(SynthesizeStopped)
                await client.say(Transcribe())
                await client.sounds(np.concatenate([np.zeros(rate // 4, np.int16), sound, np.zeros(rate // 4, np.int16)]), rate)
                text = (await client.hears(Transcript)).text
                understood[streamed] = alike(text, said)
            assert all(understood.values()), text

    asyncio.run(act())


def test_wake_words_are_heard_in_a_clients_sound(monkeypatch: pytest.MonkeyPatch, shared: Path) -> None:
    async def act() -> None:
        clip = to_int16(read(sorted((shared / "audio/wake/okay_nabu").iterdir())[1]))
        quiet = np.zeros(RATE, np.int16)
        async with box(monkeypatch) as made, asking(made) as client:
            await client.say(Detect(["okay_nabu"]))
            await client.sounds(np.concatenate([quiet, clip, quiet]))
            heard = await client.hears(Detection)
            assert heard.name == "okay_nabu" and 1000 < heard.timestamp < 1000 * (1 + len(clip) / RATE + 1)
            await client.sounds(np.concatenate([quiet, quiet]))
            await client.hears(NotDetected)
            await client.say(Detect(["hey_nobody"]))
            assert (await client.hears(Error)).code == "unknown" and await client.hears() is None
            assert health(made)["requests"]["detect"] == 2

    asyncio.run(act())


class Home(Client):
    """A Home Assistant that runs its pipeline on what a satellite sends."""

    async def pipeline(self) -> str:
        """Until sound comes: the wake word that was said."""
        run = await self.hears(RunPipeline)
        assert (run.start_stage, run.end_stage) == (PipelineStage.ASR, PipelineStage.TTS)
        assert (await self.hears(Detection)).name == run.wake_word_name
        await self.hears(StreamingStarted)
        return str(run.wake_word_name)

    async def hears_speech(self, enough: int) -> np.ndarray[Any, Any]:
        """What the microphone sends, until ``enough`` samples of it are loud."""
        pieces: list[np.ndarray[Any, Any]] = []
        while sum(np.count_nonzero(np.abs(piece) > 4000) for piece in pieces) < enough:
            chunk = await self.hears(AudioChunk)
            assert (chunk.rate, chunk.width, chunk.channels) == (RATE, 2, 1)
            pieces.append(np.frombuffer(chunk.audio, "<i2").astype(np.int32))
        return np.concatenate(pieces)

    async def ends(self, kind: type[Any]) -> None:
        """What was on its way may come before it."""
        while isinstance(await self.hears(AudioChunk, kind), AudioChunk):
            pass


def tone(seconds: float, hertz: float, rate: int) -> np.ndarray[Any, Any]:
    return (9000 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


def strength(samples: np.ndarray[Any, Any], hertz: float) -> float:
    """The amplitude of a tone in it."""
    spectrum = np.abs(np.fft.rfft(samples)) * 2 / len(samples)
    at = round(hertz * len(samples) / RATE)
    return float(spectrum[max(0, at - 3):at + 4].max())


def test_home_assistant_hears_the_device_and_is_heard_by_it(monkeypatch: pytest.MonkeyPatch, shared: Path) -> None:
    async def act() -> None:
        clip = to_int16(read(sorted((shared / "audio/wake/okay_nabu").iterdir())[1]))
        async with box(monkeypatch, wakes=True, satellite=True) as made, Home("127.0.0.1", made.wyoming.port) as home:  # type: ignore
            stage, session = made.stage, made.session
            await home.say(RunSatellite())
            await until(lambda: health(made)["leads"])
            said = stage.device.position + RATE // 10
            stage.device.say(np.concatenate([clip, np.zeros(RATE // 5, np.int16), tone(0.5, 600, RATE)]), said)
            assert await home.pipeline() == "okay_nabu"
            heard = await home.hears_speech(RATE // 5)
            assert strength(heard[-RATE // 4:], 600) > 3000
            await home.say(VoiceStopped(), Transcript("what time is it"))
            await home.ends(StreamingStopped)
            before = stage.device.position
            await home.say(AudioStart(22_050, 2, 1), *(AudioChunk(22_050, 2, 1, piece.tobytes())
                                                       for piece in np.split(tone(0.8, 440, 22_050), 20)), AudioStop())
            await home.hears(Played)
            played = stage.device.recording()[1][before:]
            sounding = np.flatnonzero(played)
            assert len(sounding) and sounding[-1] - sounding[0] == pytest.approx(0.8 * RATE, abs=0.1 * RATE)
            assert strength(played[sounding[0]:sounding[-1]], 440) > 4000
            assert not made.find("stt_final") and not made.find("llm_first_token"), "the device's own brain has nothing to do with it"

            # Its wake word interrupts what is said.
            await home.say(AudioStart(22_050, 2, 1), AudioChunk(22_050, 2, 1, tone(8, 440, 22_050).tobytes()), AudioStop())
            await until(lambda: session.machine.state.value == "speaking")
            stage.device.say(clip, stage.device.position + RATE // 4)
            events = {type(await home.hears(RunPipeline, Played, Detection, StreamingStarted)) for _ in range(4)}
            assert events == {RunPipeline, Played, Detection, StreamingStarted}
            assert session.machine.state.value == "idle"

            # Muted, it sends no more, and hears no word.
            session.mute(True)
            await home.ends(AudioStop)
            await home.hears(StreamingStopped)
            stage.device.say(clip, stage.device.position + RATE // 4)
            with pytest.raises(TimeoutError):
                await home.hears(within_s=len(clip) / RATE + 0.75)
            session.mute(False)
            assert health(made)["pipelines"] == 2 and health(made)["lost_s"] == 0

    asyncio.run(act())


def test_the_conversation_is_the_devices_own_while_nobody_leads(monkeypatch: pytest.MonkeyPatch, shared: Path) -> None:
    async def act() -> None:
        clip = to_int16(read(sorted((shared / "audio/wake/okay_nabu").iterdir())[1]))
        async with box(monkeypatch, wakes=True, satellite=True) as made:
            for leave in ("pause", "vanish", "replaced"):
                home = Home("127.0.0.1", made.wyoming.port)  # type: ignore[union-attr]
                await home.connect()
                await home.say(RunSatellite())
                await until(lambda: health(made)["leads"])
                if leave == "pause":
                    await home.say(PauseSatellite())
                elif leave == "vanish":
                    home._writer.transport.abort()  # type: ignore[union-attr]
                else:
                    async with asking(made) as newer:
                        await newer.say(RunSatellite(), Ping())
                        await newer.hears(Pong)
                        assert await home.hears() is None and health(made)["leads"], "the newest leads"
                await until(lambda: not health(made)["leads"])
                with contextlib.suppress(ConnectionError):
                    await home.disconnect()
            await asyncio.sleep(0.05)
            made.stage.device.say(clip, made.stage.device.position + RATE // 4)
            await until(lambda: made.session.machine.state.value == "listening")

    asyncio.run(act())


async def raw(port: int, data: bytes, *, over: bool = False) -> bytes:
    """What is answered to bytes, until the connection is closed; ``over``: no more bytes come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    if over:
        writer.write_eof()
    answer = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while piece := await reader.read(65_536):
                answer += piece
    writer.close()
    return answer


BAD = [b"\n", b"[]\n", b"null\n", b"{}\n", b'{"type": 7}\n', b'{"type": ""}\n', b'{"type": "ping", "data": [1]}\n', b"\xff\xfe\n",
       b'{"type": "ping", "data_length": -1}\n', b'{"type": "ping", "data_length": 1e9}\n', b'{"type": "ping", "data_length": true}\n',
       b'{"type": "audio-chunk", "payload_length": 99999999999}\n', b"[" * 60_000 + b"\n", b"x" * 200_000 + b"\n",
       b'{"type": "ping", "data_length": 3}\nabc', b'{"type": "ping", "data": {"text": 5}}\n', b'{"type": "ping", "data": {"text": NaN}}\n',
       b'{"type": "audio-start"}\n', b'{"type": "audio-chunk", "data": {"rate": 1, "width": 2, "channels": 1}}\n',
       b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}, "payload_length": 3}\nabc',
       b'{"type": "audio-start", "data": {"rate": true, "width": 2, "channels": 1}}\n', b'{"type": "detect", "data": {"names": "x"}}\n',
       b'{"type": "synthesize", "data": {"text": ["x"]}}\n', b'{"type": "synthesize-chunk", "data": {"text": "x"}}\n',
       b'{"type": "synthesize-start"}\n{"type": "synthesize-start"}\n']


def test_nonsense_is_told_and_costs_its_connection_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        lends_fakes(monkeypatch)
        async with box(monkeypatch, satellite=True) as made:
            port = made.wyoming.port  # type: ignore[union-attr]
            for bad in BAD:
                answer = await raw(port, bad)
                assert b'"error"' in answer and b'"malformed"' in answer, bad[:80]
            assert health(made)["refused"] == len(BAD)
            chance, form = random.Random(5), satellite.FORM
            good = b"".join(wire.written(kind, data, payload) for kind, data, payload in [
                ("describe", {}, b""), ("transcribe", {}, b""), ("audio-start", form, b""), ("audio-chunk", form, bytes(640)),
                ("audio-stop", {}, b""), ("run-satellite", {}, b""), ("audio-start", form, b""), ("timer-finished", {"id": "1"}, b""),
                ("synthesize", {"text": "Hello."}, b""), ("pause-satellite", {}, b"")])
            for _ in range(150):
                bent = bytearray(good[:chance.randrange(len(good)) + 1])
                for _ in range(chance.randrange(1, 6)):
                    bent[chance.randrange(len(bent))] = chance.randrange(256)
                await raw(port, bytes(bent), over=True)
            await until(lambda: not health(made)["connections"])
            async with asking(made) as client:
                await client.say(Synthesize("Still here."))
                assert len((await client.spoken())[0])
            made.session.say("All is well.")
            await until(lambda: made.find("playback_end"))

    asyncio.run(act())


def test_bounds_of_sound_text_requests_and_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        lends_fakes(monkeypatch, tts=lambda: FakeTts(hang=True))
        async with box(monkeypatch, clients=3) as made:
            async with asking(made) as client:
                await client.say(Transcribe())
                with contextlib.suppress(ConnectionError):
                    await client.sounds(np.zeros(RATE * 31, np.int16))
                assert "30 s" in (await client.hears(Error)).text and await client.hears() is None
            async with asking(made) as client:
                await client.say(Synthesize("x" * (clients.MOST_TEXT + 1)))
                assert (await client.hears(Error)).code == "malformed"
            async with asking(made) as client:
                await client.say(*[Synthesize("Hello.")] * (clients.PENDING + 1))
                assert (await client.hears(Error)).code == "busy"
            await until(lambda: not health(made)["connections"])
            async with asking(made), asking(made), asking(made), asking(made) as fourth:
                await until(lambda: health(made)["turned_away"] == 1)
                assert await fourth.hears() is None
            assert prometheus({**made_health(made)}).count("edgevoice_wyoming_") >= 7

    asyncio.run(act())


def made_health(made: Device) -> dict[str, Any]:
    """As much of a snapshot as the metrics of this edge are in."""
    sound = dict.fromkeys(("open", "losses", "xruns_in", "xruns_out", "dropped_ms", "ring_ms", "late_worst_ms", "erle_db", "drift_ppm"), 0)
    playout = dict.fromkeys(("underruns", "depth_ms", "jitter_p95_ms", "stretch_share"), 0)
    host = {**dict.fromkeys(("cpu_percent", "rss_mb", "memory_free_mb", "disk_free_mb", "temperature_c", "wifi_dbm", "load_1m")),
            "throttling": []}
    spared = dict.fromkeys(("attempts", "confirmed", "dropped", "refused", "wasted_cpu_s"), 0)
    return {"version": "1", "models": {}, "model_versions": {}, "ok": True, "uptime_s": 1.0, "alerts": [], "latency_ms": {}, "counts": {},
            "engines": {}, "queues": {}, "sound": sound, "playout": playout, "host": host, "speculation": spared,
            "ladder": {"level": "full"}, "wyoming": health(made)}


def test_slow_and_vanishing_clients_let_go_of_what_they_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        monkeypatch.setattr(clients, "SEND_S", 0.5)
        voices: list[FakeTts] = []

        def voice() -> FakeTts:
            voices.append(FakeTts(48_000, word_s=1.0))
            return voices[-1]

        lends_fakes(monkeypatch, lambda: FakeStt([SENTENCE], word_s=0.1, delay_s=1.2), voice)
        async with box(monkeypatch, idle_s=1.0) as made:
            port = made.wyoming.port  # type: ignore[union-attr]
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            text = " ".join(["A word, and more."] * 30)
            await asyncio.get_running_loop().sock_sendall(sock, wire.written("synthesize", {"text": text}))
            await until(lambda: health(made)["connections"] == 1)
            await until(lambda: health(made)["connections"] == 0)  # it reads nothing
            sock.close()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(wire.written("synthesize", {"text": text}))
            await until(lambda: len(voices) and health(made)["requests"]["synthesize"] == 2)
            writer.transport.abort()
            await until(lambda: health(made)["connections"] == 0)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b'{"type": "pi')  # and no more
            await until(lambda: health(made)["connections"] == 1)
            await until(lambda: health(made)["connections"] == 0)
            writer.close()
            async with asking(made) as client:
                await client.say(Synthesize("Hello."))
                assert len((await client.spoken())[0]) == 48_000
            assert len(voices) == 1
            async with asking(made) as client:  # who waits for us is not idle
                await client.say(Transcribe())
                await client.sounds(np.full(RATE, 8000, np.int16))
                assert (await client.hears(Transcript)).text == SENTENCE

    asyncio.run(act())


def test_who_may_connect() -> None:
    allowed = edge.Allowed(["192.168.1.0/24", "fd00::1"])
    assert all(allowed.may(who) for who in ("127.0.0.1", "::1", "192.168.1.9", "::ffff:192.168.1.9", "fd00::1", "fd00::1%eth0"))
    assert not any(allowed.may(who) for who in ("192.168.2.1", "fd00::2", "", "home.local", "::ffff:10.0.0.1"))


def test_no_port_is_told_and_nothing_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            settings = settings_for(port=taken.getsockname()[1])
            async with device(settings, monkeypatch, connected=False) as made:
                await until(lambda: made.wyoming.problem)  # type: ignore[union-attr]
                assert "wyoming.port" in made.wyoming.problem  # type: ignore[union-attr,operator]
                assert [alert.name for alert in made.wyoming.health()[1]] == ["wyoming_not_served"]  # type: ignore[union-attr]

    asyncio.run(act())


def test_an_event_is_read_as_it_was_written() -> None:
    async def act() -> None:
        reader = asyncio.StreamReader()
        for event in (Event("a", {"x": "ä"}, b"\n\x00"), Event("b")):
            reader.feed_data(wire.written(event.type, event.data, event.payload or b""))
        reader.feed_eof()
        assert await wire.read(reader) == wire.Event("a", {"x": "ä"}, b"\n\x00")
        assert await wire.read(reader) == wire.Event("b") and await wire.read(reader) is None

    asyncio.run(act())
