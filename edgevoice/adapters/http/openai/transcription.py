"""``POST /v1/audio/transcriptions``: the recognizer on loan."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiohttp import BodyPartReader, web

from edgevoice import audio
from edgevoice.adapters.house import Failed
from edgevoice.adapters.http.answers import events_answer, json_answer, send
from edgevoice.adapters.http.feed import sse
from edgevoice.adapters.http.openai.common import Names, check, lent, refusal
from edgevoice.adapters.http.openai.schemas import MOST_AUDIO, TRANSCRIPTION
from edgevoice.adapters.verbs import Refused, dumps
from edgevoice.audio import Float32
from edgevoice.errors import AudioFileError
from edgevoice.pipeline.lending import HEARD_RATE, Lender
from edgevoice.settings import LendSettings

UPLOAD_S = 60.0
"""for a recording to come in whole"""
AT_ONCE = 2
"""recordings in memory"""
MOST_FIELD, MOST_FIELDS = 4096, 16
"""bytes of a field beside the file, and how many there may be"""


class Transcription:
    def __init__(self, lender: Lender, names: Names, settings: LendSettings) -> None:
        self._lender, self._names, self._settings = lender, names, settings
        self._present = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self._present >= AT_ONCE:
            raise Refused("busy", f"{AT_ONCE} recordings are being written down already", {"retry_s": 2})
        self._present += 1
        try:
            fields, data = await self._read(request)
            check(TRANSCRIPTION, fields)
            self._names.check(fields["model"], self._names.transcription)
            try:
                samples = await asyncio.to_thread(audio.decode, data, HEARD_RATE, self._settings.audio_s)
            except AudioFileError as error:
                raise Refused("malformed", f"file: {error}", {"param": "file"}) from error
            if fields.get("stream") == "true":
                return await self._streamed(request, samples)
            return await self._whole(request, samples, fields.get("response_format", "json"))
        finally:
            self._present -= 1

    async def _whole(self, request: web.Request, samples: Float32, form: str) -> web.StreamResponse:
        with lent("file"):
            text = await self._lender.transcribe(samples, request.remote or "")
        if form == "text":
            return web.Response(text=f"{text}\n", headers={"Content-Type": "text/plain; charset=utf-8"})
        seconds = round(len(samples) / HEARD_RATE, 3)
        made: dict[str, Any] = {"text": text, "usage": {"type": "duration", "seconds": seconds}}
        if form == "verbose_json":
            made |= {"task": "transcribe", "language": "english", "duration": seconds,
                     "segments": [{"id": 0, "start": 0.0, "end": seconds, "text": text}] if text else []}
        return json_answer(made)

    async def _streamed(self, request: web.Request, samples: Float32) -> web.StreamResponse:
        """Only words that stay are told before the end; the last event has the whole text."""
        told, response = "", None
        async with contextlib.aclosing(self._lender.read(samples, request.remote or "")) as heard:
            try:
                with lent("file"):
                    async for partial in heard:
                        response = response or await events_answer(request)
                        settled = partial.text[:partial.stable]
                        if settled.startswith(told) and len(settled) > len(told):
                            await send(response, sse(dumps({"type": "transcript.text.delta", "delta": settled[len(told):]})))
                            told = settled
                        last = partial.text
            except (Refused, Failed) as error:
                if response is None:
                    raise
                await send(response, sse(dumps(refusal(error.reason, str(error), {}))))
                return response
        assert response is not None, "there is a last one"
        usage = {"type": "duration", "seconds": round(len(samples) / HEARD_RATE, 3)}
        await send(response, sse(dumps({"type": "transcript.text.done", "text": last, "usage": usage})))
        return response

    async def _read(self, request: web.Request) -> tuple[dict[str, str], bytes]:
        """The fields, and the file."""
        if request.content_type != "multipart/form-data":
            raise Refused("type", "wants Content-Type: multipart/form-data")
        if (request.content_length or 0) > MOST_AUDIO + MOST_FIELDS * MOST_FIELD:
            raise Refused("oversized", f"{request.content_length} bytes; at most {MOST_AUDIO} of sound", {"param": "file"})
        try:
            async with asyncio.timeout(UPLOAD_S):
                return await _parts(request)
        except TimeoutError:
            raise Refused("late", f"it did not come whole within {UPLOAD_S:g} s") from None
        except (ValueError, LookupError, AssertionError, RuntimeError) as error:  # whatever a multipart reader stumbles over
            raise Refused("malformed", f"no multipart/form-data ({str(error)[:100]})") from error


async def _parts(request: web.Request) -> tuple[dict[str, str], bytes]:
    fields: dict[str, str] = {}
    data: bytes | None = None
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or not part.name or part.name in fields or len(fields) >= MOST_FIELDS:
            raise Refused("malformed", "each part is a field with a name of its own")
        most = MOST_AUDIO if part.name == "file" else MOST_FIELD
        found = bytearray()
        while chunk := await part.read_chunk(65_536):
            found += chunk
            if len(found) > most:
                raise Refused("oversized", f"{part.name[:40]}: more than {most} bytes", {"param": part.name[:40]})
        if part.name != "file":
            fields[part.name] = found.decode("utf-8")
        elif data is not None:
            raise Refused("malformed", "file: stands twice", {"param": "file"})
        else:
            data = bytes(found)
    if data is None:
        raise Refused("malformed", "file: is missing", {"param": "file"})
    return fields, data
