"""The picture holds what was measured where it belongs."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgevoice.acoustic import Measured, measure
from edgevoice.acoustic_picture import BLUE, HEIGHT, ORANGE, WIDTH, draw, write
from edgevoice.errors import StorageError
from tests.fakes.echo_path import record, reverberant


def coloured(image: Image.Image, colour: str) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    wanted = [int(colour[k:k + 2], 16) for k in (1, 3, 5)]
    return (np.asarray(image) == wanted).all(axis=2)


@pytest.fixture(scope="module")
def echo() -> Measured:
    return measure(*record(room=reverberant(16_000, 0.3), gain_db=-10.0))


@pytest.fixture(scope="module")
def silence() -> Measured:
    return measure(*record(gain_db=-200.0))


def test_three_panels(echo: Measured) -> None:
    image = draw(echo)
    blue, orange = coloured(image, BLUE), coloured(image, ORANGE)
    assert image.size == (WIDTH, HEIGHT)
    thirds = [slice(90, 390), slice(420, 720), slice(760, 1060)]
    assert [blue[rows].any() for rows in thirds] == [True, True, False]
    assert [orange[rows].any() for rows in thirds] == [True, False, True]
    assert not blue[:90].any() and not orange[:90].any()


def test_the_energy_falls_along_the_panel(echo: Measured) -> None:
    line = coloured(draw(echo), ORANGE)[90:390]
    heights = [int(np.flatnonzero(line[:, column]).mean()) for column in np.flatnonzero(line.any(axis=0))]
    assert heights[-1] - heights[0] > 80
    assert all(later >= earlier - 3 for earlier, later in itertools.pairwise(heights))


def test_a_louder_band_has_a_higher_bar(echo: Measured) -> None:
    bars = coloured(draw(echo), BLUE)[420:720].sum(axis=0)
    heights = bars[np.flatnonzero((bars > 0) & (np.roll(bars, 1) == 0))]  # the left side of each
    assert len(heights) == len(echo.response)
    assert np.corrcoef(heights, [band.db for band in echo.response])[0, 1] > 0.99


def test_without_an_echo_it_shows_the_noise(silence: Measured) -> None:
    image = draw(silence)
    assert not coloured(image, BLUE).any()
    assert coloured(image, ORANGE)[760:].any() and not coloured(image, ORANGE)[:760].any()


def test_the_file_is_a_png_or_nothing(echo: Measured, tmp_path: Path) -> None:
    write(tmp_path / "echo.png", echo)
    with Image.open(tmp_path / "echo.png") as image:
        assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), np.asarray(draw(echo)))
    with pytest.raises(StorageError, match="the folder does not exist"):
        write(tmp_path / "no" / "echo.png", echo)
