"""How the enhancers that users bring are named; ``unhear.external`` loads them.

Knows the names only: nothing is looked up, imported or run here.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

Form = Literal["torchscript", "exported", "hub", "speechbrain", "python"]

FORMS = "FILE.pt, FILE.pt2, MODULE:NAME, FILE.py:NAME, hf:ORG/REPO/FILE, speechbrain:ORG/MODEL"
SCHEMES: dict[str, Form] = {"hf": "hub", "speechbrain": "speechbrain"}
SUFFIXES: dict[str, Form] = {
    ".pt": "torchscript",
    ".pth": "torchscript",
    ".ts": "torchscript",
    ".pt2": "exported",
}


def form_of(name: str) -> Form | None:
    """Which of the forms a name has; None for what can only be a name of the registry."""
    scheme, colon, _ = name.partition(":")
    if colon and scheme in SCHEMES:
        return SCHEMES[scheme]
    if form := form_of_file(name):
        return form
    module, _, attribute = name.rpartition(":")
    return "python" if module and attribute.isidentifier() else None


def form_of_file(name: str) -> Form | None:
    """By the ending of a file's name, whether or not there is such a file."""
    return SUFFIXES.get(PurePath(name).suffix.lower())
