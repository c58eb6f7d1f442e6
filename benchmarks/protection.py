"""How well recordings are protected against the bundled MetricGAN+, attack by attack.

Every protected file is written as 16-bit WAV, read again, enhanced again and recognised again.
Every result is a row in a JSON-lines file, so an interrupted run goes on where it stopped; the
tables are only a view of the rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from clips import Case, mixtures
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from unhear import audio, metrics
from unhear.attacks import FGSM, OPT, PGD
from unhear.attacks.base import Attack, random_like
from unhear.budgets import Budget, SignalToNoise
from unhear.enhancers import load_enhancer
from unhear.errors import UnhearError
from unhear.evaluate import hear, measure, transcribe
from unhear.metrics import WordErrors
from unhear.enhancers.metricgan_plus import BUNDLED
from unhear.protect import Protector
from unhear.recognise import load_recogniser
from unhear.targets import Kind, Target

if TYPE_CHECKING:
    from torch import Tensor

    from unhear.objective import Objective

MIXED_AT_DB = (0, 8)
COLUMNS = {  # column → (field of a row, format)
    "SNR": ("snr_db", ".1f"),
    "PESQ": ("pesq_wb", ".2f"),
    "STOI": ("stoi", ".3f"),
    "level": ("level_change_db", "+.1f"),
    "RPR": ("rpr", ".3f"),
    "gain": ("gain_db", "+.1f"),
}
NOTES = """\
- WER of Whisper base in English against the transcript, in %: pooled over all clips, and, after
  the slash, with the errors of each clip capped at its words, which is the steadier figure:
  Whisper loops on noise. DE: points by which WER rises from the enhanced original to the
  enhanced protected recording, pooled and capped. "raw": at the level that the network
  puts out; "peak": after peak normalisation, as behind the official front end.
- SNR of recording to perturbation in dB, energies; PESQ-wb and STOI of the protected recording
  against the noisy one; level change of the enhancer's output and gain (change of its output to
  perturbation) in dB; RPR in 16-bit steps. Means over clips.
- "on enhanced": WER of the enhanced protected recording against what was recognised in the
  enhanced unprotected one (raw), as in the paper's abstract.
- "noise" is the control: white noise of the same SNR, not computed at all.
- empty, looping: share of transcripts (enhanced protected, peak) without a word, or that repeat
  themselves as Whisper does on noise.
"""


@dataclass(frozen=True)
class Noise(Attack):
    """The control: white noise that fills the budget, blind to the objective."""

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = "white noise"
    form: ClassVar = "mse"

    @property
    def evaluations(self) -> int:
        return 0

    def __call__(self, audio: Tensor, objective: Objective, budget: Budget) -> Tensor:
        return budget.project(1e3 * random_like(audio, 0), audio)


@dataclass(frozen=True)
class Setting:
    """One row of the tables."""

    attack: Attack
    target: Kind
    budget: Budget

    @property
    def title(self) -> str:
        target = "" if isinstance(self.attack, Noise) else f", {self.target}"
        steps = f", {self.attack.evaluations} steps" if self.attack.evaluations > 1 else ""
        return f"{self.attack.name}{target}, {self.budget}{steps}"


def settings(opt_steps: int) -> list[Setting]:
    """The control, the paper's three attacks and erasure at 25 dB, and erasure at 30 dB."""
    at_25, at_30 = SignalToNoise(25.0), SignalToNoise(30.0)
    return [
        Setting(Noise(), "silence", at_25),
        Setting(FGSM(), "silence", at_25),
        Setting(PGD(), "silence", at_25),
        Setting(PGD(), "erase", at_25),
        Setting(OPT(steps=opt_steps), "silence", at_25),
        Setting(PGD(), "erase", at_30),
    ]


# Rows


@cache
def digest() -> str:
    """Which weights a row is about."""
    return hashlib.sha256(BUNDLED.read_bytes()).hexdigest()


def row(case: Case, setting: Setting) -> dict[str, Any]:
    """Protect one clip and measure the written file."""
    enhancer, recogniser = load_enhancer(), load_recogniser(language="en")
    protector = Protector(enhancer, Target(setting.target), setting.attack, setting.budget)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "protected.wav"
        audio.write(protector(case.noisy), path)
        signals = hear(case.noisy, audio.read(path), enhancer)
    return {
        "clip": case.name,
        "setting": setting.title,
        "weights": digest(),
        "said": case.transcript,
        "figures": asdict(measure(signals)),
        "heard": transcribe(signals, recogniser).texts,
    }


def fill(rows: Path, work: list[tuple[Case, Setting]], workers: int) -> None:
    """Append the rows that are missing."""
    done = {(each["clip"], each["setting"]) for each in load(rows)}
    missing = [(c, s) for c, s in work if (c.name, s.title) not in done]
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(workers, context, _one_thread) as pool,
        Progress(console=Console(stderr=True)) as bar,
        rows.open("a", encoding="utf-8") as file,
    ):
        task = bar.add_task("clips", total=len(work), completed=len(work) - len(missing))
        for future in as_completed(pool.submit(row, *each) for each in missing):
            file.write(json.dumps(future.result(), ensure_ascii=False) + "\n")
            file.flush()
            bar.advance(task)


