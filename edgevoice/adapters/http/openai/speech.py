"""``POST /v1/audio/speech``: the synthesizer on loan, sent as it speaks."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from edgevoice.adapters.http.answers import begun, json_body, send
from edgevoice.adapters.http.openai.common import Names, check, lent
from edgevoice.adapters.http.openai.encoding import TYPES, Encoder
from edgevoice.adapters.http.openai.schemas import SPEECH
from edgevoice.adapters.verbs import Refused, parsed
from edgevoice.pipeline.lending import Lender

MOST_BYTES = 65_536
"""of a request; a character may be written as six"""


class Speech:
    def __init__(self, lender: Lender, names: Names) -> None:
        self._lender, self._names = lender, names

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = parsed(await json_body(request, MOST_BYTES))
        check(SPEECH, asked)
        self._names.check(asked["model"], self._names.speech)
        if asked["voice"] != self._names.speech:
            raise Refused("malformed", f"voice: there is no {asked['voice'][:60]!r}; there is {self._names.speech}", {"param": "voice"})
        form = asked.get("response_format", "mp3")
        async with contextlib.aclosing(self._lender.speak(asked["input"], request.remote or "", asked.get("speed", 1.0))) as sound:
            with lent("input"):
                piece = await anext(aiter(sound), None)
            if piece is None:
                raise Refused("malformed", "input: nothing in it can be spoken", {"param": "input"})
            encoder = Encoder(form, piece[1])
            response = await begun(request, {"Content-Type": TYPES[form], "X-Accel-Buffering": "no"})
            while piece is not None:
                if made := await asyncio.to_thread(encoder.feed, piece[0]):
                    await send(response, made)
                try:
                    with lent("input"):
                        piece = await anext(aiter(sound), None)
                except Exception as error:
                    raise ConnectionAbortedError("half a sound is told by a broken connection") from error
            await send(response, await asyncio.to_thread(encoder.finish))
        return response
