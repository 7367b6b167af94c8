"""The echo path, its frequency response and the noise as one picture (PNG), drawn with Pillow.

Theory: three panels of one make, each a box of pixels with a range of values on either axis.  A column of pixels that many samples fall
into shows the loudest of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edgevoice import files
from edgevoice.acoustic import PRE_S, Band, Measured
from edgevoice.sweep import Float64

WIDTH, HEIGHT = 1200, 1110
LEFT, RIGHT, TOP, PANEL, GAP = 76, 24, 84, 250, 84
"""pixels: margins, a panel's height, and what lies between two"""
PAPER, INK, GREY, GRID = "#ffffff", "#1f2328", "#656d76", "#e4e7eb"
BLUE, ORANGE = "#2f6fde", "#d9730d"
PATH_MS = 400.0
PATH_DB = (-80.0, 5.0)
"""of the peak"""
RANGE_DB = 60.0
"""of a spectrum"""
STEP_DB = 10
SILENCE_DB = -120.0

Point = tuple[float, float]


def write(path: Path | str, measured: Measured) -> None:
    """Atomically; ``StorageError`` if that cannot be."""
    image = draw(measured)
    with files.atomic(path) as file:
        image.save(file, "PNG", optimize=True)


def draw(measured: Measured) -> Image.Image:
    """``WIDTH`` by ``HEIGHT``; what was not heard has an empty panel that says so."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    canvas = ImageDraw.Draw(image)
    canvas.text((LEFT, 18), "From loudspeaker to microphone", INK, _font(24))
    canvas.text((LEFT, 50), _summary(measured), GREY, _font(15))
    _echo_path(canvas, 0, measured)
    _spectrum(canvas, 1, measured.response, "Frequency response: dB from what was sent to what was heard; third octaves, Hz", BLUE)
    _spectrum(canvas, 2, measured.noise_bands, "Noise in the silence: dB of full scale; third octaves, Hz", ORANGE)
    return image


@dataclass(frozen=True, slots=True)
class _Panel:
    canvas: ImageDraw.ImageDraw
    box: tuple[int, int, int, int]
    """left, top, right, bottom"""
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> Point:
        """Pixels; values outside the range lie on its edge."""
        left, top, right, bottom = self.box
        along = min(1.0, max(0.0, (x - self.x[0]) / (self.x[1] - self.x[0])))
        up = min(1.0, max(0.0, (y - self.y[0]) / (self.y[1] - self.y[0])))
        return left + along * (right - left), bottom - up * (bottom - top)

    def marks(self, xs: Sequence[float], label: Callable[[float], str]) -> None:
        """Grid lines: every ``STEP_DB`` across, and at these places upright."""
        left, top, right, bottom = self.box
        for level in range(math.ceil(self.y[0] / STEP_DB) * STEP_DB, math.floor(self.y[1]) + 1, STEP_DB):
            _, row = self.at(self.x[0], level)
            self.canvas.line([(left, row), (right, row)], GRID)
            self.canvas.text((left - 8, row), str(level), GREY, _font(13), anchor="rm")
        for place in xs:
            column, _ = self.at(place, self.y[0])
            self.canvas.line([(column, top), (column, bottom)], GRID)
            self.canvas.text((column, bottom + 8), label(place), GREY, _font(13), anchor="mt")
        self.canvas.rectangle(self.box, outline=GREY)

    def line(self, points: Sequence[Point], colour: str) -> None:
        self.canvas.line([self.at(x, y) for x, y in points], colour, 2, joint="curve")

    def nothing(self) -> None:
        left, top, right, bottom = self.box
        self.canvas.text(((left + right) / 2, (top + bottom) / 2), "no echo was heard", GREY, _font(18), anchor="mm")


def _panel(canvas: ImageDraw.ImageDraw, row: int, x: tuple[float, float], y: tuple[float, float], title: str) -> _Panel:
    top = TOP + GAP // 2 + row * (PANEL + GAP)
    canvas.text((LEFT, top - 26), title, INK, _font(15))
    return _Panel(canvas, (LEFT, top, WIDTH - RIGHT, top + PANEL), x, y)


def _echo_path(canvas: ImageDraw.ImageDraw, row: int, measured: Measured) -> None:
    panel = _panel(canvas, row, (-1000.0 * PRE_S, PATH_MS), PATH_DB,
                   "Echo path: level (blue) and energy that is left (orange), dB of the highest; milliseconds after the peak")
    panel.marks(range(0, int(PATH_MS) + 1, 50), lambda ms: f"{ms:.0f}")
    if not len(measured.impulse):
        panel.nothing()
        return
    until = round((PRE_S + PATH_MS / 1000.0) * measured.rate)
    strength = np.abs(measured.impulse[:until])
    level = 20.0 * np.log10(np.maximum(strength / strength.max(), 1e-9))
    per = max(1, len(level) // (panel.box[2] - panel.box[0]))
    loudest = level[:len(level) // per * per].reshape(-1, per).max(axis=1)
    panel.line(_points(loudest, 1000.0 * per / measured.rate, -1000.0 * PRE_S), BLUE)
    left = measured.decay[:round(PATH_MS / 1000.0 * measured.rate):per]
    shown = left[left > PATH_DB[0]]
    if len(shown) > 1:
        panel.line(_points(shown, 1000.0 * per / measured.rate, 0.0), ORANGE)


def _points(values: Float64, step: float, first: float) -> list[Point]:
    return [(first + k * step, float(value)) for k, value in enumerate(values)]


def _spectrum(canvas: ImageDraw.ImageDraw, row: int, bands: list[Band], title: str, colour: str) -> None:
    """A bar a band, from the bottom of a range that ends a little above the highest."""
    highest = max((band.db for band in bands), default=0.0)
    top = math.ceil((highest + 1.0) / STEP_DB) * STEP_DB
    panel = _panel(canvas, row, (-0.5, max(1, len(bands)) - 0.5), (max(SILENCE_DB - STEP_DB, top - RANGE_DB), top), title)
    panel.marks(range(len(bands)), lambda k: f"{bands[int(k)].hz / 1000:g}k" if bands[int(k)].hz >= 1000 else str(bands[int(k)].hz))
    if not bands:
        panel.nothing()
    for k, band in enumerate(bands):
        left, upper = panel.at(k - 0.35, band.db)
        right, lower = panel.at(k + 0.35, panel.y[0])
        canvas.rectangle((left, upper, right, lower), colour)


def _summary(measured: Measured) -> str:
    parts = [f"noise {measured.noise_db:.0f} dBFS"]
    if measured.delay_ms is not None:
        parts.insert(0, f"round trip {measured.delay_ms:.1f} ms")
    if measured.drift_ppm is not None:
        parts.append(f"clock drift {measured.drift_ppm:+.1f} ppm")
    if measured.return_loss_db is not None:
        parts.append(f"return loss {measured.return_loss_db:.1f} dB")
    if measured.distortion is not None:
        parts.append(f"harmonics {100.0 * measured.distortion:.2g} %")
    return "   ·   ".join([*parts, f"{measured.rate} Hz"])


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
