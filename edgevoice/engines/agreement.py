"""Which words of a transcript that is still growing may be relied on.

Theory: a recognizer that hears an utterance again and again, each time a little longer, changes its mind about the end and seldom
about the beginning.  LocalAgreement-2 (Liu, Spanakis and Niehues, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation
by Partial Hypothesis Selection", Interspeech 2020; used on Whisper by Macháček, Dabre and Bojar, "Turning Whisper into Real-Time
Transcription System", 2023) commits the longest common prefix of two successive hypotheses.  Here the newest words are held back as
well, since the audio after a word still shapes it.  Words are compared without case and punctuation.

Laws: committed words never change, and every text given out begins with them.  A later hypothesis that contradicts them is aligned
to them by edit distance and only what lies beyond is taken over.
"""

from __future__ import annotations

from collections.abc import Sequence

HOLD_BACK = 2
"""newest words of a hypothesis that are never committed"""
MAX_WORDS_PER_S = 6.0
"""faster than people speak (fast English news is about 4): a sign of a decoder in a loop"""
LOOP_WORDS = 12
"""longest phrase looked for in a loop"""


def key(word: str) -> str:
    """What two spellings of one word share; the word itself where nothing would be left."""
    return "".join(c for c in word.lower() if c.isalnum()) or word


def keys(words: Sequence[str]) -> list[str]:
    return [key(word) for word in words]


class Transcript:
    """The words of a window of audio, as hypothesis follows hypothesis."""

    def __init__(self, committed: Sequence[str] = ()) -> None:
        self._committed = list(committed)
        self._words = list(committed)
        self._last: list[str] | None = None

    @property
    def words(self) -> list[str]:
        """The newest hypothesis behind the committed words."""
        return list(self._words)

    @property
    def committed(self) -> list[str]:
        return list(self._committed)

    def update(self, hypothesis: Sequence[str]) -> None:
        """Take the words of a new hypothesis of the whole window."""
        self._words = self._following(hypothesis)
        current = keys(self._words)
        if self._last is not None:
            agreed = common_prefix(self._last, current)
            limit = min(agreed, len(current) - HOLD_BACK)
            if limit > len(self._committed):
                self._committed = self._words[:limit]
                self._committed[-1] = bare(self._committed[-1])
        self._last = current

    def cut_agreed(self, count: int) -> tuple[list[str], Transcript]:
        """Cut the window after its first ``count`` words, committed ones: those words, and the transcript of what follows them."""
        return self._committed[:count], Transcript(self._committed[count:])

    def cut_forced(self, left: Sequence[str]) -> tuple[list[str], Transcript]:
        """Cut the window where its first part, heard on its own, says ``left``: the words of that part, and the transcript of
        what follows.  Committed words stay as they are on either side."""
        count = aligned(keys(left), keys(self._committed))
        if count < len(self._committed):
            return self.cut_agreed(count)
        return self._following(left), Transcript()

    def _following(self, hypothesis: Sequence[str]) -> list[str]:
        """The committed words and what ``hypothesis`` has beyond them; the last committed one takes its punctuation from there."""
        words = list(self._committed)
        beyond = aligned(keys(words), keys(hypothesis))
        if words and beyond > 0 and key(words[-1]) == key(hypothesis[beyond - 1]):
            words[-1] += hypothesis[beyond - 1][len(bare(hypothesis[beyond - 1])):]
        return words + list(hypothesis[beyond:])


def bare(word: str) -> str:
    """Without the punctuation that may still change with what follows."""
    stripped = word.rstrip(".,;:!?…-\"')")
    return stripped or word


def common_prefix(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def aligned(committed: Sequence[str], hypothesis: Sequence[str]) -> int:
    """How many words of ``hypothesis`` say what ``committed`` says: the prefix with the least edit distance to it; of equals, the
    one whose length is nearest."""
    if list(hypothesis[:len(committed)]) == list(committed):
        return len(committed)
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(committed, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(hypothesis, 1):
            diagonal, row[j] = row[j], min(diagonal + (word != other), row[j] + 1, row[j - 1] + 1)
    return min(range(len(row)), key=lambda j: (row[j], abs(j - len(committed))))


def without_loops(words: Sequence[str], seconds: float) -> list[str]:
    """``words`` heard in ``seconds`` of speech, cleared of a decoder's loops.

    Two signs: more words than anyone says in that time, then every immediate repetition goes; and a phrase that the text ends in
    four times over (a single word: six times), then one of them stays.
    """
    result = _tail_once(list(words))
    if seconds > 0 and len(result) / seconds > MAX_WORDS_PER_S:
        result = _repeats_once(result)
    return result


def _tail_once(words: list[str]) -> list[str]:
    spelled = keys(words)
    for length in range(1, LOOP_WORDS + 1):
        start = max(0, len(words) - length)
        while start > 0 and spelled[start - 1] == spelled[start - 1 + length]:
            start -= 1
        if len(words) - start >= length * (6 if length == 1 else 4):
            return words[:start + length]
    return words


def _repeats_once(words: list[str]) -> list[str]:
    result = list(words)
    for length in range(1, LOOP_WORDS + 1):
        position = length
        while position + length <= len(result):
            if keys(result[position:position + length]) == keys(result[position - length:position]):
                del result[position:position + length]
            else:
                position += 1
    return result
