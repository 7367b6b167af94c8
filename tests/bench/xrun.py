"""Lost audio: frames that a capture loses while Python is busy, for this core, PyAudio's callback and blocking reads, and sounddevice.

Each cell is a process with a virtual ALSA card of its own (``virtual-audio/pcm_evsim.c``, built here), whose signal is a counter, so
that the frames lost between the first and the last that arrived are counted exactly (a gap of more than 2 s would count short).  ALSA
and PortAudio are the real code, and the card overruns as a real one does.  The loads run in threads of the same process: none, one and
four that spin in Python, and a C call that sleeps with the GIL held for so many ms, again and again.

This core captures and plays (one stream, 100 ms of capture latency asked) and a thread reads it as the ears do; its frames count from the
stream's first on.  Its peers only capture, which is less to do, and theirs count from the load's beginning on: sounddevice with the same
latency asked, PyAudio, which cannot ask, with its own.  "SCHED_FIFO": PortAudio's thread was seen to have that policy; "without": the
process gave up the right to it first, and then other programs on the machine show.  Calm loads run side by side, spinning ones one at
a time.  "Not counted": frames that this core lost in a run without a device xrun, in or out (PortAudio restarts both ends of a stream
after either, so that an output underflow loses input too), or that its own ring dropped.

Last, how long a user who begins to speak waits for the decision to pause the reply: see ``reflex.py``.
"""

from __future__ import annotations

import concurrent.futures
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgevoice.benchmarks import Result, progress, run_child
from edgevoice.settings import AudioSettings
from tests.bench import reflex
from tests.bench.busy import loads

ROOT = Path(__file__).resolve().parents[2]
CARD = "simmic"
PERIOD = 32000
"""the card's counter goes from 1 to this and begins again"""
START_S = 0.5
"""after the stream was opened, before the load begins"""
CALM = ("none", "20", "50", "100", "200", "500")
SPINNING = ("1 spin", "4 spins")
OURS = "this core, SCHED_FIFO"
PLAIN = "this core, without SCHED_FIFO"
PEERS = ("PyAudio callback", "PyAudio blocking reader", "sounddevice callback")
SUBJECTS = (OURS, PLAIN, *PEERS)
CAP_SYS_NICE = 23
"""the number of the right to SCHED_FIFO"""
REPEATS = 3


def run(quick: bool) -> list[Result]:
    shared = Path(os.environ.get("EDGEVOICE_SHARED") or ROOT.parent / "shared")
    source = shared / "virtual-audio" / "pcm_evsim.c"
    if not source.is_file() or not shutil.which("cc"):
        progress(f"no virtual card: wants {source}, a C compiler and libasound2-dev")
        return [Result("frames lost, all loads: " + OURS, None, "frames", "== 0")]
    tried = ("none", "100", "500", "4 spins") if quick else (*CALM, *SPINNING)
    repeats, seconds = (1, 2.0) if quick else (REPEATS, 5.0)
    with tempfile.TemporaryDirectory(prefix="edgevoice-xrun-") as folder:
        environment = _card(Path(folder), source)
        cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for repeat in range(repeats):
            for load in tried:
                progress(f"{_said(load)}, {repeat + 1} of {repeats}")
                side_by_side = 1 if load in SPINNING else len(SUBJECTS)
                with concurrent.futures.ThreadPoolExecutor(side_by_side) as pool:
                    found = pool.map(lambda subject, load=load: _cell(subject, load, seconds, environment), SUBJECTS)
                for subject, cell in zip(SUBJECTS, found, strict=True):
                    cells.setdefault((subject, load), []).append(cell)
    return _results(cells, tried) + reflex.results(shared, quick)


