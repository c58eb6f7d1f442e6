"""Ours: what is left of a protection after the file was turned up, cut or transcoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unhear.evaluation.estimates import NORMALISED, clips, de, defined, kept, mean, wer
from unhear.evaluation.findings import Findings
from unhear.evaluation.views import by, by_protection, is_control, matrix
from unhear.report.run_page import Headline
from unhear.report.tables import Column, Table

if TYPE_CHECKING:
    from unhear.evaluation.rows import Row
    from unhear.report.tables import Value

AS_WRITTEN = "none"
SUMMARY = """\
The same happens to the recording and to the protected file before both are enhanced: so DE is
what is left of the protection. A protection that "survives" channels was computed through draws
of them; other bit rates of the same codecs show whether it learnt more than those."""
COLUMNS = [
    Column("channel"),
    Column("protection"),
    Column("clips", 0),
    Column("WER enhanced"),
    Column("WER enhanced protected"),
    Column("DE"),
    Column("kept in %"),
    Column("perturbation SNR"),
    Column("PESQ", 2),
]
NOTE = """\
At all SNRs of speech to noise, at full scale, each clip's errors capped at its words, with
the 95 % interval of the bootstrap over clips. "Kept": DE as a share of that of the same
protection where nothing happens on the way."""


def show(rows: list[Row], _paper: dict[str, Any]) -> Findings:
    """What is left after every channel, as a matrix and in numbers."""
    ways = {way: by(own, _channel) for way, own in by_protection(rows).items()}
    channels = list(by(rows, _channel))
    left = {
        name: {way: de(own[name]).value for way, own in ways.items() if name in own}
        for name in channels
    }
    title = "DE in points after every channel, at full scale"
    survival = matrix(title, ("channel", "protection"), left, list(ways), "points")
    table = Table("Survival in numbers", COLUMNS, _lines(ways, channels), NOTE)
    return Findings("Survival", SUMMARY, _headlines(ways), heat_maps=[survival], tables=[table])


def _channel(row: Row) -> str:
    return row["about"].get("through") or AS_WRITTEN


def _headlines(ways: dict[str, dict[str, list[Row]]]) -> list[Headline]:
    """The worst channel of each protection."""
    found: list[Headline] = []
    for way, own in ways.items():
        left = defined({name: de(rows) for name, rows in own.items() if name != AS_WRITTEN})
        if left and not is_control(next(iter(own.values()))[0]):
            worst = min(left, key=lambda name: left[name].value)
            found.append(
                Headline(
                    f"{left[worst].value:+.0f}",
                    f"points of WER are left of {way} after {worst}, which takes most of it "
                    f"({left[worst].evidence('+.0f')}).",
                )
            )
    return found


def _lines(ways: dict[str, dict[str, list[Row]]], channels: list[str]) -> list[list[Value]]:
    return [
        [
            name,
            way,
            clips(own),
            wer(own, "enhanced_normalised").value,
            wer(own, NORMALISED).shown(".1f"),
            de(own).shown("+.1f"),
            kept(own, of_way.get(AS_WRITTEN, [])).shown(".0f"),
            mean(own, "snr_db").value,
            mean(own, "pesq_wb").value,
        ]
        for name in channels
        for way, of_way in ways.items()
        if (own := of_way.get(name))
    ]
