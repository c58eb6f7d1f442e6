"""Waveform → spectrogram → picture, all panels of a page on one scale.

Draws on a canvas of its own, never through pyplot, so that threads do not meet in there.
Knows nothing of pages. Matplotlib is imported when the first picture is drawn.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float, UInt8
    from matplotlib.axes import Axes

WINDOW = 0.032  # s
HOP = 0.008  # s
HIGHEST = 8_000.0  # Hz on the frequency axis, at most
RANGE_DB = 70.0  # from the darkest to the brightest colour
INAUDIBLE_DB = -180.0  # what digital silence counts as

COLOURS = "magma"
PAPER, INK = "#000004", "#c9c7d4"  # magma's darkest colour, and a grey to be read on it
WIDTH, HEIGHT = 864, 432  # dots
STEPS, SHADES = 56, 8  # colours in a picture: of the scale, of the text
DPI = 180  # dots per inch: how large the text is
FRAME = (0.1, 0.185, 0.875, 0.765)  # left, bottom, width, height of the axes in the picture


@dataclass(frozen=True)
class Scale:
    """What the pictures of one page have in common."""

    loudest_db: float  # relative to a full-scale sine
    highest: float  # Hz


def decibels(
    audio: Float[np.ndarray, " time"], sample_rate: int
) -> Float[np.ndarray, "bins frames"]:
    """Level in dB relative to a full-scale sine: Hann windows of 32 ms, centred, every 8 ms."""
    window, hop = _samples(WINDOW, sample_rate), _samples(HOP, sample_rate)
    padded = np.pad(audio, (window // 2, window - window // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    taper = np.hanning(window + 1)[:-1].astype(np.float32)
    amplitude = np.abs(np.fft.rfft(frames * taper)).T * (2 / taper.sum())
    return 20 * np.log10(np.maximum(amplitude, 10 ** (INAUDIBLE_DB / 20)))


def _samples(seconds: float, sample_rate: int) -> int:
    return max(2, round(seconds * sample_rate))


def common_scale(levels: Sequence[Float[np.ndarray, "_ _"]], rates: Sequence[int]) -> Scale:
    """The scale on which all these spectrograms can be compared."""
    loudest = max(float(level.max()) for level in levels)
    if loudest < INAUDIBLE_DB + RANGE_DB:  # silence throughout: nothing to be relative to
        loudest = 0.0
    return Scale(loudest, min(HIGHEST, max(rates) / 2))


def picture(
    level: Float[np.ndarray, "bins frames"], sample_rate: int, seconds: float, scale: Scale
) -> bytes:
    """The spectrogram as a PNG file, with axes in s and kHz."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor=PAPER)
    axes = figure.add_axes(FRAME, facecolor=PAPER)
    _draw(axes, level, sample_rate, scale)
    _label(axes, seconds, scale)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return _png(np.asarray(canvas.buffer_rgba()))


def _png(dots: UInt8[np.ndarray, "height width 4"]) -> bytes:
    """A PNG file with a palette: a third of the size, and a page holds many."""
    from PIL import Image

    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette())
    few = Image.fromarray(dots[..., :3]).quantize(palette=palette, dither=Image.Dither.NONE)
    file = io.BytesIO()
    few.save(file, "PNG")
    return file.getvalue()


@cache
def _palette() -> bytes:
    """The scale's colours, and the shades of text on its darkest one, as red, green, blue."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("shades", [PAPER, INK], SHADES)
    steps = [colormaps[COLOURS](np.linspace(0, 1, STEPS)), shades(np.arange(SHADES))]
    return np.round(255 * np.concatenate(steps)[:, :3]).astype(np.uint8).tobytes()


def _draw(
    axes: Axes, level: Float[np.ndarray, "bins frames"], sample_rate: int, scale: Scale
) -> None:
    bins, frames = level.shape
    step = _samples(HOP, sample_rate) / sample_rate
    width = sample_rate / _samples(WINDOW, sample_rate) / 1000
    axes.imshow(
        level,
        cmap=COLOURS,
        vmin=scale.loudest_db - RANGE_DB,
        vmax=scale.loudest_db,
        extent=(-step / 2, (frames - 0.5) * step, -width / 2, (bins - 0.5) * width),
        origin="lower",
        aspect="auto",
    )


def _label(axes: Axes, seconds: float, scale: Scale) -> None:
    axes.set_xlim(0, max(seconds, HOP))
    axes.set_ylim(0, scale.highest / 1000)
    axes.set_xlabel("time in s", color=INK, fontsize=10, labelpad=2)
    axes.set_ylabel("kHz", color=INK, fontsize=10, labelpad=2)
    axes.locator_params(axis="y", nbins=5)
    axes.tick_params(colors=INK, labelsize=10, length=3)
    for spine in axes.spines.values():
        spine.set_visible(False)


def colour_stops(count: int = 9) -> list[str]:
    """Equally spaced colours of the scale, darkest first, as ``#rrggbb``."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colour) for colour in colormaps[COLOURS](np.linspace(0, 1, count))]
