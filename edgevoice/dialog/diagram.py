"""The state diagram, drawn from the machine's table, so that the picture cannot lie.

``python -m edgevoice.dialog.diagram`` prints it; README.md holds it, and a test pins that both agree.
"""

from __future__ import annotations

from edgevoice.dialog.table import TABLE


def mermaid() -> str:
    """A Mermaid ``stateDiagram-v2``: one arrow for each pair of states, labelled with the events that take it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in TABLE:
        label = row.event.value + (f" [{row.guard}]" if row.guard else "")
        labels = arrows.setdefault((row.state.value, row.next.value), [])
        if label not in labels:
            labels.append(label)
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    lines += [f"    {start} --> {end}: {', '.join(labels)}" for (start, end), labels in arrows.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(mermaid(), end="")
