"""The entry point of the command ``edgevoice``.

Law: almost nothing is imported here, so that the moment in which Ctrl-C could still print a traceback of Python's own is as short
as it can be.
"""

import signal
import sys


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until a command runs there is nothing to tidy up
    from edgevoice.cli.dispatch import process

    return process(sys.argv[1:])
