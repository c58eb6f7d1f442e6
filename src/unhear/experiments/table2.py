"""Table 2: protected against one enhancer, heard by another; for every one that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unhear.evaluation.estimates import NORMALISED, RAW, de, wer
from unhear.evaluation.findings import Findings
from unhear.evaluation.rows import group
from unhear.evaluation.views import is_control, protection_table, transfer_map
from unhear.report.run_page import Headline

if TYPE_CHECKING:
    from collections.abc import Callable

    from unhear.evaluation.estimates import Estimate
    from unhear.evaluation.rows import Row

PAIR = ("metricgan+", "segan")  # the paper's
SUMMARY = """\
The paper transfers between MetricGAN+ and SEGAN; here, every enhancer that has gradients is
attacked and every one hears, black boxes included. White noise of the same strength is the
control: what an attack does to a stranger beyond it is transfer."""
FIGURES: list[tuple[str, Callable[[list[Row]], Estimate], str]] = [
    ("WER, peak-normalised", lambda own: wer(own, NORMALISED), "%"),
    ("DE, peak-normalised", de, "points"),
    ("DE, as it comes out", lambda own: de(own, RAW), "points"),
]


def show(rows: list[Row], _paper: dict[str, Any]) -> Findings:
    """The matrix, before and after peak normalisation, and the paper's corner of it."""
    maps = [
        transfer_map(f"Table 2, {title}", rows, figure, unit) for title, figure, unit in FIGURES
    ]
    between = [
        row for row in rows if {row["about"]["against"], row["about"]["heard_by"]} <= set(PAIR)
    ]
    tables = [protection_table("Table 2, the paper's pair", between)]
    return Findings("Table 2", SUMMARY, _headlines(between), heat_maps=maps, tables=tables)


def _headlines(rows: list[Row]) -> list[Headline]:
    found: list[Headline] = []
    attacked = [row for row in rows if not is_control(row)]
    for (against, listener), own in group(attacked, "against", "heard_by").items():
        if against != listener:
            rise = de(own)
            found.append(
                Headline(
                    f"{rise.value:+.1f}",
                    f"points of WER, peak-normalised, in what {listener} makes of recordings "
                    f"protected against {against} ({rise.evidence('+.1f')}).",
                )
            )
    return found
