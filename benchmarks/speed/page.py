"""Rows → a page of Markdown. Knows no measuring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.speed.records import Part, Row, left_out, of
from benchmarks.speed.ways import LOOP, OURS
from unhear.evaluation.findings import grid
from unhear.outputs import replacing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.speed.criteria import Criterion

INTRODUCTION = """\
Every figure that stands for speed is a ratio of two times that were measured in one run, in
turns, on one machine. Speech of the split `test` is mixed with noise of that split at 8 and
4 dB, as `unhear evaluate` does it. "WER" is that of Whisper base in English, each clip
capped at 100 %, of the protected file after the attacked enhancer, at full scale. "Left" is
the proxy for it: the correlation over time of each mel band's log power with that of the
enhanced original.
"""
NOTES: dict[Part, str] = {
    "efficiency": """\
One step of PGD within 25 dB (all of its loop, through `PGD`, `Objective` and
`SignalToNoise`, over the number of its steps), divided by `loss =
enhancer(x).square().mean(-1).sum(); torch.autograd.grad(loss, x)` on the same batch in one
thread. Median of the rounds' ratios. "Erase" also computes mel spectra, and is not part of
the bound.""",
    "peers": """\
Attack libraries for images, driven as somebody would who has an enhancer: it is dressed up
as a classifier of pictures in [0, 1] with the logits "heard" (how loud the output still is)
and "silent" (a constant), and "silent" is the target; see `benchmarks/speed/classifier.py`.
Same steps, sizes and step lengths, those of the paper's attacks, towards silence; the size
is such that the SNR is 25 dB at least. Carlini and Wagner's attack with the right weight is
the paper's OPT; the libraries keep the smallest perturbation that makes the output 20 dB
quieter, and the recording as it was where there is none. One clip at a time, for libraries
want pictures of one size, and all in one thread. `pip install --no-deps --target .peers -r
benchmarks/peers.txt`, then the command with `PYTHONPATH=.peers`, repeats it without another
torch.""",
    "together": """\
The paper's loop: one file after the other is read, goes through equation 5 written plainly
in torch (network as loaded, two threads, ε such that the SNR is 25 dB at least, steps of ε
/ 10), and is written. Ours: two processes of one thread, which `protect_together` half of
the files each, at 25 dB, towards erasure; a clip stops once little enough of its words is
left. Processes have begun and networks are loaded before the clock starts; files are read
and written on it. Half of the loop comes before ours and half after it. The loop has both
cores as threads of one process, as whoever runs it would; that hardly helps it, and harms it
with DTLN (in one thread: "Attack libraries").""",
    "goal": """\
Seconds of work in one thread for each second of audio until no more than the goal is left
of the words. Ours: PGD towards erasure at 25 dB, whose first step is half the budget, and
which sees after every step what is left; where a generator ships with Unhear, it begins with
what that gives (docs/generators.md; its training, once, is not counted). The paper's OPT is
looked at every 10 steps; it has no budget, and once more with a projection onto 25 dB after
every step, which is what the bound is about. It has the network as loaded, whose weights get
gradients, too. A clip that does not get there counts, for whoever it is, with the longest
that any of them took for it.""",
    "scaling": """\
Workers: processes of one thread, begun before the clock starts, protect the same clips in
turns, each clip on its own. Batches: forward and backward of the network, each size in a
fresh process of one thread, in turns. Lengths: `unhear protect` as a process of its own on
stereo files of 48 kHz, with all that it measures afterwards; time per gradient step is that
of the whole command, over its steps and the seconds of audio. Memory is the peak of
resident memory as Linux has it.""",
    "killed": """\
`unhear evaluate --jobs 2` on two clips with FGSM; SIGKILL as soon as a row is there. A
killed coordinator is started again; a killed worker is to be replaced by itself. rows.jsonl
is compared with that of an undisturbed run.""",
}
TITLES: dict[Part, str] = {
    "efficiency": "An attack step over a bare pass",
    "peers": "Attack libraries",
    "together": "Many clips",
    "goal": "To the goal",
    "scaling": "More workers, larger batches, longer recordings",
    "killed": "Killed half-way",
}


def markdown(
    rows: list[Row], criteria: list[Criterion], machine: dict[str, Any], command: str, name: str
) -> str:
    """The whole page; ``name`` is that of the picture, without its ending."""
    head = ["what", "bound", "figure", ""]
    lines = [[each.text, each.bound, each.figure, each.verdict] for each in criteria]
    parts = ["# How fast", f"`{command}`", INTRODUCTION.strip(), f"Machine: {_told(machine)}."]
    parts += [grid(head, lines), f"![the figures below]({name}.png)"]
    for part, title in TITLES.items():
        tables = TABLES[part](rows)
        reasons = [f"Left out: {reason}." for reason in left_out(rows, part)]
        if tables or reasons:
            parts += [f"## {title}", NOTES[part], *tables, *reasons]
    return "\n\n".join(parts) + "\n"


def write(text: str, path: Path) -> None:
    """Whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, "utf-8")


def _told(machine: dict[str, Any]) -> str:
    parts = [f"{machine['cores']} cores of {machine['cpu']}", f"{machine['memory_gib']} GiB"]
    parts += [machine["gpu"] or "no GPU"]
    return ", ".join([*parts, f"torch {machine['torch']}", f"Python {machine['python']}"])


