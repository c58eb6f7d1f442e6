"""What any evaluation has found, whatever its plan was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unhear.evaluation.estimates import NORMALISED, RAW, de, wer
from unhear.evaluation.findings import Findings
from unhear.evaluation.rows import group
from unhear.evaluation.views import (
    by_protection,
    heard_as_attacked,
    is_control,
    protection_table,
    quality_table,
    transfer_map,
    wer_plot,
)
from unhear.report.run_page import Headline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unhear.evaluation.rows import Row
    from unhear.report.heat_maps import HeatMap
    from unhear.report.plots import Plot

SUMMARY = """\
Every recording was protected, written as a 16-bit file, read again, enhanced and recognised."""

LEVELS = {"as it comes out": False, "peak-normalised": True}  # of the enhancer's output


def overview(rows: Sequence[Row]) -> Findings:
    """Headlines, WER over SNR, transfer between enhancers, and all numbers."""
    own = heard_as_attacked(rows)
    tables = [
        protection_table("Every protection", rows),
        quality_table("What is heard of it", own),
    ]
    return Findings("Results", SUMMARY, _headlines(own), _plots(own), _maps(rows), tables)


def _headlines(rows: Sequence[Row]) -> list[Headline]:
    return [
        _headline(against, way, own)
        for (against,), of_enhancer in group(rows, "against").items()
        for way, own in by_protection(of_enhancer).items()
    ]


def _headline(against: str, way: str, rows: list[Row]) -> Headline:
    what = "the control" if is_control(rows[0]) else "what was protected by"
    if rows[0]["to_be_said"]:
        found = wer(rows, NORMALISED, against="to_be_said")
        said = "of the words that were to be heard instead are wrong"
    else:
        found, said = wer(rows, NORMALISED), "of the words are wrong"
    return Headline(
        f"{found.value:.0f} %",
        f"{said} after {_who(against)} has enhanced {what} {way} "
        f"({found.evidence('.0f')}, at all SNRs, peak-normalised); "
        f"WER {de(rows).value:+.0f} points against the unprotected recordings.",
    )


def _who(against: str) -> str:
    several = against.count(", ") + 1
    return f"one of the {several} ({against}; all counted together)" if several > 1 else against


def _plots(rows: Sequence[Row]) -> list[Plot]:
    """Where there is more than one SNR to draw a line over."""
    return [
        wer_plot(f"{against}, {level}", own, normalised=normalised)
        for (against,), own in group(rows, "against").items()
        if len(group(own, "snr_db")) > 1
        for level, normalised in LEVELS.items()
        if normalised or any(RAW in row["heard"] for row in own)
    ]


def _maps(rows: Sequence[Row]) -> list[HeatMap]:
    """Where others listened, too: one for each way of protecting, with its control."""
    if len(heard_as_attacked(rows)) == len(rows):
        return []
    ways = by_protection(row for row in rows if not is_control(row))
    return [
        transfer_map(
            f"DE in points at all SNRs, peak-normalised, {way}",
            [*own, *_control_of(own[0], rows)],
            de,
            "points",
        )
        for way, own in ways.items()
    ]


def _control_of(row: Row, rows: Sequence[Row]) -> list[Row]:
    """White noise of the same budget."""
    budget = row["about"]["budget"]
    return [each for each in rows if is_control(each) and each["about"]["budget"] == budget]
