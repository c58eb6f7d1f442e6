"""What came of a command that was called in this process; the fixture ``cli`` calls it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def settings(self) -> dict[str, Any]:
        """Of the first file, of ``protect --json``."""
        return json.loads(self.out)["files"][0]["settings"]
