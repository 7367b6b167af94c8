"""The ears' memory against a plain list."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgevoice.pipeline.memory import AudioMemory, ProbabilityMemory


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(-5, 300), st.integers(0, 60))
def test_any_stretch_that_is_kept_comes_back(pieces: list[int], start: int, length: int) -> None:
    memory, whole = AudioMemory(16 / 16000, 16000), np.zeros(0, np.float32)
    for size in pieces:
        piece = np.arange(len(whole), len(whole) + size, dtype=np.float32)
        memory.append(piece)
        whole = np.concatenate([whole, piece])
    assert memory.end == len(whole) and memory.start == max(0, len(whole) - 16)
    np.testing.assert_array_equal(memory.slice(start, start + length), whole[max(start, memory.start):max(0, start + length)])


def test_probabilities_since() -> None:
    memory = ProbabilityMemory(3)
    for k in range(5):
        memory.append((k + 1) * 512, k / 10)
    assert memory.since(0) == [(1536, 0.2), (2048, 0.3), (2560, 0.4)]
    assert memory.since(2048) == [(2560, 0.4)]
