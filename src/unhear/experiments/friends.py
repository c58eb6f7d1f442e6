"""Ours: all enhancers but one are attacked; that one is spared, or merely left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unhear.evaluation.estimates import NORMALISED, clips, de, mean, wer
from unhear.evaluation.findings import Findings
from unhear.evaluation.views import attacked_in, by, is_control, listener, matrix
from unhear.report.run_page import Headline
from unhear.report.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from unhear.evaluation.estimates import Estimate
    from unhear.evaluation.rows import Row
    from unhear.report.heat_maps import HeatMap
    from unhear.report.tables import Value

SUMMARY = """\
Every enhancer but one is to fail at once. What becomes of the one that is left out is transfer;
what becomes of it when it is spared, friendship. White noise of the same strength is the
control. Filters without gradients and native libraries only listen."""
COLUMNS = [
    Column("protection"),
    Column("heard by"),
    Column("as"),
    Column("clips", 0),
    Column("WER enhanced"),
    Column("WER enhanced protected"),
    Column("DE"),
    Column("SI-SDR to before"),
    Column("level in dB"),
]
NOTE = """\
At all SNRs of speech to noise, at full scale, each clip's errors capped at its words, with the
95 % interval of the bootstrap over clips. SI-SDR of the enhanced protected recording to
the enhanced original: a friend counts as kept with 15 dB and a WER within 2 points."""


def show(rows: list[Row], _paper: dict[str, Any]) -> Findings:
    """Who loses what when all but one are attacked, as matrices and in numbers."""
    ways = by(rows, _way)
    maps = [
        _map("DE in points, at full scale", ways, de, "points"),
        _map("SI-SDR of the output to what it was", ways, _si_sdr, "dB"),
    ]
    table = Table("Friends in numbers", COLUMNS, _lines(ways), NOTE)
    return Findings("Friends", SUMMARY, _headlines(ways), heat_maps=maps, tables=[table])


def _si_sdr(rows: Sequence[Row]) -> Estimate:
    return mean(rows, "si_sdr_db")


def _map(
    title: str, ways: dict[str, list[Row]], figure: Callable[..., Estimate], unit: str
) -> HeatMap:
    values = {
        way: {name: figure(cell).value for name, cell in by(own, listener).items()}
        for way, own in ways.items()
    }
    listeners = list(dict.fromkeys(name for own in values.values() for name in own))
    return matrix(title, ("protection", "heard by"), values, listeners, unit)


def _way(row: Row) -> str:
    """Whom it is against, and who is spared."""
    if is_control(row):
        return "white noise"
    spared = row["about"].get("spare")
    return f"against {row['about']['against']}" + (f", sparing {spared}" if spared else "")


def _role(row: Row) -> str:
    if is_control(row):
        return "control"
    if row["about"]["heard_by"] in attacked_in(row):
        return "attacked"
    spared = row["about"].get("spare", "").split(", ")
    return "spared" if row["about"]["heard_by"] in spared else "left out"


def _headlines(ways: dict[str, list[Row]]) -> list[Headline]:
    """How each friend fares, and those attacked beside it."""
    found: list[Headline] = []
    for way, own in ways.items():
        roles = by(own, _role)
        if "spared" in roles and "attacked" in roles:
            friend, foes = de(roles["spared"]), wer(roles["attacked"], NORMALISED)
            found.append(
                Headline(
                    f"{friend.value:+.1f}",
                    f"points of WER for the friend, {way} ({friend.evidence('+.1f')}), whose "
                    f"output keeps {_si_sdr(roles['spared']).value:.1f} dB SI-SDR; after the "
                    f"others, {foes.value:.0f} % of the words are wrong.",
                )
            )
    return found


def _lines(ways: dict[str, list[Row]]) -> list[list[Value]]:
    return [
        [
            way,
            name,
            _role(own[0]),
            clips(own),
            wer(own, "enhanced_normalised").value,
            wer(own, NORMALISED).shown(".1f"),
            de(own).shown("+.1f"),
            _si_sdr(own).value,
            mean(own, "level_change_db").value,
        ]
        for way, of_way in ways.items()
        for name, own in by(of_way, listener).items()
    ]
