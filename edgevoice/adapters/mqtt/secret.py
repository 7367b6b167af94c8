"""Where the password comes from: a file, or a credential that systemd hands to the service.  It is never logged and never shown."""

from __future__ import annotations

import os
from pathlib import Path

CREDENTIAL = "mqtt-password"
"""as in LoadCredential=mqtt-password:/etc/edgevoice/mqtt-password"""
MOST_BYTES = 4096


def password(file: str) -> str | None:
    """The first line of ``file``, else of the credential; ``None`` without either.  ``OSError`` where the named file cannot be read,
    ``ValueError`` where it is none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(file).expanduser() if file else Path(folder) / CREDENTIAL if folder else None
    if path is None or (not file and not path.is_file()):
        return None
    with path.open("rb") as stream:
        raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES or b"\0" in raw:
        raise ValueError(f"{path}: holds no password")
    try:
        return raw.decode("utf-8").split("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: holds no password") from None
