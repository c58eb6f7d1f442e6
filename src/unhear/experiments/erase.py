"""Ours: what each enhancer leaves of the words, by how much is added."""

from __future__ import annotations

from math import isnan, nan
from typing import TYPE_CHECKING, Any

from unhear.evaluation.estimates import NORMALISED, RAW, clips, de, defined, mean, wer
from unhear.evaluation.findings import Findings
from unhear.evaluation.rows import group
from unhear.evaluation.views import by, by_protection, heard_as_attacked, is_control, matrix
from unhear.report.run_page import Headline
from unhear.report.tables import Column, Table

if TYPE_CHECKING:
    from unhear.evaluation.rows import Row
    from unhear.report.heat_maps import HeatMap
    from unhear.report.tables import Value

ENOUGH = 90.0  # % of the words
LOUD = "enhanced_protected_loud"
SUMMARY = """\
Every enhancer is attacked by itself and judged after its output was turned up, to full scale
and to the loudness of broadcasts: what is silent may still hold every word. White noise of the
same strength stands beside each figure."""
COLUMNS = [
    Column("enhancer"),
    Column("protection"),
    Column("SNR in dB"),
    Column("clips", 0),
    Column("WER noisy"),
    Column("protected"),
    Column("enhanced"),
    Column("raw"),
    Column("peak"),
    Column("loudness"),
    Column("DE"),
    Column("PESQ", 2),
    Column("STOI", 3),
    Column("segmental SNR"),
    Column("audible in %"),
]
NOTE = """\
WER in %, each clip's errors capped at its words, with the 95 % interval of the bootstrap over
clips: "protected", of the protected recording; "enhanced", of the enhanced original; then of
the enhanced protected one as it comes out, at full scale ("peak") and at -23 LUFS ("loudness").
DE at full scale. PESQ, STOI and segmental SNR of the protected recording to the noisy one;
"audible": share of the perturbation's spectrum above the masking threshold."""


def show(rows: list[Row], _paper: dict[str, Any]) -> Findings:
    """A matrix for each SNR of speech to noise, and all numbers."""
    own = heard_as_attacked(rows)
    maps = [
        _map(f"WER at full scale, speech at {snr_db:g} dB", of_snr)
        for (snr_db,), of_snr in group(own, "snr_db").items()
    ]
    table = Table("Erasure in numbers", COLUMNS, _lines(own), NOTE)
    return Findings("Erasure", SUMMARY, _headlines(own), heat_maps=maps, tables=[table])


def _map(title: str, rows: list[Row]) -> HeatMap:
    values = {
        name: {way: wer(cell, NORMALISED).value for way, cell in by_protection(own).items()}
        for name, own in by(rows, _attacked).items()
    }
    return matrix(title, ("enhancer", "protection"), values, list(by_protection(rows)), "%")


def _attacked(row: Row) -> str:
    return row["about"]["against"]


def _headlines(rows: list[Row]) -> list[Headline]:
    """For each enhancer the faintest protection after which nine words of ten are wrong."""
    found: list[Headline] = []
    attacked = [row for row in rows if not is_control(row)]
    for name, own in by(attacked, _attacked).items():
        ways = by_protection(own)
        every = {way: _least(of_way) for way, of_way in ways.items()}
        least = {way: value for way, value in every.items() if not isnan(value)}
        if not least:
            continue
        added = {way: mean(ways[way], "snr_db").value for way in least if least[way] >= ENOUGH}
        enough = bool(added)
        way = max(added, key=added.__getitem__) if enough else max(least, key=least.__getitem__)
        over_all = wer(ways[way], NORMALISED)
        found.append(
            Headline(
                f"{over_all.value:.0f} %",
                f"of the words are wrong after {name} at full scale, {way} "
                f"({over_all.evidence('.0f')}, over all SNRs of speech): "
                + (
                    f"the faintest of those with {ENOUGH:.0f} % at each."
                    if enough
                    else f"the most of any, {least[way]:.0f} % at the hardest."
                ),
            )
        )
    return found


def _least(rows: list[Row]) -> float:
    """WER at the SNR of speech to noise at which most of the words are left."""
    found = {snr: wer(own, NORMALISED) for snr, own in group(rows, "snr_db").items()}
    return min((each.value for each in defined(found).values()), default=nan)


def _lines(rows: list[Row]) -> list[list[Value]]:
    return [
        [
            name,
            way,
            snr_db,
            clips(own),
            wer(own, "noisy").value,
            wer(own, "protected").value,
            wer(own, "enhanced_normalised").value,
            wer(own, RAW).shown(".1f"),
            wer(own, NORMALISED).shown(".1f"),
            wer(own, LOUD).shown(".1f"),
            de(own).shown("+.1f"),
            mean(own, "pesq_wb").value,
            mean(own, "stoi").value,
            mean(own, "segmental_snr_db").value,
            100 * mean(own, "share_unmasked").value,
        ]
        for name, of_name in by(rows, _attacked).items()
        for way, of_way in by_protection(of_name).items()
        for (snr_db,), own in group(of_way, "snr_db").items()
    ]
