"""Rows → one picture of six panels. Knows no measuring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.speed.criteria import ATTACK_OVERHEAD, MEMORY_GIB
from benchmarks.speed.records import Row, of
from unhear.outputs import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

OURS, OTHER, THIRD, BOUND = "#1f6f78", "#c9a227", "#8d99ae", "#a4243b"
COLOURS = (OURS, OTHER, THIRD, "#5c4d7d", "#7a9e7e")


def write(rows: list[Row], path: Path) -> None:
    """A PNG 1000 pixels wide."""
    figure = Figure(figsize=(10, 11), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(3, 2).ravel()
    drawn = (_efficiency, _peers, _goal, _workers, _batches, _lengths)
    for axes, draw in zip(panels, drawn, strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, rows)
        axes.title.set_fontweight("bold")
        if not axes.has_data():
            axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
            axes.set_axis_off()
    with replacing(path) as partial:
        figure.savefig(partial, format="png")


def _efficiency(axes: Axes, rows: list[Row]) -> None:
    axes.set_title("Attack step over bare pass")
    own = [row for row in of(rows, "efficiency") if row["settings"]["device"] == "cpu"]
    if not own:
        return
    groups = {
        kind: [100 * (row["figures"][kind] - 1) for row in own] for kind in ("silence", "erase")
    }
    _bars(axes, [row["settings"]["enhancer"] for row in own], groups)
    axes.axvline(100 * ATTACK_OVERHEAD, color=BOUND, linestyle="--", label="bound for silence")
    axes.set_xlabel("more than the pass, in %")
    _legend(axes)


def _peers(axes: Axes, rows: list[Row]) -> None:
    axes.set_title("Same attack, one clip at a time")
    own = of(rows, "peers")
    if not own:
        return
    names = list(dict.fromkeys(name for row in own for name in row["figures"]))
    labels = [f"{row['settings']['enhancer']}\n{row['settings']['kind']}" for row in own]
    groups = {
        name: [row["figures"].get(name, {}).get("clips_per_minute", 0.0) for row in own]
        for name in names
    }
    _bars(axes, labels, groups)
    axes.set_xlabel("clips per minute")
    _legend(axes)


def _goal(axes: Axes, rows: list[Row]) -> None:
    axes.set_title("To the goal")
    own = of(rows, "goal")
    if not own:
        return
    groups = {
        name: [row["figures"][name]["seconds_per_second"] for row in own]
        for name in own[0]["figures"]
    }
    names = [f"{row['settings']['enhancer']}, {row['settings']['goal']:g}" for row in own]
    _bars(axes, names, groups)
    axes.set_xscale("log")
    axes.set_xlim(left=min(min(values) for values in groups.values()) / 4)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("seconds of work for each second of audio")
    _legend(axes)


def _workers(axes: Axes, rows: list[Row]) -> None:
    axes.set_title("Workers of one thread")
    for row in of(rows, "workers"):
        counts = [int(name) for name in row["figures"]]
        times = [found["times_one"] for found in row["figures"].values()]
        cores = row["machine"]["cores"]
        best = [min(count, cores) / counts[0] for count in counts]
        axes.plot(counts, best, "--", color=THIRD, label=f"the most that {cores} cores allow")
        axes.plot(counts, times, "o-", color=OURS, label="measured")
        axes.set_xticks(counts)
        axes.set(xlabel="workers", ylabel="times one worker")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)


def _batches(axes: Axes, rows: list[Row]) -> None:
    axes.set_title("Clips in a batch")
    for row in of(rows, "batches"):
        sizes = [int(name) for name in row["figures"]]
        found = row["figures"].values()
        axes.plot(sizes, [each["ms_per_clip"] for each in found], "o-", color=OURS)
        _sizes(axes, sizes)
        axes.set_xlabel(f"clips of {row['settings']['seconds']:g} s")
        axes.set_ylabel("ms for each clip and step", color=OURS)
        axes.set_ylim(bottom=0)
        _memory(axes, sizes, [each["peak_mib"] / 1024 for each in found])


def _lengths(axes: Axes, rows: list[Row]) -> None:
    axes.set_title("Length of a 48 kHz stereo file")
    own = sorted(of(rows, "length"), key=lambda row: row["settings"]["seconds"])
    if not own:
        return
    seconds = [row["settings"]["seconds"] for row in own]
    each = [
        row["figures"]["took_seconds"] / row["settings"]["seconds"] / row["settings"]["steps"]
        for row in own
    ]
    axes.semilogx(seconds, each, "o-", color=OURS)
    axes.set_xticks(seconds, [f"{each:g}" for each in seconds])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds of audio")
    axes.set_ylabel("s for each s and step", color=OURS)
    right = _memory(axes, seconds, [row["figures"]["peak_mib"] / 1024 for row in own])
    right.axhline(MEMORY_GIB, color=BOUND, linestyle="--")
    right.set_ylim(top=1.1 * max(MEMORY_GIB, right.get_ylim()[1]))


def _bars(axes: Axes, labels: list[str], groups: dict[str, list[float]]) -> None:
    """A group of horizontal bars for each label, the first on top."""
    height = 0.8 / len(groups)
    for number, (name, values) in enumerate(groups.items()):
        places = [place + number * height for place in range(len(labels))]
        axes.barh(places, values, height, label=name, color=COLOURS[number % len(COLOURS)])
    middle = 0.4 - height / 2
    axes.set_yticks([place + middle for place in range(len(labels))], labels)
    axes.invert_yaxis()


def _legend(axes: Axes) -> None:
    """Below, where no bar can be behind it."""
    axes.legend(
        frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3, fontsize=9
    )


def _sizes(axes: Axes, sizes: list[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])


def _memory(axes: Axes, places: Sequence[float], gib: list[float]) -> Axes:
    right: Any = axes.twinx()
    right.spines["top"].set_visible(False)
    right.plot(places, gib, "s-", color=OTHER)
    right.set_ylabel("peak in GiB", color=OTHER)
    right.set_ylim(bottom=0)
    return right
