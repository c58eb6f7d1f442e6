"""How well recordings are protected: every attack on MetricGAN+, and PGD on every enhancer.

Every protected file is written as 16-bit WAV, read again, enhanced again and recognised again.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from clips import Case, mixtures
from cyclopts import App, Parameter
from rich.console import Console
from rows import Row, append, left_out

from unhear import audio, metrics
from unhear.attacks import FGSM, OPT, PGD, Attack, WhiteNoise
from unhear.budgets import Budget, SignalToNoise
from unhear.enhancers import DEFAULT, attackable, load_enhancer
from unhear.enhancers.digest import weights_digest
from unhear.errors import UnhearError
from unhear.evaluation.findings import grid
from unhear.evaluation.judge import hear, measure, transcribe
from unhear.evaluation.prepare import to_be_had
from unhear.evaluation.rows import load
from unhear.metrics import WordErrors
from unhear.outputs import replacing
from unhear.protect import Protector
from unhear.recognise import load_recogniser
from unhear.targets import Kind, Target

if TYPE_CHECKING:
    from unhear.enhancers.base import Enhancer

MIXED_AT_DB = (0, 8)
COLUMNS = {  # column → (field of a row, format)
    "SNR": ("snr_db", ".1f"),
    "PESQ": ("pesq_wb", ".2f"),
    "STOI": ("stoi", ".3f"),
    "level": ("level_change_db", "+.1f"),
    "RPR": ("rpr", ".3f"),
    "gain": ("gain_db", "+.1f"),
    "s/s": ("seconds_per_second", ".1f"),
}
NOTES = """\
- WER of Whisper base in English against the transcript, in %: pooled over all clips, and, after
  the slash, with the errors of each clip capped at its words, which is the steadier figure:
  Whisper loops on noise. DE: points by which WER rises from the enhanced original to the
  enhanced protected recording, pooled and capped. "raw": at the level that the network
  puts out; "peak": after peak normalisation, as behind the official front end.
- SNR of recording to perturbation in dB, energies; PESQ-wb and STOI of the protected recording
  against the noisy one; level change of the enhancer's output and gain (change of its output to
  perturbation) in dB; RPR in 16-bit steps; s/s: seconds of work by one thread of a busy
  machine for each second of audio. Means over clips.
- "on enhanced": WER of the enhanced protected recording against what was recognised in the
  enhanced unprotected one (raw), as in the paper's abstract.
- "noise" is the control: white noise of the same SNR, not computed at all.
- Clips: drawn as in enhancement.md, but of 7 s at most, so that its figures are others; the
  SNR of speech to noise is as there.
- empty, looping: share of transcripts (enhanced protected, peak) without a word, or that repeat
  themselves as Whisper does on noise.
"""


@dataclass(frozen=True)
class Setting:
    """One line of the tables."""

    attack: Attack
    target: Kind
    budget: Budget

    @property
    def title(self) -> str:
        if isinstance(self.attack, WhiteNoise):
            return f"noise, {self.budget}"
        steps = f", {self.attack.evaluations} steps" if self.attack.evaluations > 1 else ""
        return f"{self.attack.name}, {self.target}, {self.budget}{steps}"


AT_25, AT_30 = SignalToNoise(25.0), SignalToNoise(30.0)


def every_attack(opt_steps: int) -> list[Setting]:
    """The control, the paper's three attacks and erasure at 25 dB, and erasure at 30 dB."""
    return [
        Setting(WhiteNoise(), "silence", AT_25),
        Setting(FGSM(), "silence", AT_25),
        Setting(PGD(), "silence", AT_25),
        Setting(PGD(), "erase", AT_25),
        Setting(OPT(steps=opt_steps), "silence", AT_25),
        Setting(PGD(), "erase", AT_30),
    ]


# The control, and the same attack on all; half the usual steps, for some networks are slow.
EVERYWHERE = [
    Setting(WhiteNoise(), "silence", AT_25),
    Setting(PGD(steps=50), "silence", AT_25),
    Setting(PGD(steps=50), "silence", AT_30),
]


# Rows


