"""What protecting took, as a table: no part of the rows, for it is never the same again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unhear.evaluation.rows import SECONDS, identity, load
from unhear.report.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from unhear.evaluation.rows import Row
    from unhear.evaluation.work import Task

COLUMNS = [
    Column("protection"),
    Column("against"),
    Column("recordings", 0),
    Column("seconds of audio", 0),
    Column("seconds for each", 2),
]
NOTE = """\
What computing the perturbation took for each second of audio, without enhancing, recognising
and measuring: in one thread, on whatever machines worked, beside whatever else they did."""


def times(tasks: Sequence[Task], folder: Path) -> list[Table]:
    """A line for each protection of each enhancer, where anything is known of it."""
    known = {identity(row["about"]): row for row in load(folder / SECONDS)}
    ways: dict[tuple[str, str], dict[str, Row]] = {}
    for task in tasks:
        way, own = task.protection, identity(task.about_protection())
        if own in known:
            ways.setdefault((way.title, way.attacked), {})[own] = known[own]
    if not ways:
        return []
    lines = [[*way, *_line([*rows.values()])] for way, rows in ways.items()]
    return [Table("What protecting took", COLUMNS, lines, NOTE)]


def _line(rows: list[Row]) -> list[float]:
    audio = sum(row["audio_seconds"] for row in rows)
    return [len(rows), audio, sum(row["seconds"] for row in rows) / audio]
