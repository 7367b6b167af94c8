"""The OpenAI-compatible routes by the official client, on the default models: text, forms, tools, sound both ways, refusals, goodbyes."""

from __future__ import annotations

import asyncio
import io
import json
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import openai
import pytest
import soundfile

from edgevoice import audio
from edgevoice.adapters.http import HttpEdge
from edgevoice.pipeline.session import Engines
from edgevoice.settings import DialogSettings, HttpSettings, LendSettings, LlmSettings, Settings, WakeSettings
from tests.edges.conftest import Device, device, until
from tests.fakes.llm import FakeLlm, words
from tests.fakes.stt import FakeStt
from tests.fakes.tts import FakeTts
from tests.fakes.vad import FakeVad

TOKEN, EARS = "0123456789abcdef-all", "0123456789abcdef-ears"
CHAT, HEARS, VOICE = LlmSettings().model, Settings().stt.model, Settings().tts.model
SAID = "The quick brown fox jumps over the lazy dog."
RATE = 24_000
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "tell what the weather is like in a city", "parameters": {
    "type": "object", "required": ["city"], "properties": {"city": {"type": "string", "description": "name of the city"},
                                                           "unit": {"enum": ["celsius", "fahrenheit"]}}}}}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """A device whose conversation is scripted, and which lends the default models; its loop runs on a thread of its own."""
    file = tmp_path_factory.mktemp("openai") / "tokens"
    file.write_text(f"{TOKEN}\n{EARS} listen\n", encoding="utf-8")
    settings = Settings(http=HttpSettings(enabled=True, port=0, token_file=str(file), requests_per_s=0), lend=LendSettings(waiting=2),
                        wake=WakeSettings(enabled=False), dialog=DialogSettings(earcons=False, followup_s=0.0))
    made: queue.Queue[Any] = queue.Queue()

    async def run(monkeypatch: pytest.MonkeyPatch) -> None:
        over = asyncio.Event()
        engines = Engines(FakeVad(), FakeStt(), FakeLlm([words("All is well.")]), FakeTts(16_000, word_s=0.02))
        async with device(settings, monkeypatch, engines=engines, connected=False) as outside:
            await until(lambda: outside.http.port)
            loop = asyncio.get_running_loop()
            made.put((outside, lambda: loop.call_soon_threadsafe(over.set)))
            await over.wait()

    with pytest.MonkeyPatch.context() as monkeypatch:
        thread = threading.Thread(target=lambda: asyncio.run(run(monkeypatch)))
        thread.start()
        outside, end = made.get(timeout=30)
        try:
            yield outside
        finally:
            end()
            thread.join(20)


@pytest.fixture(scope="module")
def client(edge: Device) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port(edge)}/v1", api_key=TOKEN, max_retries=0, timeout=60) as made:
        yield made


def port(edge: Device) -> int:
    assert isinstance(edge.http, HttpEdge)
    return edge.http.port


def chat(client: openai.OpenAI, text: str = "Say hello.", **facts: Any) -> Any:
    return client.chat.completions.create(**{"model": CHAT, "messages": [{"role": "user", "content": text}], "max_tokens": 16, **facts})


@pytest.fixture(scope="module")
def spoken(client: openai.OpenAI) -> bytes:
    """``SAID`` as a WAV file, by the device itself."""
    return client.audio.speech.create(model=VOICE, voice=VOICE, input=SAID, response_format="wav").content


def test_its_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [CHAT, HEARS, VOICE]
    assert client.models.retrieve(CHAT).owned_by == "edgevoice"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_a_reply_whole_and_token_by_token_is_the_same(client: openai.OpenAI) -> None:
    whole = chat(client, "What is the capital of France?")
    assert whole.choices[0].finish_reason in ("stop", "length") and whole.usage.total_tokens > whole.usage.completion_tokens > 0
    chunks = list(chat(client, "What is the capital of France?", stream=True, stream_options={"include_usage": True}))
    parts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(parts) == whole.choices[0].message.content and len(parts) > 2
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason


def test_limits_stops_and_seeds_are_kept(client: openai.OpenAI) -> None:
    short = chat(client, "Count from one to ten.", max_completion_tokens=3)
    assert short.choices[0].finish_reason == "length" and short.usage.completion_tokens == 3
    told = chat(client, "What is the capital of France?").choices[0].message.content
    stopped = chat(client, "What is the capital of France?", stop=[told[9:14]]).choices[0]
    assert stopped.finish_reason == "stop" and stopped.message.content == told[:told.index(told[9:14])]
    warm = {"temperature": 1.5, "top_p": 1.0}
    told = {chat(client, "Tell me a story.", seed=seed, max_tokens=8, **warm).choices[0].message.content for seed in (1, 1, 2, 3)}
    assert len(told) == 3, "the same seed says the same, and others say something else"


