"""Measurements and what they gave, kept as JSON lines, so that none is made twice.

Imports nothing heavy.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from unhear import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Part = Literal["efficiency", "peers", "together", "goal", "scaling", "killed"]
PARTS = get_args(Part)
Row = dict[str, Any]
Figures = dict[str, Any]


class UnavailableError(Exception):
    """What is measured needs something that is not here: said in a sentence, and left out."""


@dataclass(frozen=True)
class Measurement:
    """``measure(data, **settings)``; the settings are ready for JSON."""

    part: Part
    measure: Callable[..., Figures]
    settings: dict[str, Any]

    def about(self, machine: Row, data: Path) -> Row:
        """What a row has besides the figures; as it is after a round trip through JSON."""
        row = {
            "part": self.part,
            "measure": self.measure.__name__,
            "settings": self.settings,
            "machine": machine,
            "data": data.resolve().name,
            "unhear": __version__,
        }
        return json.loads(json.dumps(row))


@dataclass
class Book:
    """The rows of one file, and those that belong to this machine."""

    path: Path
    machine: Row
    fresh: bool = False
    _known: dict[str, Row] = field(default_factory=dict[str, Row], init=False)

    def __post_init__(self) -> None:
        from unhear.evaluation import rows

        rows.drop_half_a_line(self.path)
        for row in rows.load(self.path):
            self._known[_key(row)] = row  # of two that are about the same, the later one

    def rows(
        self,
        wanted: Iterable[Measurement],
        data: Path,
        parts: set[str],
        tell: Callable[[str], None],
    ) -> list[Row]:
        """What is known of the wanted measurements, in their order.

        Those of ``parts`` that are missing are made, each written down as soon as it is there.
        """
        found = [self._row(each, data, tell, make=each.part in parts) for each in wanted]
        return [row for row in found if row is not None]

    def _row(
        self, each: Measurement, data: Path, tell: Callable[[str], None], *, make: bool
    ) -> Row | None:
        about = each.about(self.machine, data)
        if not make or (_key(about) in self._known and not self.fresh):
            return self._known.get(_key(about))
        started = time.perf_counter()
        tell(f"{each.part}: {each.measure.__name__} {json.dumps(each.settings)} …")
        try:
            row = about | {"figures": each.measure(data, **each.settings)}
        except UnavailableError as reason:
            tell(f"  left out: {reason}")
            return about | {"left_out": str(reason)}
        tell(f"  took {time.perf_counter() - started:.0f} s")
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        self._known[_key(row)] = row
        return row


def _key(row: Row) -> str:
    names = ("part", "measure", "settings", "machine", "data", "unhear")
    about = {name: row.get(name) for name in names}
    return json.dumps(about, sort_keys=True)


def of(rows: Iterable[Row], measure: str) -> list[Row]:
    """The rows with figures of one kind of measurement."""
    return [row for row in rows if row["measure"] == measure and "figures" in row]


def left_out(rows: Iterable[Row], part: Part) -> list[str]:
    """Why what of a part was left out, each reason once."""
    own = (row["left_out"] for row in rows if row["part"] == part and "left_out" in row)
    return list(dict.fromkeys(own))
