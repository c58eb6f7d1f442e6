"""Numbers as a reader sees them: a true minus sign, a dash for what was not measured."""

from __future__ import annotations

from math import isinf, isnan

Number = int | float
MISSING = "–"
MINUS = "\N{MINUS SIGN}"


def shown(value: Number, decimals: int) -> str:
    """The number with so many decimals; whole numbers of type int have none."""
    if isnan(value):
        return MISSING
    if isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = str(value) if isinstance(value, int) else f"{value:z.{decimals}f}"
    return text.replace("-", MINUS)
