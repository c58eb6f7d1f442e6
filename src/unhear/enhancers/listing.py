"""Cards as they are shown: with what was measured, and whether they can be used at once."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unhear.generators import generators

if TYPE_CHECKING:
    from unhear.enhancers.base import Entry

# Written by benchmarks/enhancement.py, on the same recordings for all.
MEASURED = Path(__file__).parent.parent / "assets" / "enhancers.json"
FIGURES = {
    "pesq_wb": "PESQ {:.2f}",
    "stoi": "STOI {:.2f}",
    "dnsmos": "DNSMOS {:.2f}",
    "wer": "WER {:.0f} %",
}


def card(entry: Entry) -> dict[str, Any]:
    """All that there is to say of one enhancer, ready for JSON."""
    name = entry.card.name
    state = {
        "here": entry.here,
        "generator": name in generators(),
        "measured": measured().get(name),
    }
    return asdict(entry.card) | state


def lines(entry: Entry) -> list[str]:
    """The same, as lines for people; the first is the name."""
    own = entry.card
    size = "no network" if own.parameters is None else f"{own.parameters:,} parameters"
    gradients = "can be attacked" if own.differentiable else "no gradients: for measuring only"
    shown = {
        "": own.summary,
        "network": f"{own.sample_rate:,} Hz, {size}; {gradients}",
        "measured": described(measured().get(own.name)),
        "source": f"{own.paper}; {own.licence}",
        "weights": f"{own.weights} ({_state(entry)})",
        "generator": "for --attack generator and --learned-start" * (own.name in generators()),
    }
    return [own.name, *(f"  {key:9} {text}".rstrip() for key, text in shown.items() if text)]


def _state(entry: Entry) -> str:
    if entry.here:
        return "here"
    if not entry.installed:
        return f"install with pip install 'unhear[{entry.extra}]'"
    if entry.source is None:
        return "not here"
    return f"not here yet: fetched on first use, {entry.source.size / 1e6:.0f} MB"


def described(figures: dict[str, float] | None) -> str:
    """Figures of merit in one line; empty when nothing was measured."""
    return (
        ", ".join(text.format(figures[key]) for key, text in FIGURES.items()) if figures else ""
    )


@cache
def measured() -> dict[str, dict[str, float]]:
    """What each enhancer does for speech, by name; "noisy" is the speech before it."""
    return json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
