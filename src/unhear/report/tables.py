"""Tables whose numbers stay numbers, so that a reader can sort them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf

from unhear.report import numbers

Value = str | numbers.Number


@dataclass(frozen=True)
class Column:
    """The head of a column, and how many decimals its numbers have."""

    title: str
    decimals: int = 1


@dataclass(frozen=True)
class Table:
    """Rows of texts and numbers, one value for each column; NaN is shown as a dash.

    The first column names the rows.
    """

    title: str
    columns: list[Column]
    rows: list[list[Value]]
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """A value as the template shows it."""

    text: str
    number: str | None  # what the script sorts by; None for a text


@dataclass(frozen=True)
class ShownTable:
    """A table as the template shows it."""

    numeric: list[bool]  # which columns hold numbers and nothing else
    rows: list[list[Cell]]


def shown(table: Table) -> ShownTable:
    """Write the numbers out."""
    rows = [
        [_cell(value, column) for value, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    numeric = [
        all(row[place].number is not None for row in rows)
        for place in range(len(table.columns))
    ]
    return ShownTable(numeric, rows)


def _cell(value: Value, column: Column) -> Cell:
    if isinstance(value, str):
        return Cell(value, None)
    return Cell(numbers.shown(value, column.decimals), _javascript(value))


def _javascript(value: numbers.Number) -> str:
    """The number as JavaScript reads it."""
    if isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(value)
