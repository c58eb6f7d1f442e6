"""What a run has found, as plots, matrices and tables for a page or a Markdown file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unhear.report.numbers import shown

if TYPE_CHECKING:
    from unhear.report.heat_maps import HeatMap
    from unhear.report.plots import Plot
    from unhear.report.run_page import Headline
    from unhear.report.tables import Table


@dataclass(frozen=True)
class Findings:
    """One experiment's; every list may be empty."""

    title: str
    summary: str
    headlines: list[Headline] = field(default_factory=list["Headline"])
    plots: list[Plot] = field(default_factory=list["Plot"])
    heat_maps: list[HeatMap] = field(default_factory=list["HeatMap"])
    tables: list[Table] = field(default_factory=list["Table"])


def markdown(findings: Findings) -> str:
    """The same without the plots, whose numbers are in the tables."""
    parts = [f"## {findings.title}", findings.summary]
    parts += ["\n".join(f"- **{line.value}** {line.text}" for line in findings.headlines)]
    for matrix in findings.heat_maps:
        parts += [f"### {matrix.title}", _matrix(matrix), matrix.note]
    for table in findings.tables:
        parts += [f"### {table.title}", _table(table), table.note]
    return "\n\n".join(part for part in parts if part) + "\n"


def _matrix(matrix: HeatMap) -> str:
    head = [f"{matrix.row_label} \\ {matrix.column_label}, {matrix.unit}", *matrix.columns]
    lines = [
        [name, *(shown(value, matrix.decimals) for value in values)]
        for name, values in zip(matrix.rows, matrix.values, strict=True)
    ]
    return grid(head, lines)


def _table(table: Table) -> str:
    lines = [
        [
            value if isinstance(value, str) else shown(value, column.decimals)
            for value, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]
    return grid([column.title for column in table.columns], lines)


def grid(head: list[str], lines: list[list[str]]) -> str:
    """A Markdown table, the first column to the left, the others to the right."""
    every = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in every)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
