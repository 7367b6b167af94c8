"""What the pipeline asks of an engine, and nothing more.

Theory: an engine is loaded once (the constructor does the loading, and raises ``ModelError`` or ``EngineError``), is used from
one worker thread at a time, and is closed once.  Engines know neither the event loop nor each other.  All audio is mono; samples are
float32 in [-1, 1] at 16 kHz towards the recognizers and at ``Tts.rate`` from the synthesizer, int16 only for the wake word.
Cancelling is asked of a ``Cancel``, never of the engine: whoever holds one may flip it from any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgevoice.events import FinishReason, Message, Partial, Sampling, Usage, WakeHit

Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]

SPEECH_RATE = 16_000
"""Hz; the rate of everything that listens."""


@runtime_checkable
class Cancel(Protocol):
    """One generation's right to go on.  Thread-safe, monotonic: once cancelled, always cancelled."""

    def cancelled(self) -> bool: ...

    def abort_pointers(self) -> tuple[int, int] | None:
        """(address of a C ``bool (*)(void *)``, its argument) which is true once cancelled; ``None`` where there is no C core.

        The memory behind them lives as long as this object.
        """


@runtime_checkable
class Vad(Protocol):
    """Voice activity: one probability for each frame.  Stateful: frames must come in order and without gaps."""

    frame: int
    """Samples a frame at 16 kHz."""

    def process(self, frame: Float32) -> float:
        """Probability of speech, 0..1, for exactly ``frame`` samples; ``ValueError`` for any other shape."""

    def reset(self) -> None: ...

    def close(self) -> None: ...


@runtime_checkable
class WakeWord(Protocol):
    """Wake words, any number at once.  Takes int16 in pieces of any length."""

    def attend(self, speech: bool) -> None:
        """Somebody speaks from about now on, or nobody does any more: for engines that are too dear to run all the time."""

    def ease(self, eased: bool) -> None:
        """Be woken more easily from now on, or not any more: while a reply lies over the user, and somebody guards against its own
        words.  Engines that cannot may do nothing."""

    def process(self, samples: Int16) -> list[WakeHit]: ...

    def reset(self) -> None:
        """Forget the audio heard so far; sample indices start at 0 again."""

    def close(self) -> None: ...


@runtime_checkable
class TurnEnd(Protocol):
    """Tells by its sound whether an utterance is over."""

    def probability(self, samples: Float32) -> float:
        """That nothing will follow, 0..1; ``samples`` at 16 kHz end with the present moment, of which the last seconds count."""

    def close(self) -> None: ...


@runtime_checkable
class SttStream(Protocol):
    """One utterance being recognized.  Used from the recognizer's thread only."""

    def accept(self, samples: Float32) -> None:
        """Take audio.  Cheap; does not decode."""

    def partial(self) -> Partial:
        """Decode what is due and return the words so far.  An offline engine re-decodes only when its CPU budget allows."""

    def settle(self) -> str:
        """Decode everything accepted so far, now.  If no audio follows, ``finish`` costs nothing.  More audio may follow."""

    def finish(self) -> str:
        """The final text of all audio accepted ("" for none or for silence).  The stream is then used up."""


@runtime_checkable
class Stt(Protocol):
    """A loaded recognizer."""

    streaming: bool
    """True for a truly streaming model; False for an offline one that is made to stream."""

    def open(self, *, eager: bool = False) -> SttStream:
        """``eager``: its first words are waited for, and worth more computing."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Completion:
    """How a generation ended.  ``filtered`` is never said by an engine; ``error`` is raised as ``EngineError`` instead."""

    finish: FinishReason
    usage: Usage


@runtime_checkable
class Llm(Protocol):
    """A loaded language model."""

    size: int
    """tokens of its context"""

    def generate(self, messages: Sequence[Message], emit: Callable[[str], None], cancel: Cancel, *,
                 max_tokens: int | None = None, grammar: str = "", sampling: Sampling | None = None) -> Completion:
        """Write a reply.  ``emit`` gets text deltas as they come (whole characters, never empty) and may block: that holds the
        model.  Returns ``stop`` at end of sequence (also at once, with no delta), ``length`` at the token limit or where the
        context is full, ``cancelled`` within a few ms of ``cancel``.  A conversation longer than the context is cut by whole
        oldest turns, the system prompt always kept; ``EngineError`` only if the last user message alone does not fit.

        ``grammar`` (GBNF, its rule ``root``): the likeliest text that it lets through; such messages are no part of the conversation,
        whose cache stays.

        ``sampling``: for this reply, in place of what the settings say; a grammar's text is the likeliest in any case.
        """

    def length(self, messages: Sequence[Message]) -> int:
        """Tokens of a conversation with the beginning of a reply to it, whether or not they fit into the context."""

    def weigh(self, messages: Sequence[Message], replies: Sequence[str], cancel: Cancel) -> list[float] | None:
        """The logarithm of the probability of each of ``replies`` to be the whole answer to ``messages``, which are no part of the
        conversation.  ``None`` where ``cancel`` came first."""

    def prefill(self, messages: Sequence[Message], cancel: Cancel, *, growing: bool = False) -> int:
        """Bring the KV cache to the state before the reply to ``messages``; returns tokens newly evaluated.  ``growing``: the last
        message is the beginning of one, so nothing beyond its words is evaluated."""

    def ending(self, messages: Sequence[Message], cancel: Cancel) -> float | None:
        """The probability, 0..1, that the last message, the user's, is a sentence that ends there; its words are in the KV cache then.
        ``None`` for no words, and where ``cancel`` came first."""

    def close(self) -> None: ...


@runtime_checkable
class Tts(Protocol):
    """A loaded synthesizer."""

    rate: int
    """Hz of the samples it makes."""

    def synthesize(self, text: str, emit: Callable[[Float32], None], cancel: Cancel, *, speed: float = 1.0) -> None:
        """Speak ``text`` (words already spelled as they are spoken), ``speed`` times as fast as else; ``emit`` gets pieces in order and may
        block.

        Nothing is emitted for text without a speakable character, or once ``cancel`` is cancelled (it stops at the next piece).
        """

    def close(self) -> None: ...


@runtime_checkable
class Phonemizer(Protocol):
    """Text to IPA, clause by clause, punctuation kept at each clause's end (NFD)."""

    def phonemes(self, text: str) -> list[str]: ...

    def close(self) -> None: ...
