"""Which method makes a perturbation: work that was kept of another one does not count.

Changed by hand; tests/test_method.py says when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unhear.attacks import Attack
    from unhear.budgets import Budget

METHOD = "0.1.0"  # the version in which everything last began to give something else
# What alone has changed since, so that days of other work go on counting. Not what is of no
# mixture of speech and noise in one channel: offsets, and channels that cancel.
SINCE = {"opt erase": 2, "speech": 2, "masked": 2, "noise": 2, "chunks": 3}


def method_of(attack: Attack, target: str, budget: Budget, *, chunks: bool) -> str:
    """The method as far as these take part in it; ``chunks``: whether there are several."""
    parts = [f"{attack.name} {target}", target, type(budget).__name__.lower()]
    parts += ["chunks"] if chunks else []
    return _told(part for part in parts if part in SINCE)


def _told(parts: Iterable[str]) -> str:
    return ", ".join([METHOD, *(f"{part} {SINCE[part]}" for part in parts)])


ALL = _told(SINCE)
