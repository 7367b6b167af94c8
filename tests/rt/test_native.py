"""What only the C core promises: no Python on the audio thread, no allocation, no lock, and a build that never fails silently."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgevoice.rt._core import Core, Live, ScriptedDevice
from edgevoice.rt.twin import Live as TwinLive

ROOT = Path(__file__).resolve().parents[2]
EXT = ROOT / "ext"
RATE, HOP = 16000, 160

COMPILERS = [name for name in ("cc", "gcc", "clang") if shutil.which(name)]
ALLOWED = re.compile(
    r"ev_(rt|ring|dsp|stretch|playout|mixer|microphone)_\w+|memcpy|memmove|memset|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail")
FORBIDDEN = re.compile(r"malloc|calloc|realloc|free|printf|pthread_mutex|Py|nanosleep|write|clock")


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_the_callback_s_objects_call_nothing_that_waits(compiler: str, level: str, tmp_path: Path) -> None:
    objects = []
    for name in ("rt", "mixer", "microphone", "ring", "dsp", "stretch", "playout"):
        objects.append(tmp_path / f"{name}.o")
        subprocess.run([compiler, "-std=c11", level, "-fPIC", "-c", EXT / f"{name}.c", "-o", objects[-1]], check=True)
    listed = subprocess.run(["nm", "-u", "-P", *objects], check=True, capture_output=True, text=True).stdout
    symbols = {line.split()[0] for line in listed.splitlines() if " U" in line}
    assert "ev_ring_acquire" in symbols, listed
    assert not {symbol for symbol in symbols if FORBIDDEN.search(symbol)}
    assert not {symbol for symbol in symbols if not ALLOWED.fullmatch(symbol)}


def test_no_python_header_outside_the_binding() -> None:
    for path in [*EXT.glob("*.c"), *EXT.glob("*.h")]:
        if not path.name.startswith("_"):  # those are made from the bindings
            assert "Python.h" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_build_without_portaudio_s_headers_says_what_to_install(compiler: str, tmp_path: Path) -> None:
    result = subprocess.run([compiler, "-E", "-nostdinc", "-I", tmp_path, EXT / "portaudio.c"], capture_output=True, text=True)
    assert result.returncode != 0
    assert "apt install portaudio19-dev" in result.stderr


def test_a_thread_that_holds_the_gil_does_not_hold_the_device() -> None:
    core = Core(RATE, HOP)
    device = ScriptedDevice(core)
    holding = ctypes.PyDLL(None).usleep
    device.start()
    while not device.position:
        time.sleep(0.001)
    moved = -device.position + 0 * holding(400_000) + device.position
    device.stop()
    assert moved >= 10 * HOP
    assert core.counters().dropped == 0


def test_a_device_that_is_forgotten_stops() -> None:
    core = Core(RATE, HOP)
    device = ScriptedDevice(core)
    device.start()
    while not core.counters().callbacks:
        time.sleep(0.001)
    del device
    gc.collect()
    callbacks = core.counters().callbacks
    time.sleep(0.05)
    assert core.counters().callbacks == callbacks


def test_the_abort_function_is_c_and_follows_the_token() -> None:
    live = Live()
    token = live.begin(1)
    pointers = token.abort_pointers()
    assert pointers is not None
    abort = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)(pointers[0])
    assert abort(pointers[1]) is False
    live.cancel(1)
    assert abort(pointers[1]) is True
    older, newer = live.begin(2), live.begin(3)
    del live
    gc.collect()  # the tokens keep the word alive
    states = [abort(pointers[1]) for pointers in (older.abort_pointers(), newer.abort_pointers()) if pointers]
    assert states == [True, False]
    assert TwinLive().begin(1).abort_pointers() is None


@pytest.mark.parametrize("wait", ["core.read(60)", "core.write(1, numpy.ones(10**6, numpy.int16))"])
@pytest.mark.parametrize("pure", ["0", "1"])
def test_ctrl_c_breaks_a_long_wait(wait: str, pure: str) -> None:
    lines = ["import numpy", "from edgevoice.rt import Core", "core = Core(16000, 160)", "core.live.begin(1)",
             "print('waiting', flush=True)", wait]
    child = subprocess.Popen([sys.executable, "-c", "\n".join(lines)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             cwd=ROOT, env={**os.environ, "EDGEVOICE_PURE": pure})
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors and child.returncode != 0


def run_python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment})


def test_the_twin_is_chosen_only_by_name() -> None:
    program = "import edgevoice.rt as rt; print(rt.Core.__module__, rt.HAVE_NATIVE)"
    assert run_python(program, EDGEVOICE_PURE="0").stdout.split() == ["edgevoice.rt._core", "True"]
    assert run_python(program, EDGEVOICE_PURE="1").stdout.split() == ["edgevoice.rt.twin", "False"]
    broken = run_python("import sys; sys.modules['edgevoice.rt._core'] = None\nimport edgevoice.rt", EDGEVOICE_PURE="0")
    assert broken.returncode != 0
    assert "the C core is not built or does not load" in broken.stderr and "pip install -e ." in broken.stderr


def test_make_core_follows_the_settings() -> None:
    from edgevoice.rt import make_core

    core = make_core(16000, 20, capture_ms=1000, playback_ms=500, volume=0.5)
    assert (core.rate, core.hop) == (16000, 320)
    assert 16000 <= core.capture_frames < 32000 and 8000 <= core.playback_frames < 16000 + 320
    core.live.begin(1)
    core.write(1, np.full(1000, 1000, np.int16))
    assert core.process(None, 500)[-1] == 500


def test_the_rings_are_locked_where_that_is_permitted() -> None:
    """A child without the right to lock says so and works all the same."""
    program = ("import ctypes, resource\n"
               "resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit := {limit}, limit))\n"
               "libc = ctypes.CDLL(None)\n"
               "libc.prctl(24, 14, 0, 0, 0)\n"  # PR_CAPBSET_DROP of CAP_IPC_LOCK; then be rid of it in this process too
               "class Head(ctypes.Structure): _fields_ = [('version', ctypes.c_uint32), ('pid', ctypes.c_int)]\n"
               "head, data = Head(0x20080522, 0), (ctypes.c_uint32 * 6)()\n"
               "libc.capget(ctypes.byref(head), data)\n"
               "data[0] &= ~(1 << 14)\n"
               "libc.capset(ctypes.byref(head), data)\n"
               "from edgevoice.rt._core import Core\n"
               "core = Core(16000, 160)\n"
               "core.process(None, 160)\n"
               "print(core.locked, core.counters().captured)\n")
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    most = 64 << 20 if hard == resource.RLIM_INFINITY else min(hard, 64 << 20)
    for limit, locked in ((0, False), (most, True)):
        if locked and most < 4 << 20:
            continue
        made = subprocess.run([sys.executable, "-c", program.format(limit=limit)], cwd=ROOT, capture_output=True, text=True, check=True)
        assert made.stdout.split() == [str(locked), "160"]
