"""The soak: hours of conversations in which things break, and a look at whether anything grows, is lost or gets stuck.

    make soak                                        two hours in compressed time, twenty minutes in real time
    .venv/bin/python -m tests.soak --hours 12 --minutes 0 --seed 7

Compressed time: the device's clock moves on as soon as nothing would happen without it; wake word, voice activity and end of turn are
real, what understands, thinks and speaks answers at once (``--engines real`` for all of them).  Real time: every engine is real.  In both
every other conversation has a mishap: an engine hangs or raises, the card is unplugged, the broker is cut off, a client leaves, somebody
interrupts, stops, mutes, the disk is full, the clock on the wall jumps.  The same seed gives the same conversations.

Exit code 0 if all is well, 1 if something was found.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from edgevoice import files
from tests.soak.run import Outcome, Part, run, write_lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0, help="device time in compressed time; 0 for none (default: %(default)g)")
    parser.add_argument("--minutes", type=float, default=20.0, help="real time; 0 for none (default: %(default)g)")
    parser.add_argument("--seed", type=int, help="of everything that is left to chance (default: a new one, which is printed)")
    parser.add_argument("--engines", choices=("quick", "real"), default="quick", help="in compressed time (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--rows", type=Path, metavar="FILE", help="add every conversation there, a JSON line each")
    options = parser.parse_args()
    seed = random.randrange(2**31) if options.seed is None else options.seed
    parts = [Part("compressed", options.hours * 3600.0, True, options.engines == "quick"),
             Part("real-time", options.minutes * 60.0, False, False)]
    print(f"seed {seed}", flush=True)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="edgevoice-soak-") as name:
        write_lines(Path(name))
        for part in parts:
            if part.seconds > 0:
                outcome = run(part, seed, Path(name), _progress(part), options.rows)
                outcomes.append(outcome)
                _print(outcome)
    well = all(outcome.well for outcome in outcomes)
    if options.json is not None:
        files.write_text(options.json, json.dumps({"seed": seed, "well": well, "parts": [o.document() for o in outcomes]}, indent=1) + "\n")
    print("all is well" if well else f"not well; again with --seed {seed}")
    return 0 if well else 1


def _progress(part: Part) -> Any:
    """A line every few seconds, and every finding at once."""
    shown = 0.0

    def progress(row: dict[str, Any], device_s: float) -> None:
        nonlocal shown
        if "what" in row:
            print(f"{part.name}: FOUND {row}", flush=True)
        elif time.monotonic() - shown > 10.0:
            shown = time.monotonic()
            sample = row["sample"]
            print(f"{part.name}: {device_s / 60:.1f} of {part.seconds / 60:.0f} min, {row['number']} conversations, "
                  f"{sample['rss_mib']:.0f} MiB, {sample['threads']} threads, {sample['files']} files", flush=True)

    return progress


def _print(outcome: Outcome) -> None:
    answered = "" if outcome.answered_p50_s is None else f", answered after {outcome.answered_p50_s:.2f} s (p50)"
    print(f"{outcome.part}: {outcome.conversations} conversations, {outcome.device_s / 60:.1f} min of the device in "
          f"{outcome.real_s / 60:.1f}{answered}")
    for trend in outcome.trends:
        print(f"  {trend.name:8} {trend.first:9.1f} to {trend.last:9.1f}, growth {trend.growth:+.2f}, at most {trend.bound:.1f}"
              f"{'' if trend.flat else '  GROWS'}")
    print(f"  faults: {json.dumps(outcome.facts.get('faults', {}))}")
    for finding in outcome.findings:
        print(f"  FOUND: {finding}")


if __name__ == "__main__":
    sys.exit(main())
