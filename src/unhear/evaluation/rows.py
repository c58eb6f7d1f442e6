"""Rows in a JSON-lines file: appended as they come, put in order when all are there."""

from __future__ import annotations

import hashlib
import json
import os
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

from unhear.errors import InputError
from unhear.outputs import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Row = dict[str, Any]

ROWS = "rows.jsonl"  # of a run
SECONDS = "seconds.jsonl"  # what protecting took


def load(path: Path) -> list[Row]:
    """The rows so far, without a line that a kill has cut off.

    Raises InputError when a whole line is no row.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [_row(path, number, line) for number, line in enumerate(lines, start=1)]


def _row(path: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise InputError(f"line {number} of {path} is no row: delete that line to go on")
    return cast("Row", row)


def drop_half_a_line(path: Path) -> None:
    """Cut off what a kill has left of a row, so that the next one begins a line."""
    content = path.read_bytes() if path.exists() else b""
    if not content.endswith(b"\n") and content:
        os.truncate(path, content.rfind(b"\n") + 1)  # no moment at which the rows are gone


def line(row: Row) -> str:
    """One row as it stands in the file, keys in their order."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def put_in_order(path: Path) -> list[Row]:
    """Sort the rows by what they are about: their order tells nothing of who came first.

    Returns them.
    """
    rows = sorted(load(path), key=lambda row: json.dumps(row["about"], sort_keys=True))
    with replacing(path) as partial:
        partial.write_text("".join(map(line, rows)), "utf-8")
    return rows


def identity(about: Row) -> str:
    """A short name for what a row is about: the same in every run, on every machine."""
    text = json.dumps(about, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def finite(figures: dict[str, float]) -> dict[str, float | None]:
    """Figures as JSON has them: what is undefined or infinite is null."""
    return {name: value if isfinite(value) else None for name, value in figures.items()}


def group(rows: Iterable[Row], *fields: str) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of some fields of what they are about, in order of appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row["about"][name] for name in fields), []).append(row)
    return groups
