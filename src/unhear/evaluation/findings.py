"""What a run has found, as plots, matrices and tables for a page or a Markdown file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from unhear.report.numbers import MINUS, MISSING, shown

if TYPE_CHECKING:
    from unhear.report.heat_maps import HeatMap
    from unhear.report.plots import Plot, Series
    from unhear.report.run_page import Headline
    from unhear.report.tables import Table

_Titled = TypeVar("_Titled", "Findings", "Plot", "HeatMap", "Table")
LARGE = 10.0  # numbers that one decimal is enough for


@dataclass(frozen=True)
class Findings:
    """One experiment's; every list may be empty."""

    title: str
    summary: str
    headlines: list[Headline] = field(default_factory=list["Headline"])
    plots: list[Plot] = field(default_factory=list["Plot"])
    heat_maps: list[HeatMap] = field(default_factory=list["HeatMap"])
    tables: list[Table] = field(default_factory=list["Table"])


def read_by(found: Findings, recogniser: str) -> Findings:
    """The same where it is one of several: all of it says by which recogniser."""

    def named(parts: list[_Titled]) -> list[_Titled]:
        return [replace(each, title=f"{each.title}, read by {recogniser}") for each in parts]

    headlines = [replace(each, text=f"{each.text} [{recogniser}]") for each in found.headlines]
    (titled,) = named([found])
    return replace(
        titled,
        headlines=headlines,
        plots=named(found.plots),
        heat_maps=named(found.heat_maps),
        tables=named(found.tables),
    )


def markdown(findings: Findings) -> str:
    """The same as text, the plots as tables of their points."""
    parts = [f"## {findings.title}", findings.summary]
    parts += ["\n".join(f"- **{line.value}** {line.text}" for line in findings.headlines)]
    for plot in findings.plots:
        parts += [f"### {plot.title}", _plot(plot), plot.note]
    for matrix in findings.heat_maps:
        parts += [f"### {matrix.title}", _matrix(matrix), matrix.note]
    for one in findings.tables:
        parts += [f"### {one.title}", table(one), one.note]
    return "\n\n".join(part for part in parts if part) + "\n"


def _plot(plot: Plot) -> str:
    """A line for each series, a column for each x."""
    points = [point for series in plot.series for point in series.points]
    places = sorted({point.x for point in points})
    decimals = 1 if any(abs(point.y) >= LARGE for point in points) else 3
    lines = [
        [series.name, *(_point(series, place, decimals) for place in places)]
        for series in plot.series
    ]
    columns = [f"{place:g}".replace("-", MINUS) for place in places]
    return grid([f"{plot.y_label} \\ {plot.x_label}", *columns], lines)


def _point(series: Series, place: float, decimals: int) -> str:
    found = [point for point in series.points if point.x == place]
    if not found:
        return MISSING
    (point,) = found
    value, low, high = (shown(each, decimals) for each in (point.y, point.low, point.high))
    return value if MISSING in {value, low} else f"{value} ({low} to {high})"


def _matrix(matrix: HeatMap) -> str:
    head = [f"{matrix.row_label} \\ {matrix.column_label}, {matrix.unit}", *matrix.columns]
    lines = [
        [name, *(shown(value, matrix.decimals) for value in values)]
        for name, values in zip(matrix.rows, matrix.values, strict=True)
    ]
    return grid(head, lines)


def table(found: Table) -> str:
    """A table as text."""
    lines = [
        [
            value if isinstance(value, str) else shown(value, column.decimals)
            for value, column in zip(row, found.columns, strict=True)
        ]
        for row in found.rows
    ]
    return grid([column.title for column in found.columns], lines)


def grid(head: list[str], lines: list[list[str]]) -> str:
    """A Markdown table, the first column to the left, the others to the right."""
    every = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in every)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