@dataclass(frozen=True)
class Task:
    """One clip and what is done to it, together, since recognising is only done once."""

    case: Case
    against: str
    settings: tuple[Setting, ...]


def protect(task: Task) -> list[Row]:
    """Protect one clip in every way and measure the written files."""
    return [row(task.case, task.against, setting) for setting in task.settings]


def row(case: Case, against: str, setting: Setting) -> Row:
    """Protect one clip and measure the written file."""
    enhancer, recogniser = _enhancer(against), load_recogniser(language="en")
    protector = Protector((enhancer,), Target(setting.target), setting.attack, setting.budget)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "protected.wav"
        begun = time.perf_counter()
        protected = protector(case.noisy)
        seconds = time.perf_counter() - begun
        audio.write(protected, path)
        signals = hear(case.noisy, audio.read(path), enhancer)
    duration = case.noisy.samples.shape[1] / case.noisy.sample_rate
    return {
        "clip": case.name,
        "against": against,
        "setting": setting.title,
        "weights": weights_digest(against),
        "said": case.transcript,
        "figures": asdict(measure(signals)) | {"seconds_per_second": seconds / duration},
        "heard": transcribe(signals, recogniser).texts,
    }


@cache
def _enhancer(name: str) -> Enhancer:
    return load_enhancer(name)


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[field] for field in ("clip", "against", "setting", "weights"))


def missing(tasks: list[Task], rows: list[Row]) -> list[Task]:
    """The same tasks, with only those settings that have no row yet."""
    done = {_key(each) for each in rows}

    def undone(task: Task) -> tuple[Setting, ...]:
        own = (task.case.name, task.against)
        return tuple(
            each
            for each in task.settings
            if (*own, each.title, weights_digest(task.against)) not in done
        )

    left = [Task(task.case, task.against, undone(task)) for task in tasks]
    return [task for task in left if task.settings]


# Tables

Line = tuple[str, list[Row]]  # what stands in the first column, and the rows that it sums up


def markdown(rows: list[Row], attacks: list[Setting], names: list[str], clips: int) -> str:
    """For each SNR of speech to noise, a table of attacks and one of enhancers."""
    command = shlex.join(["python", *sys.argv])
    digests = ", ".join(f"{name} {weights_digest(name)}" for name in names)
    parts = ["# Protection", f"`{command}`", f"{NOTES}- Weights: {digests}."]
    for snr_db in MIXED_AT_DB:
        here = [each for each in rows if each["clip"].endswith(f" at {snr_db:g} dB")]
        parts += [f"## Every attack on {DEFAULT}, speech at {snr_db} dB, {clips} clips"]
        own = [each for each in here if each["against"] == DEFAULT]
        parts += [_unprotected(own, attacks[0].title), _table("attack", _lines(own, attacks))]
        parts += [f"## The same attack on every enhancer, speech at {snr_db} dB, {clips} clips"]
        parts += [_table("enhancer, attack", _by_enhancer(here, names))]
    return "\n\n".join(parts) + "\n"


def _lines(rows: list[Row], settings: list[Setting]) -> list[Line]:
    titles = [each.title for each in settings]
    return [(title, [row for row in rows if row["setting"] == title]) for title in titles]


def _by_enhancer(rows: list[Row], names: list[str]) -> list[Line]:
    return [
        (f"{name}: {title}", own)
        for name in names
        for title, own in _lines([row for row in rows if row["against"] == name], EVERYWHERE)
    ]


def _unprotected(rows: list[Row], title: str) -> str:
    first = [each for each in rows if each["setting"] == title]
    names = {"noisy": "noisy", "enhanced": "enhanced", "enhanced_normalised": "enhanced, peak"}
    found = [f"{title} {_wer(first, name)}" for name, title in names.items()]
    return f"Unprotected WER: {', '.join(found)}."


def _table(first: str, lines: list[Line]) -> str:
    head = [first, *COLUMNS, "protected", "unprotected peak", "enhanced raw", "peak"]
    head += ["DE raw", "DE peak", "on enhanced", "empty", "looping"]
    return grid(head, [[title, *_figures(own), *_words(own)] for title, own in lines if own])


