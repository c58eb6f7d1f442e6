"""How well MetricGAN+ enhances unseen recordings, beside the noisy speech and GTCRN.

Every system hears the same clips: the `test` speech mixed with the `test` noises, and the
VoiceBank+DEMAND pairs. All signals are 16 kHz mono, rounded to 16 bit before measuring.
Knows nothing of protecting.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from clips import Case, mixtures, voicebank_pairs
from cyclopts import App, Parameter
from gtcrn import load_gtcrn
from rich.console import Console
from rich.progress import Progress

from unhear import audio, metrics
from unhear.enhance import enhanced, peak_normalised, raw
from unhear.enhancers import load_enhancer
from unhear.errors import InputError, UnhearError
from unhear.networks.checkpoints import locate
from unhear.networks.metricgan import BUNDLED, CHECKPOINT
from unhear.recognise import load_recogniser

if TYPE_CHECKING:
    from collections.abc import Callable

    from unhear.enhancers.base import Enhancer
    from unhear.metrics import WordErrors
    from unhear.recognise import Recogniser

SNRS_DB = (0, 4, 8)
SNR_OF_WORDS_DB = 0  # recognition is slow: only the hardest mixtures
FIGURES: dict[str, tuple[Callable[[np.ndarray, np.ndarray], float], str]] = {
    "PESQ-wb": (metrics.pesq_wb, ".2f"),
    "STOI": (metrics.stoi, ".3f"),
    "SI-SDR in dB": (metrics.si_sdr_db, ".1f"),
}
WORD_FIGURES: dict[str, Callable[[list[WordErrors]], float]] = {
    "WER in %": metrics.pooled_wer,
    "WER in %, each clip at most 100": metrics.capped_wer,
}
NOTES = """\
- Mixtures: speech of split `test` without the VoiceBank clips (they are the pairs), noise of
  split `test`. Noise and starting point of each clip are drawn once from a fixed seed and are
  the same at every SNR and for every `--clips`; short noises are repeated. A mixture that
  would clip is scaled down together with its reference.
- VoiceBank pairs: speaker p287 belongs to the *training* set of VoiceBank+DEMAND (recipes hold
  it out for validation at most), so GTCRN (vctk) may know these recordings and has a head
  start there. Their noises also serve in the mixtures.
- Means over clips. WER is pooled, Whisper base in English; Whisper loops on noise, hence values
  over 100 and the second table. PESQ, STOI and SI-SDR do not depend on the level, so peak
  normalisation is told apart only for words.
"""


@dataclass(frozen=True)
class Condition:
    """Cases that are averaged."""

    title: str
    cases: list[Case]
    for_words: bool = True


@dataclass(frozen=True)
class System:
    """What is heard of a case; ``only_words`` when its figures would tell nothing new."""

    title: str
    hear: Callable[[Case], audio.Recording]
    only_words: bool = False


@dataclass(frozen=True)
class Score:
    """One system on one case."""

    figures: dict[str, float]
    words: WordErrors | None


Key = tuple[str, str]  # titles of condition and system
Scores = dict[Key, list[Score]]


def conditions(data: Path, count: int | None) -> list[Condition]:
    """The mixtures at every SNR, then the VoiceBank pairs where the folder has them."""
    every = [
        Condition(f"{snr} dB", mixtures(data, count, snr), snr == SNR_OF_WORDS_DB)
        for snr in SNRS_DB
    ]
    pairs = voicebank_pairs(data)
    return every + ([Condition("VoiceBank pairs", pairs)] if pairs else [])


# Systems


def systems(weights: str | None, gtcrn: Path | None, *, words: bool) -> list[System]:
    """Noisy, MetricGAN+ and, when its folder is given, GTCRN; for words, clean speech too."""
    metricgan = load_enhancer("metricgan+", weights)
    listed = [
        System("clean", lambda case: case.clean, only_words=True),
        System("noisy", lambda case: case.noisy),
        System("MetricGAN+", _enhancing(metricgan)),
        System(
            "MetricGAN+, peak-normalised",
            lambda case: peak_normalised(enhanced(case.noisy, metricgan)),
            only_words=True,
        ),
    ]
    if gtcrn:
        for trained_on in ("vctk", "dns3"):
            network = load_gtcrn(gtcrn / f"model_trained_on_{trained_on}.tar")
            listed.append(System(f"GTCRN ({trained_on})", _enhancing(network)))
    return [system for system in listed if words or not system.only_words]


def _enhancing(enhancer: Enhancer) -> Callable[[Case], audio.Recording]:
    return lambda case: raw(enhanced(case.noisy, enhancer))


# Measuring


def measure(
    every: list[Condition], listed: list[System], recogniser: Recogniser | None
) -> Scores:
    """All systems on all cases, with a progress bar on stderr."""
    scores: Scores = {}
    with Progress(console=Console(stderr=True)) as bar:
        for condition in every:
            listener = recogniser if condition.for_words else None
            for system in listed:
                if listener or not system.only_words:
                    title = f"{condition.title}, {system.title}"
                    scores[condition.title, system.title] = [
                        score(case, system, listener)
                        for case in bar.track(condition.cases, description=title)
                    ]
    return scores


def score(case: Case, system: System, recogniser: Recogniser | None) -> Score:
    """Figures against the clean reference, and word errors when there is a recogniser."""
    clean, heard = case.clean.samples[0], system.hear(case).samples[0]
    chosen = {} if system.only_words else FIGURES
    figures = {name: figure(clean, heard) for name, (figure, _) in chosen.items()}
    if recogniser is None:
        return Score(figures, None)
    text = recogniser.transcribe(heard).text
    return Score(figures, metrics.word_errors(case.transcript, text))


# Writing


def markdown(every: list[Condition], scores: Scores, weights: Path) -> str:
    """The whole file: command, notes, one table for each figure."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    tables = {name: _means(scores, name, form) for name, (_, form) in FIGURES.items()}
    tables |= {name: _word_error_rates(scores, wer) for name, wer in WORD_FIGURES.items()}
    clips = {condition.title: len(condition.cases) for condition in every}
    return "\n\n".join(
        [
            f"# Enhancement\n\n`{shlex.join(['python', *sys.argv])}`",
            f"{NOTES}- MetricGAN+ weights: {weights.name}, SHA-256 {digest}…",
            *(f"## {name}\n\n{_table(each, clips)}" for name, each in tables.items() if each),
            "",
        ]
    )


