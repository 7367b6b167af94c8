"""Holds one thread of another process as if it were stuck for ever, by ptrace: `python frozen.py THREAD`, until that process has ended.

A stopped thread that has a tracer is not reaped before the tracer has seen it end; so this waits for it.
"""

from __future__ import annotations

import ctypes
import os
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000
"""linux/ptrace.h and linux/wait.h"""


def main(thread: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    print("frozen", flush=True)
    try:
        while not (os.WIFEXITED(state := os.waitpid(thread, WALL)[1]) or os.WIFSIGNALED(state)):
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    main(int(sys.argv[1]))
