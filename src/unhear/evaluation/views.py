"""Rows → the plots, matrices and tables that experiments and reports are made of."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from unhear.attacks.white_noise import WhiteNoise
from unhear.evaluation.estimates import (
    NORMALISED,
    RAW,
    Estimate,
    clips,
    de,
    mean,
    share,
    wer,
)
from unhear.evaluation.plan import Listener
from unhear.evaluation.rows import group
from unhear.report.heat_maps import HeatMap
from unhear.report.plots import Plot, Point, Series
from unhear.report.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from unhear.evaluation.rows import Row
    from unhear.report.tables import Value

SNR_LABEL = "SNR of speech to noise in dB"
CAPPED = "each clip at most 100"
TABLE_NOTE = """\
WER and DE in %: each clip's errors capped at its words, and the 95 % interval of the bootstrap
over clips; pooled over all clips without a cap, after the oblique. "raw": at the level that the
enhancer puts out; "peak": after peak normalisation. "on enhanced": against what was recognised
in the enhanced original, as in the paper's abstract; "targeted": against what was to be heard
instead, after peak normalisation. RPR, gain and level: of the enhancer's
output, protected to original."""
QUALITY_NOTE = """\
Of the protected recording to the noisy one, with 95 % intervals: SNR in dB, over all and as a
mean over segments, and A-weighted; the share of its spectrum above the recording's masking
threshold; largest added sample (full scale is 1); PESQ wide-band and narrow-band; STOI
and ESTOI. DNSMOS, overall, of the recording before and after, and of what the attacked
enhancers make of the protected one, all together."""

CONTROL = "white noise"
MOST_LINES = 1000
CLIP_COLUMNS = [
    Column("clip"),
    Column("scene"),
    Column("SNR in dB"),
    Column("attacked"),
    Column("protection"),
    Column("heard by"),
    Column("read by"),
    Column("perturbation SNR"),
    Column("PESQ", 2),
    Column("RPR", 3),
    Column("WER enhanced"),
    Column("WER enhanced protected"),
]


def heard_as_attacked(rows: Iterable[Row]) -> list[Row]:
    """The rows in which an enhancer that was attacked listens to the file as it was written."""
    return [
        row
        for row in rows
        if row["about"]["heard_by"] in attacked_in(row) and not row["about"].get("through")
    ]


def listener(row: Row) -> str:
    """Who enhances, and what has happened to the recording before."""
    about = row["about"]
    return str(Listener(about["heard_by"], about.get("through")))


def reader(row: Row) -> str:
    """Which recogniser it was, without its versions."""
    return row["about"]["recogniser"].split(",")[0]


def attacked_in(row: Row) -> list[str]:
    """The enhancers that a row's protection is against."""
    return row["about"]["against"].split(", ")


