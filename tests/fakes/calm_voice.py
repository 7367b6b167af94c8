"""A Piper voice without its chance: it says a text the same way each time, so that a recognizer hears the same."""

from __future__ import annotations

import json
from pathlib import Path


def calm_voice(installed: Path, home: Path) -> Path:
    """``home``, an empty folder, with links to what is ``installed`` and a configuration of its own."""
    for name in ("model.onnx", "tokens.txt"):
        (home / name).symlink_to(installed / name)
    config = json.loads((installed / "config.json").read_text(encoding="utf-8"))
    config["inference"].update(noise_scale=0.0, noise_w=0.0)
    (home / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return home
