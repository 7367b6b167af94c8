"""``POST /v1/chat/completions``: the language model on loan, whole or token by token, in a form or calling the caller's tools."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from edgevoice.adapters.house import Failed
from edgevoice.adapters.http.answers import events_answer, json_answer, json_body, send
from edgevoice.adapters.http.feed import sse
from edgevoice.adapters.http.openai.common import Names, check, lent, refusal
from edgevoice.adapters.http.openai.schemas import CHAT, MOST_CHAT
from edgevoice.adapters.verbs import Refused, dumps, parsed
from edgevoice.events import Message, Role, Sampling, Usage
from edgevoice.pipeline.lending import Delta, Lender, Offered, Writing
from edgevoice.settings import Settings
from edgevoice.tools.json_grammar import ANY_OBJECT, grammar_of

_ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "user"}


class Chat:
    def __init__(self, lender: Lender, names: Names, settings: Settings) -> None:
        self._lender, self._names, self._settings = lender, names, settings

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = parsed(await json_body(request, MOST_CHAT))
        check(CHAT, asked)
        self._names.check(asked["model"], self._names.chat)
        writing = writing_of(asked, self._settings)
        head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": asked["model"]}
        async with contextlib.aclosing(self._lender.write(writing, request.remote or "")) as deltas:
            if asked.get("stream"):
                return await _streamed(request, deltas, head, bool((asked.get("stream_options") or {}).get("include_usage")))
            return await _whole(deltas, head)


async def _whole(deltas: AsyncIterator[Delta], head: Mapping[str, Any]) -> web.StreamResponse:
    text, name, arguments, last = "", "", "", Delta()
    with lent("messages"):
        async for last in deltas:
            text, name, arguments = text + last.text, name or last.call, arguments + last.arguments
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if name:
        message |= {"content": None, "tool_calls": [_call(name, arguments)]}
    choice = {"index": 0, "message": message, "finish_reason": last.finish, "logprobs": None}
    return json_answer({**head, "object": "chat.completion", "choices": [choice], "usage": _usage(last.usage)})


async def _streamed(request: web.Request, deltas: AsyncIterator[Delta], head: Mapping[str, Any], usage: bool) -> web.StreamResponse:
    """What is wrong with it is told by a status as long as nothing was written, and by an event after that."""
    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        more = {"usage": None} if usage else {}
        return sse(dumps({**head, "object": "chat.completion.chunk", **more,
                          "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]}))

    with lent("messages"):
        first = await anext(aiter(deltas))
    response = await events_answer(request)
    await send(response, chunk({"role": "assistant", "content": None if first.call else ""}))
    delta = first
    try:
        while True:
            if delta.text:
                await send(response, chunk({"content": delta.text}))
            elif delta.call:
                await send(response, chunk({"tool_calls": [{"index": 0, **_call(delta.call, "")}]}))
            elif delta.arguments:
                await send(response, chunk({"tool_calls": [{"index": 0, "function": {"arguments": delta.arguments}}]}))
            if delta.finish:
                break
            with lent("messages"):
                delta = await anext(aiter(deltas))
    except (Refused, Failed) as error:
        await send(response, sse(dumps(refusal(error.reason, str(error), {}))))
        return response
    await send(response, chunk({}, delta.finish))
    if usage:
        await send(response, sse(dumps({**head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(delta.usage)})))
    await send(response, sse(b"[DONE]"))
    return response


def _call(name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{secrets.token_hex(8)}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _usage(usage: Usage) -> dict[str, Any]:
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens, "prompt_tokens_details": {"cached_tokens": usage.cached_tokens}}


def writing_of(asked: Mapping[str, Any], settings: Settings) -> Writing:
    """What a request that ``CHAT`` allows asks for; ``Refused`` where its parts do not fit together."""
    most = asked.get("max_completion_tokens") or asked.get("max_tokens") or settings.lend.max_tokens
    stop = asked.get("stop") or []
    llm = settings.llm
    temperature, top_p, seed = asked.get("temperature"), asked.get("top_p"), asked.get("seed")
    sampling = Sampling(llm.temperature if temperature is None else temperature, llm.top_p if top_p is None else top_p,
                        llm.seed if seed is None else int(seed) % 2**31)
    tools, must = _tools(asked)
    form = asked.get("response_format", {"type": "text"})
    grammar = ANY_OBJECT if form["type"] == "json_object" else ""
    if form["type"] == "json_schema":
        grammar = _grammar(form["json_schema"]["schema"], "response_format.json_schema.schema")
    return Writing(_messages(asked["messages"]), int(min(most, settings.lend.max_tokens)),
                   stop=(stop,) if isinstance(stop, str) else tuple(stop), sampling=sampling, grammar=grammar, tools=tools, must=must)


def _tools(asked: Mapping[str, Any]) -> tuple[tuple[Offered, ...], bool]:
    """Those that may be called, and whether one must."""
    tools, choice = asked.get("tools", []), asked.get("tool_choice", "auto")
    if not tools and choice not in ("auto", "none"):
        raise Refused("malformed", "tool_choice: there are no tools", {"param": "tool_choice"})
    offered = []
    for at, tool in enumerate(tools):
        function = tool["function"]
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        told = [f"{name}: {said['description']}" for name, said in _properties(schema) if isinstance(said.get("description"), str)]
        offered.append(Offered(function["name"], function.get("description", function["name"].replace("_", " ")),
                               _grammar(schema, f"tools[{at}].function.parameters"), "\n".join(told)[:2000]))
    if isinstance(choice, dict):
        offered = [tool for tool in offered if tool.name == choice["function"]["name"]]
        if not offered:
            raise Refused("malformed", "tool_choice: names none of the tools", {"param": "tool_choice"})
    if len({tool.name for tool in offered}) < len(offered):
        raise Refused("malformed", "tools: two have the same name", {"param": "tools"})
    return () if choice == "none" else tuple(offered), choice == "required" or isinstance(choice, dict)


def _properties(schema: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    found = schema.get("properties")
    return [(name, said) for name, said in found.items() if isinstance(said, dict)] if isinstance(found, dict) else []


def _grammar(schema: Mapping[str, Any], param: str) -> str:
    try:
        if schema.get("type", "object") != "object":
            raise ValueError("it describes an object")
        return grammar_of({"type": "object", **schema})
    except ValueError as error:
        raise Refused("malformed", f"{param}: {error}", {"param": param}) from error


def _messages(told: list[Mapping[str, Any]]) -> list[Message]:
    """What was called and what came of it is text for a model that was not taught tools."""
    names: dict[str, str] = {}
    made = []
    for message in told:
        content = message.get("content") or ""
        text = content if isinstance(content, str) else "".join(part["text"] for part in content)
        for call in message.get("tool_calls") or ():
            names[call["id"]] = call["function"]["name"]
            text = f"{text} {json.dumps({call['function']['name']: call['function']['arguments']}, ensure_ascii=False)}".strip()
        if message["role"] == "tool":
            text = f"{names.get(message.get('tool_call_id', ''), 'The tool')} says: {text}"
        made.append(Message(_ROLES[message["role"]], text))
    if made[-1].role != "user":
        raise Refused("malformed", "messages: the last one is the user's or a tool's, which a reply answers", {"param": "messages"})
    return made
