"""Table 1: another speaker's sentence is to be heard instead of what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unhear.evaluation.estimates import NORMALISED, RAW, Estimate, clips, defined, mean, wer
from unhear.evaluation.findings import Findings
from unhear.evaluation.rows import group
from unhear.evaluation.views import by_protection
from unhear.report.run_page import Headline
from unhear.report.tables import Column, Table

if TYPE_CHECKING:
    from unhear.evaluation.rows import Row
    from unhear.report.tables import Value

AT_DB = 0.0  # the SNR that the paper's table gives beside the average
AVERAGE = "average"
SUMMARY = """\
The targeted WER counts errors against the sentence that was to be heard: 0 % would be a perfect
replacement; the unprotected recording, in which it was never said, stands beside it."""
COLUMNS = [
    Column("enhancer"),
    Column("protection"),
    Column("SNR in dB"),
    Column("clips", 0),
    Column("perturbation SNR"),
    Column("PESQ", 2),
    Column("targeted WER raw"),
    Column("targeted WER peak"),
    Column("pooled, raw"),
    Column("unprotected"),
    Column("WER raw"),
]
NOTE = "WER in %, each clip's errors capped at the words of its reference but where pooled."


def show(rows: list[Row], paper: dict[str, Any]) -> Findings:
    """One table, and the figure of the abstract."""
    cells = {
        (enhancer, way, snr): own
        for (enhancer,), of_enhancer in group(rows, "heard_by").items()
        for way, of_way in by_protection(of_enhancer).items()
        for snr, own in [*_by_snr(of_way), (AVERAGE, of_way)]
    }
    lines = [_line(*cell, own) for cell, own in cells.items()]
    table = Table("Table 1 in numbers", COLUMNS, lines, NOTE)
    return Findings("Table 1", SUMMARY, _headlines(cells, paper), tables=[table])


def _headlines(
    cells: dict[tuple[str, str, str], list[Row]], paper: dict[str, Any]
) -> list[Headline]:
    found = defined({cell: targeted(own, RAW) for cell, own in cells.items()})
    if not found:
        return []
    best = min(found, key=lambda cell: found[cell].value)
    enhancer, way, snr = best
    below = mean(cells[best], "snr_db").value
    return [
        Headline(
            f"{found[best].value:.1f} %",
            f"is the lowest targeted WER: {enhancer}, {way}, SNR {snr} "
            f"({found[best].evidence('.1f')}; perturbation {below:.1f} dB below). "
            f"The paper's lowest: {paper['targeted_wer']} %.",
        )
    ]


def targeted(rows: list[Row], heard: str, *, capped: bool = True) -> Estimate:
    """WER against the sentence that was to be heard."""
    return wer(rows, heard, against="to_be_said", capped=capped)


def _by_snr(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    """The paper's SNR alone, where it was measured."""
    return [
        (f"{snr_db:g}", own)
        for (snr_db,), own in group(rows, "snr_db").items()
        if snr_db == AT_DB
    ]


def _line(enhancer: str, way: str, snr: str, own: list[Row]) -> list[Value]:
    return [
        enhancer,
        way,
        snr,
        clips(own),
        mean(own, "snr_db").value,
        mean(own, "pesq_wb").value,
        targeted(own, RAW).shown(".1f"),
        targeted(own, NORMALISED).shown(".1f"),
        targeted(own, RAW, capped=False).value,
        targeted(own, "enhanced").value,
        wer(own, RAW).value,
    ]
