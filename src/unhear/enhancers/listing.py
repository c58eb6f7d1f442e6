"""Cards as they are shown: with what was measured, and whether the weights are here."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unhear.enhancers.base import Entry

# Written by benchmarks/enhancement.py: name → figure → value, on the same mixtures for all.
MEASURED = Path(__file__).parent.parent / "assets" / "enhancers.json"


def card(entry: Entry) -> dict[str, Any]:
    """All that there is to say of one enhancer, ready for JSON."""
    own = asdict(entry.card) | {"here": entry.here}
    return own | {"measured": measured().get(entry.card.name)}


@cache
def measured() -> dict[str, dict[str, float]]:
    """What each enhancer does for speech, by name."""
    return json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