def _results(cells: dict[tuple[str, str], list[dict[str, Any]]], loads: tuple[str, ...]) -> list[Result]:
    rows = []
    for load in loads:
        ours = _total(cells[OURS, load], "lost")
        for subject in SUBJECTS:
            lost, captured = _total(cells[subject, load], "lost"), _total(cells[subject, load], "frames")
            of = "" if captured is None or lost is None else f" of {captured + lost}"
            rows.append(Result(f"frames lost{of}, {_said(load)}: {subject}", lost, "frames", "== 0" if subject == OURS else None,
                               None if subject == OURS else OURS, None if subject == OURS else ours))
    for subject in (OURS, PLAIN):
        made = [cell for load in loads for cell in cells[subject, load]]
        rows.append(Result(f"device xruns counted, in or out, all loads: {subject}", _total(made, "xruns"), "times"))
        rows.append(Result(f"of them input overflows: {subject}", _total(made, "xruns_in"), "times"))
        rows.append(Result(f"frames lost and not counted as a device xrun: {subject}", _total(made, "unexplained"), "frames", "== 0"))
        fifo = [cell.get("fifo") for cell in made]
        rows.append(Result(f"streams with SCHED_FIFO, of {len(made)}: {subject}",
                           None if None in fifo else sum(bool(each) for each in fifo), "streams",
                           f"== {len(made)}" if subject == OURS else "== 0"))
    return rows


def _said(load: str) -> str:
    return f"GIL held for {load} ms" if load.isdigit() else f"load {load}"


def _total(cells: list[dict[str, Any]], name: str) -> int | None:
    """``None`` if one of them could not be taken."""
    values = [cell.get(name) for cell in cells]
    return None if None in values else sum(int(value) for value in values if value is not None)


def _card(folder: Path, source: Path) -> dict[str, str]:
    """Build the card; the environment in which ALSA has it."""
    library = folder / "libasound_module_pcm_evsim.so"
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-DPIC", "-w", "-o", library, source, "-lasound"], check=True)
    config = folder / "asound.conf"
    config.write_text(source.with_name("asound.conf").read_text().replace("LIB", str(library)))
    return {**os.environ, "ALSA_CONFIG_PATH": str(config), "JACK_NO_START_SERVER": "1", "PYTHONPATH": str(ROOT)}


def _cell(subject: str, load: str, seconds: float, environment: dict[str, str]) -> dict[str, Any]:
    """What one process saw; empty if it could not see anything."""
    try:
        made = run_child([sys.executable, "-m", "tests.bench.xrun", subject, load, str(seconds)], timeout_s=seconds + 30, env=environment,
                         cwd=ROOT)
    except TimeoutError as error:
        progress(f"{subject}, {_said(load)}: {error}")
        return {}
    if made.returncode:
        last = (made.stderr.strip() or f"ended with {made.returncode}").rpartition("\n")[2]
        progress(f"{subject}, {_said(load)}: {last}")
        return {}
    found: dict[str, Any] = json.loads(made.stdout.strip().rpartition("\n")[2])
    return found


# The child's side.

def lost_frames(samples: np.ndarray[Any, np.dtype[np.int16]]) -> int:
    """Frames missing between the first and the last of what the counting card gave."""
    steps = np.diff(samples.astype(np.int64)) - 1
    return int(np.sum(steps % PERIOD))


