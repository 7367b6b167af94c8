"""What each sound device can do, found by asking PortAudio about it; nothing is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from edgevoice.rt.cards import RATES, Card


@dataclass(frozen=True, slots=True)
class Probed:
    """A card, and the rates (Hz, int16, mono) at which it said that it can capture and play."""

    card: Card
    input_rates: list[int]
    output_rates: list[int]

    def document(self) -> dict[str, object]:
        """JSON-ready."""
        return {**asdict(self.card), "input_rates": self.input_rates, "output_rates": self.output_rates}


def probe(more: Sequence[int] = ()) -> list[Probed]:
    """Every device of this machine, asked for ``RATES`` and ``more``.  ``DeviceError`` if PyAudio is missing or the sound system cannot be
    reached."""
    from edgevoice.rt.pyaudio_device import PyAudioLibrary
    from edgevoice.rt.quiet import without_noise

    rates = sorted({*RATES, *more})
    with without_noise(), PyAudioLibrary() as library:
        return [Probed(card,
                       [rate for rate in rates if card.inputs and library.supports(card.index, "input", rate)],
                       [rate for rate in rates if card.outputs and library.supports(card.index, "output", rate)])
                for card in library.cards()]
