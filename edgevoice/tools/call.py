"""A call: one tool, its arguments, and what they come to: a topic and a payload, a program's arguments, what is asked and said.

Law: ``Call`` is made by ``read`` alone, which checks whatever wrote it; what a call comes to is what was declared, with arguments in their
places and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from edgevoice.tools.declare import PLACE, RESULT, Publish, Run, Tool, allows, check
from edgevoice.tools.schema import Value


@dataclass(frozen=True, slots=True)
class Call:
    tool: Tool
    arguments: Mapping[str, Value]

    @property
    def question(self) -> str:
        """What is asked before; "" for nothing."""
        return self._filled(self.tool.confirm)

    def done(self, result: str) -> str:
        """What is said after; "" where the model is to say it."""
        return PLACE.sub(lambda found: result if found[1] == RESULT else _shown(self.arguments[found[1]]), self.tool.done)

    def message(self, topics: tuple[str, ...]) -> tuple[str, str, bool]:
        """Topic, payload and whether it is retained.  ``ValueError`` outside of ``topics``, which are asked once more."""
        does = self.tool.does
        assert isinstance(does, Publish)
        topic = "/".join(self._filled(level) for level in does.topic.split("/"))
        if topic.count("/") != does.topic.count("/") or not any(allows(pattern, topic) for pattern in topics):
            raise ValueError(f"the topic {topic!r} is not allowed")
        payload = json.dumps(dict(self.arguments), ensure_ascii=False) if does.payload is None else self._filled(does.payload)
        return topic, payload, does.retain

    def argv(self) -> list[str]:
        does = self.tool.does
        assert isinstance(does, Run)
        return [does.argv[0], *(self._filled(item) for item in does.argv[1:])]

    def _filled(self, text: str) -> str:
        return PLACE.sub(lambda found: _shown(self.arguments[found[1]]), text)


def read(tool: Tool, text: str) -> Call:
    """The call that the JSON object ``text`` is; ``ValueError`` where the tool's schema does not allow it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{tool.name}: no JSON: {text[:60]!r}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{tool.name}: no JSON object: {text[:60]!r}")
    for parameter in tool.parameters:
        if parameter.default is not None:
            found.setdefault(parameter.name, parameter.default)
    wrong = check(tool.parameters, found)
    if wrong:
        raise ValueError(f"{tool.name}: {wrong}")
    return Call(tool, found)


def _shown(value: Value) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
