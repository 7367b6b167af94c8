"""The entry point of the command ``edgevoice``.

Law: almost nothing is imported here, so that the moment in which Ctrl-C could still print a traceback of Python's own is as short
as it can be.
"""

import os
import signal
import sys


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    _fill_closed_streams()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until a command runs there is nothing to tidy up
    from edgevoice.cli.dispatch import process

    return process(sys.argv[1:])


def _fill_closed_streams() -> None:
    """Nothing to read, and a place to write to, where the process was started without (``>&-``).

    Otherwise the next file that anybody opens gets the stream's number, and what an engine's library prints ends up in it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
