"""Findings → an HTML page and a Markdown file in the folder of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unhear import __version__
from unhear.evaluation.exhibits import exhibits
from unhear.evaluation.findings import grid, markdown, table
from unhear.evaluation.times import times
from unhear.evaluation.views import clip_table
from unhear.outputs import replacing
from unhear.report.run_page import RunPage, write_run_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from unhear.evaluation.findings import Findings
    from unhear.evaluation.rows import Row
    from unhear.evaluation.work import Task

PAGE, TEXT = "report.html", "report.md"
SUMMARY = """\
An enhancer takes noise out of speech, and a recogniser reads what is left. Each recording here
had a faint perturbation added to it and was stored in 16 bits before an enhancer got it."""


def publish(
    title: str,
    findings: Sequence[Findings],
    tasks: Sequence[Task],
    rows: Sequence[Row],
    folder: Path,
) -> Path:
    """Write both files and return the page's path."""
    settings, took = described(rows), times(tasks, folder)
    page = RunPage(
        title,
        SUMMARY,
        headlines=[each for found in findings for each in found.headlines],
        plots=[each for found in findings for each in found.plots],
        heat_maps=[each for found in findings for each in found.heat_maps],
        tables=[
            *(each for found in findings for each in found.tables),
            *took,
            clip_table("Every clip", rows),
        ],
        exhibits=exhibits(tasks, rows),
        settings=settings,
    )
    parts = [f"# {title}\n", *map(markdown, findings)]
    parts += [f"## {each.title}\n\n{table(each)}\n\n{each.note}\n" for each in took]
    parts += [f"## Settings\n\n{grid(['', ''], [list(each) for each in settings])}\n"]
    with replacing(folder / TEXT) as partial:
        partial.write_text("\n".join(parts), "utf-8")
    return write_run_page(page, folder / PAGE)


def described(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """What was run, as it stands in the rows."""
    abouts = [row["about"] for row in rows]
    weights = {each["heard_by"]: each["heard_by_weights"] for each in abouts}
    for each in abouts:
        weights |= zip(each["against"].split(", "), each["weights"].split(", "), strict=True)
    ways = {row["protection"]: row["about"] for row in rows}
    fields = {
        "noise scenes": "scene",
        "SNRs of speech to noise in dB": "snr_db",
        "on the way": "through",
        "recogniser": "recogniser",
        "language": "language",
        "seed": "seed",
        "device": "device",
    }
    found = {
        title: _listed(each.get(name) for each in abouts) for title, name in fields.items()
    }
    return [
        ("Unhear", __version__),
        ("clips", str(len({each["clip"] for each in abouts}))),
        *((title, listed) for title, listed in found.items() if listed),
        *((way, _settings(each)) for way, each in ways.items()),
        *((f"weights of {name}", digest or "none") for name, digest in sorted(weights.items())),
    ]


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in dict.fromkeys(values) if value is not None)


def _settings(about: Row) -> str:
    own = {key: value for key, value in about["attack"].items() if key != "name"}
    own |= {key: about[key] for key in ("target", "budget", "spare", "survive") if key in about}
    return ", ".join(f"{key} {value}" for key, value in own.items())
