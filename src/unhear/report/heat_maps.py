"""Matrices of figures → tables whose cells are coloured by their value."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isnan

from unhear.report import numbers

COLOURS = "cividis"  # looks alike to readers with and without colour-blindness
DARK, LIGHT = "#000000", "#ffffff"  # text


@dataclass(frozen=True)
class HeatMap:
    """``values[row][column]``; NaN was not measured and is shown as a dash."""

    title: str
    row_label: str
    column_label: str
    rows: list[str]
    columns: list[str]
    values: list[list[float]]
    unit: str
    note: str = ""
    decimals: int = 0
    limits: tuple[float, float] | None = None  # of the colours; None: the smallest, the largest


@dataclass(frozen=True)
class Cell:
    """A value as the template shows it."""

    text: str
    style: str  # CSS; empty where nothing was measured


@dataclass(frozen=True)
class ShownHeatMap:
    """A heat map as the template shows it."""

    rows: list[tuple[str, list[Cell]]]
    low: str  # the values at the ends of the colour scale
    high: str
    gaps: bool  # whether something was not measured
    colours: list[str]  # equally spaced, lowest value first, as ``#rrggbb``


def shown(heat_map: HeatMap) -> ShownHeatMap:
    """Colour the cells."""
    low, high = _limits(heat_map)
    rows = [
        (name, [_cell(value, low, high, heat_map.decimals) for value in values])
        for name, values in zip(heat_map.rows, heat_map.values, strict=True)
    ]
    return ShownHeatMap(
        rows=rows,
        low=numbers.shown(low, heat_map.decimals),
        high=numbers.shown(high, heat_map.decimals),
        gaps=any(isnan(value) for values in heat_map.values for value in values),
        colours=[_colour(place / 8) for place in range(9)],
    )


def _limits(heat_map: HeatMap) -> tuple[float, float]:
    if heat_map.limits is not None:
        return heat_map.limits
    measured = [value for row in heat_map.values for value in row if isfinite(value)]
    return (min(measured), max(measured)) if measured else (0.0, 0.0)


def _cell(value: float, low: float, high: float, decimals: int) -> Cell:
    text = numbers.shown(value, decimals)
    if isnan(value):
        return Cell(text, "")
    place = (min(max(value, low), high) - low) / (high - low) if high > low else 0.5
    colour = _colour(place)
    return Cell(text, f"background: {colour}; color: {_readable_on(colour)}")


def _colour(place: float) -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return to_hex(colormaps[COLOURS](place))


def _readable_on(colour: str) -> str:
    """Black or white, whichever has more contrast as WCAG 2 reckons it: always above 4.5."""
    light = _luminance(colour)
    return DARK if (light + 0.05) / 0.05 > 1.05 / (light + 0.05) else LIGHT


def _luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2.2)."""
    channels = [int(colour[begin : begin + 2], 16) / 255 for begin in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
        for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