def by_protection(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by how they were protected."""
    return by(rows, lambda row: row["protection"])


def by(rows: Iterable[Row], name: Callable[[Row], str]) -> dict[str, list[Row]]:
    """Rows by a name that they are given, in order of appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(name(row), []).append(row)
    return groups


def series(name: str, rows: Sequence[Row], figure: Callable[..., Estimate]) -> Series:
    """One figure over the SNR of speech to noise."""
    points = [
        Point(snr_db, found.value, found.low, found.high)
        for (snr_db,), own in group(rows, "snr_db").items()
        for found in [figure(own)]
    ]
    return Series(name, points)


def wer_plot(title: str, rows: Sequence[Row], *, normalised: bool) -> Plot:
    """WER over SNR of the noisy, the enhanced and the enhanced protected recordings."""
    before = "enhanced_normalised" if normalised else "enhanced"
    after = NORMALISED if normalised else RAW
    ways = by_protection(rows)

    def read(signal: str) -> list[Row]:
        """Of the first way of protecting whose rows have it: in all it is the same."""
        having = (own for own in ways.values() if any(signal in row["heard"] for row in own))
        return next(having, [])

    lines = [
        series("noisy", read("noisy"), lambda own: wer(own, "noisy")),
        series("enhanced", read(before), lambda own: wer(own, before)),
        *(series(name, own, lambda each: wer(each, after)) for name, own in ways.items()),
    ]
    return Plot(title, SNR_LABEL, f"WER in %, {CAPPED}", lines, y_limits=(0.0, 105.0))


def figure_plot(
    title: str, label: str, rows: Sequence[Row], figure: Callable[..., Estimate]
) -> Plot:
    """One figure over SNR, a line for each way of protecting."""
    ways = by_protection(rows)
    return Plot(
        title, SNR_LABEL, label, [series(name, own, figure) for name, own in ways.items()]
    )


COLUMNS = [
    Column("attacked"),
    Column("protection"),
    Column("heard by"),
    Column("SNR in dB"),
    Column("clips", 0),
    Column("RPR", 3),
    Column("gain in dB", 1),
    Column("level in dB", 1),
    Column("WER noisy", 1),
    Column("WER protected", 1),
    Column("enhanced raw"),
    Column("enhanced peak"),
    Column("WER raw"),
    Column("WER peak"),
    Column("DE raw"),
    Column("DE peak"),
    Column("on enhanced"),
    Column("targeted WER"),
    Column("empty in %", 0),
    Column("looping in %", 0),
]


def protection_table(title: str, rows: Sequence[Row]) -> Table:
    """A line for each enhancer attacked, way of protecting, listener and SNR."""
    lines = [
        _line(protection, own[0]["about"], own)
        for of_attacked in group(rows, "against").values()
        for of_listener in by(of_attacked, listener).values()
        for protection, of_way in by_protection(of_listener).items()
        for own in group(of_way, "snr_db").values()
    ]
    return Table(title, COLUMNS, lines, TABLE_NOTE)


def _line(protection: str, about: Row, own: list[Row]) -> list[Value]:
    snr_db = about["snr_db"]
    return [
        about["against"],
        protection,
        listener(own[0]),
        nan if snr_db is None else snr_db,
        clips(own),
        mean(own, "rpr").value,
        mean(own, "gain_db").value,
        mean(own, "level_change_db").value,
        wer(own, "noisy").value,
        wer(own, "protected").value,
        _both(lambda capped: wer(own, "enhanced", capped=capped)),
        _both(lambda capped: wer(own, "enhanced_normalised", capped=capped)),
        _both(lambda capped: wer(own, RAW, capped=capped)),
        _both(lambda capped: wer(own, NORMALISED, capped=capped)),
        _both(lambda capped: de(own, RAW, capped=capped)),
        _both(lambda capped: de(own, NORMALISED, capped=capped)),
        _both(lambda capped: wer(own, RAW, against="enhanced", capped=capped)),
        _both(lambda capped: wer(own, NORMALISED, against="to_be_said", capped=capped)),
        share(own, NORMALISED, "empty"),
        share(own, NORMALISED, "looping"),
    ]


def _both(figure: Callable[[bool], Estimate]) -> str:
    """Capped with its interval, then pooled."""
    return f"{figure(True).shown('.1f')} / {figure(False).shown('.1f').split(' ')[0]}"


QUALITY: dict[str, tuple[str, str]] = {  # column → figure, format
    "SNR": ("snr_db", ".1f"),
    "segmental": ("segmental_snr_db", ".1f"),
    "A-weighted": ("a_weighted_snr_db", ".1f"),
    "audible": ("share_unmasked", ".3f"),
    "peak": ("peak", ".4f"),
    "PESQ-wb": ("pesq_wb", ".2f"),
    "PESQ-nb": ("pesq_nb", ".2f"),
    "STOI": ("stoi", ".3f"),
    "ESTOI": ("estoi", ".3f"),
    "DNSMOS before": ("dnsmos_noisy", ".2f"),
    "DNSMOS after": ("dnsmos_protected", ".2f"),
    "DNSMOS enhanced": ("dnsmos_enhanced", ".2f"),
}


def quality_table(title: str, rows: Sequence[Row]) -> Table:
    """What is heard of each way of protecting, over all SNRs of speech to noise."""
    columns = ["against", "protection", *QUALITY]
    lines: list[list[Value]] = [
        [against, way, *(mean(own, figure).shown(form) for figure, form in QUALITY.values())]
        for (against,), of_enhancer in group(rows, "against").items()
        for way, own in by_protection(of_enhancer).items()
    ]
    return Table(title, list(map(Column, columns)), lines, QUALITY_NOTE)


def transfer_map(
    title: str, rows: Sequence[Row], figure: Callable[..., Estimate], unit: str
) -> HeatMap:
    """What protecting against one enhancer does to every other; the control comes last."""
    by_attacked = by(rows, _attacked)
    attacked = sorted(by_attacked, key=CONTROL.__eq__)
    heard_by = by(rows, listener)
    # Those that were attacked come first, in the same order: the diagonal is the attack itself.
    listeners = [name for name in attacked if name in heard_by]
    listeners += [name for name in heard_by if name not in attacked]
    values = {
        name: {each: figure(cell).value for each, cell in by(own, listener).items()}
        for name, own in by_attacked.items()
    }
    ordered = {name: values[name] for name in attacked}
    return matrix(title, ("attacked", "heard by"), ordered, listeners, unit)


def matrix(
    title: str,
    labels: tuple[str, str],
    values: Mapping[str, Mapping[str, float]],
    columns: Sequence[str],
    unit: str,
) -> HeatMap:
    """Values by row, then by column; ``labels`` say what the rows are, and the columns."""
    cells = [[row.get(name, nan) for name in columns] for row in values.values()]
    return HeatMap(title, *labels, [*values], [*columns], cells, unit)


def _attacked(row: Row) -> str:
    return CONTROL if is_control(row) else row["about"]["against"]


def is_control(row: Row) -> bool:
    """Whether nothing was computed: the recording only has white noise added."""
    return row["about"]["attack"]["name"] == WhiteNoise.name


def clip_table(title: str, rows: Sequence[Row]) -> Table:
    """A line for every row, all numbers, to sort by; the first thousand."""
    lines: list[list[Value]] = [
        [
            row["about"]["clip"],
            row["about"]["scene"] or "as recorded",
            nan if row["about"]["snr_db"] is None else row["about"]["snr_db"],
            row["about"]["against"],
            row["protection"],
            listener(row),
            reader(row),
            *(_number(row["figures"][name]) for name in ("snr_db", "pesq_wb", "rpr")),
            wer([row], "enhanced_normalised").value,
            wer([row], NORMALISED).value,
        ]
        for row in rows[:MOST_LINES]
    ]
    left = max(0, len(rows) - MOST_LINES)
    note = "After peak normalisation." + (f" {left} more are in rows.jsonl." if left else "")
    return Table(title, CLIP_COLUMNS, lines, note)


def _number(value: float | None) -> float:
    return nan if value is None else value