def _child(subject: str, load: str, seconds: float) -> dict[str, Any]:
    if subject == PLAIN:
        _give_up_fifo()
    capture = {OURS: _core, PLAIN: _core, PEERS[0]: _pyaudio_callback, PEERS[1]: _pyaudio_reader, PEERS[2]: _sounddevice}[subject]

    def under_load(begin: Callable[[], None] = lambda: None) -> None:
        time.sleep(START_S)
        begin()
        stop = threading.Event()
        threads = [threading.Thread(target=work, args=(stop,), daemon=True) for work in loads(load)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(left)
        stop.set()
        for thread in threads:
            thread.join()
    return capture(under_load)


def _core(under_load: Callable[..., None]) -> dict[str, Any]:
    from edgevoice.rt import PortAudioDevice, make_core

    audio = AudioSettings()
    core = make_core(audio.rate, audio.hop_ms, capture_ms=audio.capture_ms)
    device = PortAudioDevice(core, input=CARD, output=CARD, latency_ms=audio.latency_ms)
    pieces: list[Any] = []
    over = threading.Event()

    def ears() -> None:
        while not over.is_set():
            hops = core.read(0.1)
            if hops is not None:
                pieces.append(hops.near)
    reader = threading.Thread(target=ears, daemon=True)
    reader.start()
    before = _threads()
    device.start()
    fifo = any(os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO for thread in _threads() - before)
    under_load()
    time.sleep(0.3)
    device.stop()
    while core.counters().depth >= core.hop:
        time.sleep(0.01)
    over.set()
    reader.join()
    counters = core.counters()
    core.close()
    found = _found(pieces)
    xruns = counters.xruns_in + counters.xruns_out  # PortAudio restarts both ends after either
    return {**found, "xruns": xruns, "xruns_in": counters.xruns_in, "dropped": counters.dropped, "fifo": fifo,
            "unexplained": counters.dropped + (found["lost"] if not xruns else 0)}


def _pyaudio_callback(under_load: Callable[..., None]) -> dict[str, Any]:
    import pyaudio

    pieces: list[bytes] = []

    def callback(data: bytes | None, _frames: int, _time: Any, _status: int) -> tuple[None, int]:
        if data is not None:
            pieces.append(data)
        return None, pyaudio.paContinue
    audio = pyaudio.PyAudio()
    stream = audio.open(**_pyaudio_card(audio), stream_callback=callback)
    under_load(pieces.clear)
    stream.stop_stream()
    stream.close()
    return _found([np.frombuffer(piece, np.int16) for piece in pieces])


def _pyaudio_reader(under_load: Callable[..., None]) -> dict[str, Any]:
    import pyaudio

    audio = pyaudio.PyAudio()
    card = _pyaudio_card(audio)
    stream = audio.open(**card)
    pieces: list[bytes] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            pieces.append(stream.read(card["frames_per_buffer"], exception_on_overflow=False))
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    under_load(pieces.clear)
    over.set()
    reader.join()
    stream.close()
    return _found([np.frombuffer(piece, np.int16) for piece in pieces])


def _pyaudio_card(audio: Any) -> dict[str, Any]:
    import pyaudio

    settings = AudioSettings()
    index = next(at for at in range(audio.get_device_count()) if audio.get_device_info_by_index(at)["name"] == CARD)
    return {"format": pyaudio.paInt16, "channels": 1, "rate": settings.rate, "input": True, "input_device_index": index,
            "frames_per_buffer": settings.rate * settings.hop_ms // 1000}


def _sounddevice(under_load: Callable[..., None]) -> dict[str, Any]:
    import sounddevice

    settings = AudioSettings()
    pieces: list[Any] = []

    def callback(data: Any, _frames: int, _time: Any, _status: Any) -> None:
        pieces.append(data[:, 0].copy())
    with sounddevice.InputStream(samplerate=settings.rate, blocksize=settings.rate * settings.hop_ms // 1000, device=CARD, channels=1,
                                 dtype="int16", latency=settings.latency_ms / 1000, callback=callback):
        under_load(pieces.clear)
    return _found(pieces)


def _found(pieces: list[Any]) -> dict[str, Any]:
    samples = np.concatenate(pieces) if pieces else np.empty(0, np.int16)
    if len(samples) < 2 or samples.min() < 1 or samples.max() > PERIOD:
        raise SystemExit(f"what came is not the card's counter: {len(samples)} frames")
    return {"frames": len(samples), "lost": lost_frames(samples)}


def _threads() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/task")}


def _give_up_fifo() -> None:
    """This process may not have SCHED_FIFO any more."""
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()  # version 3; effective, permitted, inheritable, twice
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    sets[0] &= ~(1 << CAP_SYS_NICE)
    sets[1] &= ~(1 << CAP_SYS_NICE)
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    print(json.dumps(_child(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
