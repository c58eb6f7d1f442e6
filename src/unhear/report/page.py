"""Panels, figures and settings of one recording → one HTML file.

Sound, pictures and style are inside the file, and its content security policy forbids the
browser to load anything more. Knows no enhancer and no attack: it shows what it is given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unhear.report import panels, templates
from unhear.report.panels import Panel

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Page", "Panel", "write_page"]


@dataclass(frozen=True)
class Page:
    """Everything that one page says, in its order."""

    title: str
    summary: str  # the outcome in one sentence
    panels: list[Panel]  # two to six
    figures: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """label, value, explanation"""
    settings: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def write_page(page: Page, folder: Path, name: str) -> Path:
    """Write ``folder/name.html``, whole or not at all, and return its path.

    Makes the folder when it is missing; embeds the first 60 s of longer sounds.
    Raises InputError when the folder cannot be made or the file not be written.
    """
    html = templates.render(
        "page.html",
        page=page,
        panels=panels.shown(page.panels),
        shortened=panels.any_shortened(page.panels),
    )
    return templates.write(html, folder / f"{name}.html")