def _one_thread() -> None:
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"  # for the recogniser
    torch.set_num_threads(1)


def load(rows: Path) -> list[dict[str, Any]]:
    """The rows of these weights so far; a line cut off by a kill is dropped."""
    if not rows.exists():
        return []
    lines = rows.read_text("utf-8").splitlines(keepends=True)
    every = [json.loads(line) for line in lines if line.endswith("\n")]
    return [each for each in every if each["weights"] == digest()]


# Tables


def markdown(rows: list[dict[str, Any]], titles: list[str], clips: int) -> str:
    """One table for each SNR of speech to noise."""
    command = shlex.join(["python", *sys.argv])
    title = "# Protection against the bundled MetricGAN+"
    parts = [title, f"`{command}`, weights {digest()[:8]}", NOTES.rstrip()]
    for snr_db in MIXED_AT_DB:
        own = [each for each in rows if each["clip"].endswith(f" at {snr_db:g} dB")]
        parts += [f"## Speech at {snr_db} dB, {clips} clips", _unprotected(own, titles)]
        parts += [_table(own, titles)]
    return "\n\n".join(parts) + "\n"


def _unprotected(rows: list[dict[str, Any]], titles: list[str]) -> str:
    first = [each for each in rows if each["setting"] == titles[0]]
    names = {"noisy": "noisy", "enhanced": "enhanced", "enhanced_normalised": "enhanced, peak"}
    found = [f"{title} {_wer(first, name)}" for name, title in names.items()]
    return f"Unprotected WER: {', '.join(found)}."


def _table(rows: list[dict[str, Any]], titles: list[str]) -> str:
    head = ["attack", *COLUMNS, "protected", "enhanced raw", "peak", "DE raw", "DE peak"]
    head += ["on enhanced", "empty", "looping"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for title in titles:
        own = [each for each in rows if each["setting"] == title]
        lines.append([title, *_figures(own), *_words(own)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figures(rows: list[dict[str, Any]]) -> list[str]:
    values = {name: [each["figures"][name] for each in rows] for name, _ in COLUMNS.values()}
    return [format(float(np.nanmean(values[name])), form) for name, form in COLUMNS.values()]


def _words(rows: list[dict[str, Any]]) -> list[str]:
    raw, peak = "enhanced_protected", "enhanced_protected_normalised"
    texts = [each["heard"][peak] for each in rows]
    return [
        _wer(rows, "protected"),
        _wer(rows, raw),
        _wer(rows, peak),
        _rise(rows, "enhanced", raw),
        _rise(rows, "enhanced_normalised", peak),
        _wer(rows, raw, against="enhanced"),
        f"{100 * np.mean([metrics.is_empty(text) for text in texts]):.0f} %",
        f"{100 * np.mean([metrics.is_looping(text) for text in texts]):.0f} %",
    ]


def _errors(rows: list[dict[str, Any]], heard: str, against: str | None) -> list[WordErrors]:
    said = [each["heard"][against] if against else each["said"] for each in rows]
    pairs = zip(said, (each["heard"][heard] for each in rows), strict=True)
    return [metrics.word_errors(truth, text) for truth, text in pairs]


def _rise(rows: list[dict[str, Any]], before: str, after: str) -> str:
    both = [_errors(rows, heard, None) for heard in (before, after)]
    rises = [metrics.de(*map(rate, both)) for rate in (metrics.pooled_wer, metrics.capped_wer)]
    return "/".join(f"{points:+.1f}" for points in rises)


def _wer(rows: list[dict[str, Any]], heard: str, against: str | None = None) -> str:
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
) -> None:
    """Measure what is missing, and write the tables as Markdown.

    Args:
        data: folder with a manifest.csv
        output: Markdown file; the rows are kept beside it, with the ending .jsonl
        clips: so many clips of test speech, evenly spread, at each SNR
        longest: of the clips, in seconds
        opt_steps: steps of OPT
        workers: processes, each with one thread

    """
    chosen = settings(opt_steps)
    cases = [case for snr_db in MIXED_AT_DB for case in mixtures(data, clips, snr_db, longest)]
    rows = output.with_suffix(".jsonl")
    fill(rows, [(case, setting) for setting in chosen for case in cases], workers)
    names = {case.name for case in cases}
    own = [each for each in load(rows) if each["clip"] in names]
    with audio.replacing(output) as partial:
        partial.write_text(markdown(own, [each.title for each in chosen], clips), "utf-8")


if __name__ == "__main__":
    try:
        app()
    except UnhearError as error:
        Console(stderr=True).print(f"error: {error}", soft_wrap=True, markup=False)
        sys.exit(error.exit_code)