def _efficiency(rows: list[Row]) -> list[str]:
    head = ["enhancer", "on", "batch", "bare pass in ms", "silence", "erase"]
    lines = [
        [
            row["settings"]["enhancer"],
            row["settings"]["device"],
            f"{row['settings']['batch']} × {row['settings']['seconds']:g} s",
            f"{1000 * row['figures']['bare_seconds']:.0f}",
            f"{row['figures']['silence']:.3f}",
            f"{row['figures']['erase']:.3f}",
        ]
        for row in of(rows, "efficiency")
    ]
    return [grid(head, lines)] if lines else []


def _peers(rows: list[Row]) -> list[str]:
    head = [
        "enhancer, attack",
        "clips",
        "by",
        "clips per minute",
        "ours, times",
        "left",
        "WER in %",
    ]
    lines = []
    for row in of(rows, "peers"):
        own, settings = row["figures"], row["settings"]
        for name, found in own.items():
            times = own[OURS]["clips_per_minute"] / found["clips_per_minute"]
            lines += [
                [
                    f"{settings['enhancer']}, {settings['kind']}, {settings['steps']} steps",
                    str(settings["clips"]),
                    name,
                    f"{found['clips_per_minute']:.1f}",
                    f"{times:.2f}",
                    f"{found['left']:.2f}",
                    f"{found['wer']:.0f}",
                ]
            ]
    return [grid(head, lines)] if lines else []


def _together(rows: list[Row]) -> list[str]:
    head = ["enhancer", "clips", "by", "clips per minute", "times the loop", "WER in %"]
    lines = []
    for row in of(rows, "together"):
        own, settings = dict(row["figures"]), row["settings"]
        unprotected = own.pop("unprotected_wer")
        for name, found in own.items():
            times = found["clips_per_minute"] / own[LOOP]["clips_per_minute"]
            lines += [
                [
                    f"{settings['enhancer']}, {settings['steps']} steps",
                    str(settings["clips"]),
                    name if name != OURS else f"ours, until {settings['until']:g} is left",
                    f"{found['clips_per_minute']:.1f}",
                    f"{times:.1f}",
                    f"{found['wer']:.0f} (unprotected {unprotected:.0f})",
                ]
            ]
    return [grid(head, lines)] if lines else []


def _goal(rows: list[Row]) -> list[str]:
    head = ["enhancer", "by", "s for each s", "ours takes", "got there", "left", "WER in %"]
    lines = []
    for row in of(rows, "goal"):
        own, settings = row["figures"], row["settings"]
        for name, found in own.items():
            share = own[OURS]["seconds_per_second"] / found["seconds_per_second"]
            lines += [
                [
                    f"{settings['enhancer']}, goal {settings['goal']:g}",
                    name,
                    f"{found['seconds_per_second']:.2f}",
                    f"{share:.2f} of it",
                    f"{found['reached']} of {found['clips']}",
                    f"{found['left']:.2f}",
                    f"{found['wer']:.0f}",
                ]
            ]
    return [grid(head, lines)] if lines else []


def _scaling(rows: list[Row]) -> list[str]:
    workers = [
        [name, f"{found['clips_per_minute']:.1f}", f"{found['times_one']:.2f}"]
        for row in of(rows, "workers")
        for name, found in row["figures"].items()
    ]
    batches = [
        [name, f"{found['ms_per_clip']:.1f}", f"{found['peak_mib']:.0f}"]
        for row in of(rows, "batches")
        for name, found in row["figures"].items()
    ]
    lengths = [_length(row["settings"], row["figures"]) for row in of(rows, "length")]
    tables = [
        (["workers", "clips per minute", "times one"], workers),
        (["clips in a batch", "ms for each clip and step", "peak in MiB"], batches),
        (
            ["length", "steps", "whole command in s", "ms for each s and step", "peak in MiB"],
            lengths,
        ),
    ]
    return [grid(head, lines) for head, lines in tables if lines]


def _length(settings: dict[str, Any], found: dict[str, float]) -> list[str]:
    seconds, steps = settings["seconds"], settings["steps"]
    each = 1000 * found["took_seconds"] / seconds / steps
    took, peak = f"{found['took_seconds']:.0f}", f"{found['peak_mib']:.0f}"
    return [f"{seconds:g} s", str(steps), took, f"{each:.0f}", peak]


def _killed(rows: list[Row]) -> list[str]:
    head = ["killed", "rows", "killed when so many were there", "run again", "rows.jsonl"]
    lines = [
        [
            row["settings"]["victim"],
            str(row["figures"]["rows"]),
            str(row["figures"]["killed_at"]),
            "yes" if row["figures"]["again"] else "no",
            "the same, byte by byte" if row["figures"]["same"] else "another",
        ]
        for row in of(rows, "killed")
    ]
    return [grid(head, lines)] if lines else []


TABLES: dict[Part, Callable[[list[Row]], list[str]]] = {
    "efficiency": _efficiency,
    "peers": _peers,
    "together": _together,
    "goal": _goal,
    "scaling": _scaling,
    "killed": _killed,
}
