"""What the figures have to come to, each as one line. Knows only rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.speed.records import Row, of
from benchmarks.speed.ways import BOUNDED_OPT, LOOP, OURS

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH, CLIPS, HOUR = 16, 64, 3600  # that the bounds are about
ATTACK_OVERHEAD, SPEEDUP, GOAL_SHARE, MEMORY_GIB, TWO_WORKERS = 0.05, 3.0, 1 / 5, 2.0, 1.8


@dataclass(frozen=True)
class Criterion:
    """``met`` is None where nothing was measured that could say so."""

    text: str
    bound: str
    figure: str = "–"
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """In one or two words."""
        return {True: "met", False: "missed", None: "not measured"}[self.met]

    @property
    def line(self) -> str:
        """All of it."""
        return f"{self.verdict}: {self.text}: {self.figure} ({self.bound})"


def judged(rows: list[Row]) -> list[Criterion]:
    """Every one of them."""
    every: tuple[Callable[[list[Row]], Criterion], ...] = (
        _overhead,
        _together,
        _goal,
        _hour,
        _two_workers,
        _killed_worker,
        _killed_coordinator,
    )
    return [each(rows) for each in every]


def _overhead(rows: list[Row]) -> Criterion:
    text = "an attack step beyond the enhancer's bare forward and backward pass, batch 16, CPU"
    bound = f"≤ {ATTACK_OVERHEAD:.0%} for every enhancer"
    own = [
        row
        for row in of(rows, "efficiency")
        if row["settings"]["device"] == "cpu" and row["settings"]["batch"] == BATCH
    ]
    if not own:
        return Criterion(text, bound)
    worst = max(own, key=lambda row: row["figures"]["silence"])
    over = worst["figures"]["silence"] - 1
    figure = f"{over:+.1%} at most ({worst['settings']['enhancer']}, of {len(own)})"
    return Criterion(text, bound, figure, over <= ATTACK_OVERHEAD)


def _together(rows: list[Row]) -> Criterion:
    text = f"{CLIPS} clips of 2 to 10 s in two processes over the paper's loop on two cores"
    bound = f"≥ {SPEEDUP:g} × at no lower WER"
    own = [row for row in of(rows, "together") if row["settings"]["clips"] == CLIPS]
    if not own:
        return Criterion(text, bound)
    ours, paper = (own[0]["figures"][name] for name in (OURS, LOOP))
    times = ours["clips_per_minute"] / paper["clips_per_minute"]
    figure = f"{times:.1f} × (WER {ours['wer']:.0f} % for {paper['wer']:.0f} %)"
    return Criterion(text, bound, figure, times >= SPEEDUP and ours["wer"] >= paper["wer"])


def _goal(rows: list[Row]) -> Criterion:
    text = "time to the goal at 25 dB over that of the paper's OPT"
    bound = f"≤ {GOAL_SHARE:.2f} on every enhancer"
    own = [row for row in of(rows, "goal") if row["settings"]["opt_steps"] >= 500]
    if not own:
        return Criterion(text, bound)
    worst = max(own, key=_share)
    reached = ", ".join(
        f"{_name(row)}: {row['figures'][OURS]['reached']} "
        f"and {row['figures'][BOUNDED_OPT]['reached']} of {row['figures'][OURS]['clips']}"
        for row in own
    )
    enhancers = len({row["settings"]["enhancer"] for row in own})
    figure = f"{_share(worst):.2f} at most ({_name(worst)}, of {enhancers}; "
    figure += f"clips that got there: {reached})"
    return Criterion(text, bound, figure, _share(worst) <= GOAL_SHARE)


def _name(row: Row) -> str:
    return f"{row['settings']['enhancer']} to {row['settings']['goal']:g}"


def _share(row: Row) -> float:
    figures = row["figures"]
    return figures[OURS]["seconds_per_second"] / figures[BOUNDED_OPT]["seconds_per_second"]


def _hour(rows: list[Row]) -> Criterion:
    text, bound = "one hour of 48 kHz stereo, resident memory", f"≤ {MEMORY_GIB:g} GiB"
    own = [row for row in of(rows, "length") if row["settings"]["seconds"] >= HOUR]
    if not own:
        return Criterion(text, bound)
    peak = own[0]["figures"]["peak_mib"] / 1024
    return Criterion(text, bound, f"{peak:.2f} GiB", peak <= MEMORY_GIB)


def _two_workers(rows: list[Row]) -> Criterion:
    text, bound = "two workers of one thread over one", f"≥ {TWO_WORKERS:g} ×"
    own = [row for row in of(rows, "workers") if "2" in row["figures"]]
    if not own:
        return Criterion(text, bound)
    times = own[0]["figures"]["2"]["times_one"]
    return Criterion(text, bound, f"{times:.2f} ×", times >= TWO_WORKERS)


def _killed_worker(rows: list[Row]) -> Criterion:
    text, bound = "rows after a worker was killed", "the same, byte by byte, by itself"
    return _killed(rows, "worker", Criterion(text, bound), by_itself=True)


def _killed_coordinator(rows: list[Row]) -> Criterion:
    text, bound = "rows after the coordinator was killed", "the same, byte by byte, run again"
    return _killed(rows, "coordinator", Criterion(text, bound), by_itself=False)


def _killed(rows: list[Row], victim: str, empty: Criterion, *, by_itself: bool) -> Criterion:
    own = [row for row in of(rows, "killed") if row["settings"]["victim"] == victim]
    if not own:
        return empty
    found = own[0]["figures"]
    figure = f"{'the same' if found['same'] else 'others'} ({found['rows']} rows, killed at "
    figure += f"{found['killed_at']}{', run again' if found['again'] else ''})"
    met = found["same"] and not (by_itself and found["again"])
    return Criterion(empty.text, empty.bound, figure, met)
