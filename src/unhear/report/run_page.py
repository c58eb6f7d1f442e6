"""What an evaluation found → one HTML file to read, to look at and to listen to.

Knows no rows, enhancers or attacks: it shows what it is given, in its order. Sounds, drawings
and style are inside the file, and its content security policy forbids the browser to load
anything more. Its only script sorts tables; without it the page is as complete.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unhear.report import differences, heat_maps, panels, plots, tables, templates
from unhear.report.differences import Run, Transcripts
from unhear.report.heat_maps import HeatMap
from unhear.report.panels import Panel, ShownPanel
from unhear.report.plots import Plot
from unhear.report.tables import Table

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Headline:
    """A finding: a figure, and a sentence that goes on from it."""

    value: str
    text: str


@dataclass(frozen=True)
class Exhibit:
    """A recording to listen to in all its versions, and what was recognised in them."""

    title: str
    summary: str
    panels: list[Panel]  # at least one
    transcripts: Transcripts | None = None


@dataclass(frozen=True)
class RunPage:
    """Everything that one page says, in its order.

    A second of sound takes about 45 kB at 16 kHz and a panel's picture 230 kB: three exhibits
    of five panels of 7 s make a page of 8 MB.
    """

    title: str
    summary: str  # the outcome in one sentence
    headlines: list[Headline] = field(default_factory=list[Headline])
    plots: list[Plot] = field(default_factory=list[Plot])
    heat_maps: list[HeatMap] = field(default_factory=list[HeatMap])
    tables: list[Table] = field(default_factory=list[Table])
    exhibits: list[Exhibit] = field(default_factory=list[Exhibit])
    settings: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


@dataclass(frozen=True)
class _ShownExhibit:
    """An exhibit as the template shows it."""

    panels: list[ShownPanel]
    shortened: bool
    transcripts: list[tuple[str, list[Run]]]


def write_run_page(page: RunPage, path: Path) -> Path:
    """Write the page to ``path``, whole or not at all, and return the path.

    Makes the folder when it is missing; embeds the first 60 s of longer sounds. The same
    page gives the same bytes.
    Raises InputError when the folder cannot be made or the file not be written.
    """
    html = templates.render(
        "run_page.html",
        page=page,
        plots=[
            (plot, plots.shown(plot, f"plot-{number}"))
            for number, plot in enumerate(page.plots, start=1)
        ],
        heat_maps=[(heat_map, heat_maps.shown(heat_map)) for heat_map in page.heat_maps],
        tables=[(table, tables.shown(table)) for table in page.tables],
        exhibits=[(exhibit, _shown(exhibit)) for exhibit in page.exhibits],
        script=templates.script(),
    )
    return templates.write(html, path)


def _shown(exhibit: Exhibit) -> _ShownExhibit:
    texts = exhibit.transcripts
    return _ShownExhibit(
        panels=panels.shown(exhibit.panels),
        shortened=panels.any_shortened(exhibit.panels),
        transcripts=[
            (title, differences.marked(texts.reference, heard)) for title, heard in texts.heard
        ]
        if texts
        else [],
    )
