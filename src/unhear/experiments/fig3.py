"""Figure 3: WER of noisy, enhanced and enhanced adversarial recordings over SNR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unhear.evaluation.estimates import NORMALISED, RAW, mean, wer
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
    headlines = [_headline(name, own, paper) for name, own in of_enhancer.items()]
    tables = [
        protection_table("Figure 3 in numbers", rows),
        quality_table("Figure 3, what is heard of the perturbations", rows),
    ]
    return Findings("Figure 3", SUMMARY, headlines, plots, tables=tables)


def _headline(name: str, rows: list[Row], paper: dict[str, Any]) -> Headline:
    """The strongest of the attacks by the abstract's measure, over all SNRs."""
    attacks = by_protection(row for row in rows if not is_control(row))
    found = {way: wer(own, RAW, against="enhanced") for way, own in attacks.items()}
    way = max(found, key=lambda each: found[each].value)
    peak = wer(attacks[way], NORMALISED, against="enhanced_normalised")
    return Headline(
        f"{found[way].value:.1f} %",
        f"of the words recognised after {name} go when the recording is protected by {way} "
        f"({found[way].low:.1f} to {found[way].high:.1f} %; {peak.value:.1f} % after peak "
        f"normalisation; {found[way].clips} clips at all SNRs, perturbation "
        f"{mean(attacks[way], 'snr_db').value:.1f} dB below). The paper: "
        f"{paper['wer_against_enhanced']} %.",
    )
