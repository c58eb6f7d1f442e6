"""Figure 3: WER of noisy, enhanced and enhanced adversarial recordings over SNR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unhear.evaluation.estimates import NORMALISED, RAW, defined, mean, wer
from unhear.evaluation.findings import Findings
from unhear.evaluation.overview import LEVELS
from unhear.evaluation.rows import group
from unhear.evaluation.views import (
    by_protection,
    is_control,
    protection_table,
    quality_table,
    wer_plot,
)
from unhear.report.run_page import Headline

if TYPE_CHECKING:
    from unhear.evaluation.rows import Row

SUMMARY = """\
Speech in noise at five SNRs, protected against the enhancer that then hears it. The paper draws
its Figure 3 and prints few of its numbers; of those, the abstract's is compared here: the WER
of the enhanced adversarial recording against what was recognised in the enhanced original."""


def show(rows: list[Row], paper: dict[str, Any]) -> Findings:
    """A plot for each enhancer, before and after peak normalisation, and all numbers."""
    of_enhancer = {name: own for (name,), own in group(rows, "heard_by").items()}
    plots = [
        wer_plot(f"Figure 3, {name}, {level}", own, normalised=normalised)
        for name, own in of_enhancer.items()
        for level, normalised in LEVELS.items()
    ]
    headlines = [
        line
        for name, own in of_enhancer.items()
        for budget in dict.fromkeys(row["about"]["budget"] for row in own)
        for line in _headlines(name, budget, own, paper)
    ]
    tables = [
        protection_table("Figure 3 in numbers", rows),
        quality_table("Figure 3, what is heard of the perturbations", rows),
    ]
    return Findings("Figure 3", SUMMARY, headlines, plots, tables=tables)


def _headlines(
    name: str, budget: str, rows: list[Row], paper: dict[str, Any]
) -> list[Headline]:
    """The strongest attack of one budget by the abstract's measure, over all SNRs."""
    attacks = by_protection(
        row for row in rows if row["about"]["budget"] == budget and not is_control(row)
    )
    found = defined({way: wer(own, RAW, against="enhanced") for way, own in attacks.items()})
    if not found:
        return []
    way = max(found, key=lambda each: found[each].value)
    peak = wer(attacks[way], NORMALISED, against="enhanced_normalised")
    below = mean(attacks[way], "snr_db").value
    return [
        Headline(
            f"{found[way].value:.1f} %",
            f"of the words recognised after {name} go when the recording is protected by {way} "
            f"({found[way].evidence('.1f')}, at all SNRs; {peak.value:.1f} % after peak "
            f"normalisation; perturbation {below:.1f} dB below). The paper: "
            f"{paper['wer_against_enhanced']} %.",
        )
    ]