def _means(scores: Scores, name: str, form: str) -> dict[Key, str]:
    """Means, with the number of clips where the figure is undefined for some."""
    cells: dict[Key, str] = {}
    for key, each in scores.items():
        values = [score.figures[name] for score in each if name in score.figures]
        defined = [value for value in values if isfinite(value)]
        if defined:
            left_out = f" ({len(defined)} clips)" if len(defined) < len(values) else ""
            cells[key] = format(float(np.mean(defined)), form) + left_out
    return cells


def _word_error_rates(
    scores: Scores, wer: Callable[[list[WordErrors]], float]
) -> dict[Key, str]:
    found = {
        key: [score.words for score in each if score.words] for key, each in scores.items()
    }
    return {key: f"{wer(each):.1f}" for key, each in found.items() if each}


def _table(cells: dict[Key, str], clips: dict[str, int]) -> str:
    """Systems down, conditions across, in the order in which they were measured."""
    across, down = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
    lines = [
        ["", *(f"{condition} ({clips[condition]} clips)" for condition in across)],
        ["---", *("---:" for _ in across)],
        *([system, *(cells[condition, system] for condition in across)] for system in down),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


app = App(name="enhancement.py", help=__doc__)


@app.default
def main(
    *,
    data: Path,
    output: Annotated[Path, Parameter(["--output", "-o"])],
    gtcrn: Path | None = None,
    weights: str | None = None,
    clips: int | None = None,
    words: bool = False,
) -> None:
    """Measure, and write the tables as Markdown.

    Args:
        data: folder with a manifest.csv
        output: Markdown file, overwritten
        gtcrn: folder with GTCRN's model_trained_on_vctk.tar and model_trained_on_dns3.tar
        weights: checkpoint of MetricGAN+ [the bundled one]
        clips: so many clips of test speech, evenly spread [all]
        words: recognise with Whisper base as well

    """
    if not output.parent.is_dir():
        raise InputError(f"the folder {output.parent} does not exist: make it first")
    torch.set_num_threads(1)  # clips are short: more threads only get into each other's way
    listed = systems(weights, gtcrn, words=words)
    every = conditions(data, clips)
    scores = measure(every, listed, load_recogniser(language="en") if words else None)
    used = locate(weights, CHECKPOINT) if weights else BUNDLED
    with audio.replacing(output) as partial:
        partial.write_text(markdown(every, scores, used), encoding="utf-8")


if __name__ == "__main__":
    try:
        app()
    except UnhearError as error:
        Console(stderr=True).print(f"error: {error}", soft_wrap=True, markup=False)
        sys.exit(error.exit_code)
