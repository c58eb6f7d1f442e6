"""Points with intervals → a drawing, its legend, and the same in words and in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING, Any

from unhear.report import drawings, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Small, so that its text is readable on a phone; a desk's browser enlarges it.
WIDTH, HEIGHT = 360, 230  # CSS pixels
TEXT = 10.5  # CSS pixels, of the numbers on the axes
SWATCH_WIDTH, SWATCH_HEIGHT = 36, 14
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
MOST_TICKS = 8  # measured values of x that are all written on the axis


@dataclass(frozen=True)
class Point:
    """A measurement with its interval; NaN where there is none."""

    x: float
    y: float
    low: float = nan
    high: float = nan


@dataclass(frozen=True)
class Series:
    """Points that a line connects, in the order of x."""

    name: str
    points: list[Point]


@dataclass(frozen=True)
class Plot:
    """One drawing; ``y_limits`` is the range of its axis, found from the points if None."""

    title: str
    x_label: str
    y_label: str
    series: list[Series]
    note: str = ""
    y_limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class ShownPlot:
    """A plot as the template shows it."""

    svg: str
    alt: str
    legend: list[tuple[str, str]]  # a sample of the line, and the series' name
    rows: list[list[str]]  # x, then the value of each series


def shown(plot: Plot, name: str) -> ShownPlot:
    """Draw the plot; ``name`` is one of its own in the page."""
    lines = [sorted(one.points, key=lambda point: point.x) for one in plot.series]
    swatches = [
        drawings.svg(_swatch(index), f"{name}-{index}") for index in range(len(plot.series))
    ]
    names = [one.name for one in plot.series]
    return ShownPlot(
        svg=drawings.svg(_figure(plot, lines), name),
        alt=_alt(plot, lines),
        legend=list(zip(swatches, names, strict=True)),
        rows=_rows(lines),
    )


def _figure(plot: Plot, lines: list[list[Point]]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), layout="constrained", frameon=False)
    axes = figure.add_subplot(frameon=False)
    for index, points in enumerate(lines):
        _draw(axes, points, index)
    if plot.y_limits is not None:
        low, high = plot.y_limits
        margin = (high - low) / 40  # so that a marker on the edge is whole
        axes.set_ylim(low - margin, high + margin)
    _frame(axes, sorted({point.x for points in lines for point in points}))
    return figure


def _draw(axes: Axes, points: list[Point], index: int) -> None:
    style = _style(index)
    x = [point.x for point in points]
    axes.plot(x, [_or_gap(point.y) for point in points], **style)
    bounded = [point for point in points if isfinite(point.low) and isfinite(point.high)]
    axes.errorbar(
        [point.x for point in bounded],
        [(point.low + point.high) / 2 for point in bounded],
        [(point.high - point.low) / 2 for point in bounded],
        fmt="none",
        color=style["color"],
        elinewidth=1,
        capsize=2.5,
    )


def _or_gap(value: float) -> float:
    return value if isfinite(value) else nan


def _style(index: int) -> dict[str, Any]:
    """Colour, marker and dashes: alike only for series that are far apart."""
    return {
        "color": drawings.SERIES[index % len(drawings.SERIES)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
        "linewidth": 1.6,
        "markersize": 5,
    }


def _swatch(index: int) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SWATCH_WIDTH / 72, SWATCH_HEIGHT / 72), frameon=False)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 2)
    axes.plot([0.1, 1, 1.9], [0, 0, 0], markevery=[1], **_style(index))
    return figure


def _frame(axes: Axes, places: list[float]) -> None:
    from matplotlib.ticker import FuncFormatter

    if _fit(places):
        axes.set_xticks(places)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_tick))
    axes.tick_params(colors=drawings.LINE, labelcolor=drawings.INK, labelsize=TEXT, length=3)
    axes.grid(axis="y", color=drawings.LINE, linewidth=1)
    axes.set_axisbelow(True)


def _fit(places: list[float]) -> bool:
    """Whether there is room for a tick at every one of these sorted values."""
    gaps = [after - before for before, after in pairwise(places)]
    room = (places[-1] - places[0]) / MOST_TICKS if places else 0
    return 0 < len(places) <= MOST_TICKS and all(gap >= room for gap in gaps)


def _tick(value: float, _: int | None = None) -> str:
    return f"{value:g}".replace("-", numbers.MINUS)


def _alt(plot: Plot, lines: list[list[Point]]) -> str:
    """The drawing in words: each series from its first point to its last."""
    ends = [
        f"{one.name}: {_range(points)}" for one, points in zip(plot.series, lines, strict=True)
    ]
    return f"{plot.title}. {plot.y_label} against {plot.x_label}. {'; '.join(ends)}."


def _range(points: list[Point]) -> str:
    measured = [
        f"{_short(point.y)} at {_short(point.x)}" for point in points if isfinite(point.y)
    ]
    if not measured:
        return "not measured"
    return measured[0] if len(measured) == 1 else f"from {measured[0]} to {measured[-1]}"


def _rows(lines: list[list[Point]]) -> list[list[str]]:
    values = [{point.x: _value(point) for point in points} for points in lines]
    places = sorted({x for row in values for x in row})
    return [[_short(x), *(row.get(x, numbers.MISSING) for row in values)] for x in places]


def _value(point: Point) -> str:
    if isnan(point.low) or isnan(point.high):
        return _short(point.y)
    return f"{_short(point.y)} ({_short(point.low)} to {_short(point.high)})"


def _short(value: float) -> str:
    """Four significant digits."""
    return _tick(float(f"{value:.4g}")) if isfinite(value) else numbers.shown(value, 0)