def test_a_tool_is_called_whole_and_streamed(client: openai.OpenAI) -> None:
    ask = {"tools": [WEATHER], "tool_choice": "required", "max_tokens": 60}
    message = chat(client, "What is the weather like in Berlin?", **ask).choices[0]
    call = message.message.tool_calls[0]
    assert message.finish_reason == "tool_calls" and call.function.name == "get_weather"
    assert "Berlin" in json.loads(call.function.arguments)["city"]
    chunks = list(chat(client, "What is the weather like in Berlin?", stream=True, **ask))
    calls = [part for chunk in chunks for part in chunk.choices[0].delta.tool_calls or ()]
    assert calls[0].id and calls[0].function.name == "get_weather" and len(calls) > 2
    assert "".join(part.function.arguments for part in calls) == call.function.arguments
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    talk = chat(client, "What is the capital of France?", tools=[WEATHER], tool_choice="none")
    assert talk.choices[0].message.tool_calls is None
    named = {"type": "function", "function": {"name": "get_weather"}}
    assert chat(client, "Rain in Rome?", tools=[WEATHER], tool_choice=named, max_tokens=60).choices[0].message.tool_calls
    history = [{"role": "user", "content": "What is the weather like in Berlin?"},
               {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
               {"role": "tool", "tool_call_id": call.id, "content": "It rains."}]
    answer = client.chat.completions.create(model=CHAT, messages=history, tools=[WEATHER], tool_choice="none", max_tokens=30)
    assert answer.choices[0].message.content


def test_an_answer_comes_in_the_form_that_is_asked_for(client: openai.OpenAI) -> None:
    schema = {"type": "object", "required": ["name", "age"], "properties": {"name": {"type": "string", "maxLength": 20},
                                                                            "age": {"type": "integer", "minimum": 0}}}
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    told = json.loads(chat(client, "Tom is 7 years old.", response_format=form, max_tokens=60).choices[0].message.content)
    assert set(told) == {"name", "age"} and isinstance(told["age"], int) and "Tom" in told["name"]
    free = chat(client, "Describe a dog as JSON.", response_format={"type": "json_object"}, max_tokens=40).choices[0]
    assert free.finish_reason == "length" or isinstance(json.loads(free.message.content), dict)


@pytest.mark.parametrize(("form", "head"), [("mp3", b""), ("opus", b"OggS"), ("flac", b"fLaC"), ("wav", b"RIFF"), ("pcm", b"")])
def test_it_speaks_in_every_form(client: openai.OpenAI, form: str, head: bytes) -> None:
    asked: Any = {"model": VOICE, "voice": VOICE, "input": "The quick brown fox.", "response_format": form}
    data = client.audio.speech.create(**asked).content
    assert data.startswith(head)
    if form == "pcm":
        samples = np.frombuffer(data, "<i2") / np.float32(32768)
    elif form == "flac":  # it does not tell its length, so libsndfile reads only as much as it is asked for
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            samples = file.read(RATE, dtype="float32")
    else:
        samples = audio.decode(data, RATE)
    assert 0.9 < len(samples) / RATE < 5 and float(np.abs(samples).max()) > 0.05


def test_speech_is_sent_while_it_is_made_and_at_another_speed(client: openai.OpenAI, spoken: bytes) -> None:
    text = " ".join(f"This is sentence number {k}." for k in range(6))
    with client.audio.speech.with_streaming_response.create(model=VOICE, voice=VOICE, input=text, response_format="pcm") as response:
        began, at, size = time.monotonic(), [], 0
        for piece in response.iter_bytes():
            at.append(time.monotonic() - began)
            size += len(piece)
    assert size / 2 / RATE > 6 and at[0] < at[-1] / 2, "the first piece does not wait for the last"
    fast = client.audio.speech.create(model=VOICE, voice=VOICE, input=SAID, response_format="wav", speed=2.0).content
    assert 0.4 < len(fast) / len(spoken) < 0.65


def test_it_writes_down_what_it_said(client: openai.OpenAI, spoken: bytes, tmp_path: Path) -> None:
    heard = client.audio.transcriptions.create(model=HEARS, file=("fox.wav", spoken))
    assert "fox jumps over the lazy" in heard.text.lower()
    assert heard.usage.seconds == pytest.approx((len(spoken) - 44) / 2 / RATE, abs=0.1)
    samples, rate = soundfile.read(io.BytesIO(spoken))
    flac = io.BytesIO()
    soundfile.write(flac, np.stack([samples, samples], 1), rate, format="FLAC")
    text = client.audio.transcriptions.create(model=HEARS, file=("fox.flac", flac.getvalue()), response_format="text")
    assert "lazy dog" in text.lower()
    verbose = client.audio.transcriptions.create(model=HEARS, file=("fox.wav", spoken), response_format="verbose_json")
    assert verbose.duration == pytest.approx(heard.usage.seconds) and verbose.segments[0].text == verbose.text


def test_words_are_told_while_a_long_recording_is_read(client: openai.OpenAI, spoken: bytes) -> None:
    samples, rate = soundfile.read(io.BytesIO(spoken))
    long = io.BytesIO()
    soundfile.write(long, np.concatenate([samples, np.zeros(rate // 2)] * 4), rate, format="WAV")
    events = list(client.audio.transcriptions.create(model=HEARS, file=("long.wav", long.getvalue()), stream=True))
    assert events[-1].type == "transcript.text.done" and events[-1].text.lower().count("lazy dog") >= 3
    deltas = "".join(event.delta for event in events[:-1])
    assert len(events) > 2 and events[-1].text.startswith(deltas[:len(deltas) - 20])


def refused(param: str | None, call: Any, kind: type[openai.APIStatusError] = openai.BadRequestError) -> openai.APIStatusError:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.param == param, caught.value.body
    return caught.value


def test_what_cannot_be_done_is_refused_by_its_name(client: openai.OpenAI, spoken: bytes) -> None:
    for name, value in (("frequency_penalty", 0.5), ("n", 2), ("logprobs", True), ("temperature", 3.0), ("max_tokens", 0)):
        refused(name, lambda name=name, value=value: chat(client, **{name: value}))
    refused("logit_bias", lambda: chat(client, logit_bias={"1": 1}))
    refused("tools[0].function.parameters", lambda: chat(client, tools=[{"type": "function", "function": {
        "name": "x", "parameters": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^x$"}}}}}]))
    refused("tool_choice", lambda: chat(client, tool_choice="required"))
    refused("messages", lambda: client.chat.completions.create(model=CHAT, messages=[{"role": "assistant", "content": "Hm."}]))
    assert refused("messages", lambda: chat(client, "word " * 3000)).code == "context_length_exceeded"
    refused("model", lambda: chat(client, model="gpt-4o"), openai.NotFoundError)
    speak = client.audio.speech.create
    refused("voice", lambda: speak(model=VOICE, voice="nobody", input="x"))
    refused("response_format", lambda: speak(model=VOICE, voice=VOICE, input="x", response_format="aac"))
    refused("input", lambda: speak(model=VOICE, voice=VOICE, input="..."))
    refused("instructions", lambda: speak(model=VOICE, voice=VOICE, input="x", instructions="cheerfully"))
    hear = client.audio.transcriptions.create
    refused("file", lambda: hear(model=HEARS, file=("x.wav", b"no sound at all")))
    refused("file", lambda: hear(model=HEARS, file=("x.wav", spoken[:20])))
    refused("language", lambda: hear(model=HEARS, file=("x.wav", spoken), language="de"))
    refused("response_format", lambda: hear(model=HEARS, file=("x.wav", spoken), response_format="srt"))
    refused("file", lambda: hear(model=HEARS, file=("x.wav", b"\0" * (26 << 20))), openai.APIStatusError)


def test_only_who_has_the_token_for_it_is_served(edge: Device, client: openai.OpenAI) -> None:
    ears = client.with_options(api_key=EARS)
    assert list(ears.models.list())
    with pytest.raises(openai.PermissionDeniedError):
        chat(ears)
    with pytest.raises(openai.AuthenticationError, match="no such token"):
        chat(client.with_options(api_key="0123456789abcdef-nobody"))


def test_who_goes_away_cancels_his_work(edge: Device, client: openai.OpenAI) -> None:
    assert edge.http is not None
    stream = chat(client, "Count from one to a hundred.", stream=True, max_tokens=256)
    next(iter(stream))
    stream.close()
    began = time.monotonic()
    chat(client, "Hello.", max_tokens=1)
    assert time.monotonic() - began < 1.5, "nobody waits for 256 tokens that nobody reads"
    with client.audio.speech.with_streaming_response.create(model=VOICE, voice=VOICE, input="A word. " * 200) as speech:
        next(speech.iter_bytes())
    began = time.monotonic()
    client.audio.speech.create(model=VOICE, voice=VOICE, input="Hi there.")
    assert time.monotonic() - began < 5.0


def test_one_too_many_is_told_to_come_again(edge: Device, client: openai.OpenAI) -> None:
    url, head = f"http://127.0.0.1:{port(edge)}/v1/chat/completions", {"Authorization": f"Bearer {TOKEN}"}
    body = {"model": CHAT, "messages": [{"role": "user", "content": "Count from one to a hundred."}], "stream": True, "max_tokens": 256}

    async def act() -> tuple[int, int, str, Any]:
        async with aiohttp.ClientSession(headers=head) as web:
            async with web.post(url, json=body) as first:
                assert first.status == 200
                waiting = asyncio.create_task(web.post(url, json={**body, "stream": False}).__aenter__())
                await asyncio.sleep(0.1)
                async with web.post(url, json=body) as third:
                    told = third.status, third.headers["Retry-After"], await third.json()
                first.close()
            return (await waiting).status, *told

    served, status, wait, told = asyncio.run(act())
    assert served == 200 and status == 503 and int(wait) >= 1 and told["error"]["type"] == "rate_limit_error"