def _figures(rows: list[Row]) -> list[str]:
    values = {name: [each["figures"][name] for each in rows] for name, _ in COLUMNS.values()}
    return [format(float(np.nanmean(values[name])), form) for name, form in COLUMNS.values()]


def _words(rows: list[Row]) -> list[str]:
    raw, peak = "enhanced_protected", "enhanced_protected_normalised"
    texts = [each["heard"][peak] for each in rows]
    return [
        _wer(rows, "protected"),
        _wer(rows, "enhanced_normalised"),
        _wer(rows, raw),
        _wer(rows, peak),
        _rise(rows, "enhanced", raw),
        _rise(rows, "enhanced_normalised", peak),
        _wer(rows, raw, against="enhanced"),
        f"{100 * np.mean([metrics.is_empty(text) for text in texts]):.0f} %",
        f"{100 * np.mean([metrics.is_looping(text) for text in texts]):.0f} %",
    ]


def _errors(rows: list[Row], heard: str, against: str | None) -> list[WordErrors]:
    said = [each["heard"][against] if against else each["said"] for each in rows]
    pairs = zip(said, (each["heard"][heard] for each in rows), strict=True)
    return [metrics.word_errors(truth, text) for truth, text in pairs]


def _rise(rows: list[Row], before: str, after: str) -> str:
    both = [_errors(rows, heard, None) for heard in (before, after)]
    rises = [metrics.de(*map(rate, both)) for rate in (metrics.pooled_wer, metrics.capped_wer)]
    return "/".join(f"{points:+.1f}" for points in rises)


def _wer(rows: list[Row], heard: str, against: str | None = None) -> str:
    errors = _errors(rows, heard, against)
    return f"{metrics.pooled_wer(errors):.1f}/{metrics.capped_wer(errors):.1f}"


app = App(name="protection.py", help=__doc__)


@app.default
def main(
    *,
    data: Path,
    output: Annotated[Path, Parameter(["--output", "-o"])],
    clips: int = 20,
    longest: float = 7.0,
    opt_steps: int = 150,
    workers: int = 2,
    against: list[str] | None = None,
) -> None:
    """Measure what is missing, and write the tables as Markdown.

    Args:
        data: folder with a manifest.csv
        output: Markdown file; the rows are kept beside it, with the ending .jsonl
        clips: so many clips of test speech, evenly spread, at each SNR
        longest: of the clips, in seconds
        opt_steps: steps of OPT
        workers: processes, each with one thread
        against: enhancers of the second table [all that can be attacked and are here]

    """
    attacks, names = every_attack(opt_steps), against or to_be_had(attackable(), left_out)
    cases = [case for snr_db in MIXED_AT_DB for case in mixtures(data, clips, snr_db, longest)]
    tasks = [Task(case, DEFAULT, tuple(attacks)) for case in cases]
    tasks += [Task(case, name, tuple(EVERYWHERE)) for name in names for case in cases]
    path = output.with_suffix(".jsonl")
    append(path, missing(_merged(tasks), load(path)), protect, workers)
    wanted = {(task.case.name, task.against, weights_digest(task.against)) for task in tasks}
    rows = [
        each
        for each in load(path)
        if (each["clip"], each["against"], each["weights"]) in wanted
    ]
    with replacing(output) as partial:
        partial.write_text(markdown(rows, attacks, names, clips), "utf-8")


def _merged(tasks: list[Task]) -> list[Task]:
    """Tasks on the same clip and enhancer as one, each setting once."""
    together: dict[tuple[str, str], Task] = {}
    for task in tasks:
        key = (task.case.name, task.against)
        before = together[key].settings if key in together else ()
        known = {each.title for each in before}
        added = tuple(each for each in task.settings if each.title not in known)
        together[key] = Task(task.case, task.against, before + added)
    return list(together.values())


if __name__ == "__main__":
    try:
        app()
    except UnhearError as error:
        Console(stderr=True).print(f"error: {error}", soft_wrap=True, markup=False)
        sys.exit(error.exit_code)
