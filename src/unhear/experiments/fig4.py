"""Figure 4: RPR and DE of the attacks over SNR, of the same runs as Figure 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unhear.evaluation.estimates import NORMALISED, RAW, clips, de, defined, mean
from unhear.evaluation.findings import Findings
from unhear.evaluation.rows import group
from unhear.evaluation.views import by_protection, figure_plot, is_control
from unhear.report.run_page import Headline
from unhear.report.tables import Column, Table

if TYPE_CHECKING:
    from unhear.evaluation.rows import Row
    from unhear.report.tables import Value

SUMMARY = """\
RPR, the ratio of the logarithms of norms (16-bit steps), says how much more the enhancer's
output changes than its input; DE, by how many points the WER rises."""
COLUMNS = [
    Column("enhancer"),
    Column("protection"),
    Column("SNR in dB"),
    Column("clips", 0),
    Column("perturbation SNR"),
    Column("RPR"),
    Column("RPR in [-1, 1]"),
    Column("gain in dB"),
    Column("DE raw"),
    Column("DE peak"),
]


def show(rows: list[Row], paper: dict[str, Any]) -> Findings:
    """Two plots for each enhancer, and all numbers."""
    of_enhancer = {name: own for (name,), own in group(rows, "heard_by").items()}
    plots = [
        plot
        for name, own in of_enhancer.items()
        for plot in (
            figure_plot(f"Figure 4, {name}, RPR", "RPR", own, lambda each: mean(each, "rpr")),
            figure_plot(f"Figure 4, {name}, DE", "DE in points, peak-normalised", own, de),
        )
    ]
    headlines = [
        line for name, own in of_enhancer.items() for line in _headlines(name, own, paper)
    ]
    table = Table("Figure 4 in numbers", COLUMNS, _lines(of_enhancer), NOTE)
    return Findings("Figure 4", SUMMARY, headlines, plots, tables=[table])


NOTE = "Means over clips with 95 % intervals; DE with each clip's errors capped at its words."


def _lines(of_enhancer: dict[str, list[Row]]) -> list[list[Value]]:
    return [
        [
            name,
            way,
            snr_db,
            clips(own),
            mean(own, "snr_db").value,
            mean(own, "rpr").shown(".3f"),
            mean(own, "rpr_unit").shown(".3f"),
            mean(own, "gain_db").shown(".1f"),
            de(own, RAW).shown("+.1f"),
            de(own, NORMALISED).shown("+.1f"),
        ]
        for name, of_name in of_enhancer.items()
        for way, of_way in by_protection(of_name).items()
        for (snr_db,), own in group(of_way, "snr_db").items()
    ]


def _headlines(name: str, rows: list[Row], paper: dict[str, Any]) -> list[Headline]:
    cells = {
        (way, snr_db): mean(own, "rpr")
        for way, of_way in by_protection(row for row in rows if not is_control(row)).items()
        for (snr_db,), own in group(of_way, "snr_db").items()
    }
    found = defined(cells)
    if not found:
        return []
    way, snr_db = max(found, key=lambda cell: found[cell].value)
    best = found[way, snr_db]
    return [
        Headline(
            f"{best.value:.3f}",
            f"is the highest mean RPR on {name}: {way} at {snr_db:g} dB "
            f"({best.evidence('.3f')}). The paper's highest: {paper['rpr']:.4f}.",
        )
    ]
