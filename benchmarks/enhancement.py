"""How well every enhancer enhances unseen recordings, so that nobody attacks a broken one.

All hear the same clips: the `test` speech mixed with the `test` noises, and the
VoiceBank+DEMAND pairs, at 16 kHz. Their outputs are brought back to 16 kHz mono, divided by
their peak and rounded to 16 bit, as an adversary would have them, before anything is measured.
Knows nothing of protecting.
"""

from __future__ import annotations

import json
import shlex
import sys
from functools import cache, partial
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from clips import SAMPLE_RATE, Case, mixtures, voicebank_pairs
from cyclopts import App, Parameter
from rich.console import Console
from rows import Row, append, left_out

from unhear import audio, metrics
from unhear.audio import downmixed
from unhear.dnsmos import dnsmos
from unhear.enhance import enhanced, peak_normalised
from unhear.enhancers import load_enhancer, registry
from unhear.enhancers.digest import weights_digest
from unhear.enhancers.listing import MEASURED
from unhear.errors import UnhearError
from unhear.evaluation.findings import grid
from unhear.evaluation.prepare import to_be_had
from unhear.evaluation.rows import load
from unhear.outputs import replacing
from unhear.recognise import load_recogniser

if TYPE_CHECKING:
    from collections.abc import Callable

    from unhear.enhancers.base import Enhancer
    from unhear.metrics import WordErrors

SNRS_DB = (0, 4, 8)
SNRS_OF_WORDS_DB = (0, 8)  # recognition is slow
PAIRS = "VoiceBank pairs"
GTCRN = ("vctk", "dns3")  # what the authors trained it on
FIGURES: dict[str, tuple[str, str]] = {  # title → field of a row, format
    "PESQ-wb": ("pesq_wb", ".2f"),
    "STOI": ("stoi", ".3f"),
    "SI-SDR in dB": ("si_sdr_db", ".1f"),
    "DNSMOS overall": ("dnsmos", ".2f"),
}
WORD_FIGURES: dict[str, Callable[[list[WordErrors]], float]] = {
    "WER in %, each clip at most 100": metrics.capped_wer,
    "WER in %, pooled": metrics.pooled_wer,
}
NOTES = """\
- Mixtures: speech of split `test` without the VoiceBank clips (they are the pairs), noise of
  split `test`. Noise and starting point of each clip are drawn once from a fixed seed and are
  the same at every SNR and for every `--clips`; short noises are repeated. A mixture that
  would clip is scaled down together with its reference. SNR: energy of the speech, pauses
  included, to that of the noise.
- VoiceBank pairs: speaker p287 belongs to the *training* set of VoiceBank+DEMAND (recipes hold
  it out for validation at most), so GTCRN (vctk) may know these recordings and has a head
  start there. Their noises also serve in the mixtures.
- Everything comes from 16 kHz: enhancers of 48 kHz get no more than that to work with.
- Means over clips. The recogniser is Whisper base in English; it loops on noise, hence pooled
  WERs over 100.
"""


# Systems


def systems(gtcrn: Path | None) -> list[str]:
    """Clean, noisy, GTCRN's other checkpoints when their folder is given, and the registry."""
    others = [f"gtcrn ({name})" for name in GTCRN] if gtcrn else []
    return ["clean", "noisy", *to_be_had(registry(), left_out), *others]


@cache
def _enhancer(system: str, gtcrn: Path | None) -> Enhancer:
    if system.startswith("gtcrn (") and gtcrn:
        trained_on = system.removeprefix("gtcrn (").removesuffix(")")
        return load_enhancer("gtcrn", str(gtcrn / f"model_trained_on_{trained_on}.tar"))
    return load_enhancer(system)


def _weights(system: str) -> str:
    return weights_digest(system) if system in registry() else system


def hear(case: Case, system: str, gtcrn: Path | None) -> np.ndarray:
    """What comes out, (time,) at 16 kHz."""
    if system in {"clean", "noisy"}:
        return (case.clean if system == "clean" else case.noisy).samples[0]
    enhancer = _enhancer(system, gtcrn)
    enhancer.reseed(0)
    mono = downmixed(enhanced(case.noisy, enhancer), SAMPLE_RATE)
    mono = audio.fitted(mono[None], case.clean.samples.shape[1])
    return peak_normalised(audio.Recording(mono, SAMPLE_RATE)).samples[0]


# Measuring

Task = tuple[str, Case, str, bool]  # condition, clip, system, whether to recognise


def measure(task: Task, gtcrn: Path | None) -> list[Row]:
    """One system on one case: figures against the clean reference, and what is recognised."""
    condition, case, system, words = task
    clean, heard = case.clean.samples[0], hear(case, system, gtcrn)
    recogniser = load_recogniser(language="en") if words else None
    row: Row = {
        "condition": condition,
        "clip": case.name,
        "system": system,
        "weights": _weights(system),
        "pesq_wb": metrics.pesq_wb(clean, heard),
        "stoi": metrics.stoi(clean, heard),
        "si_sdr_db": nan if system == "clean" else metrics.si_sdr_db(clean, heard),
        "dnsmos": dnsmos(heard).overall,
        "said": case.transcript,
        "heard": recogniser.transcribe(heard).text if recogniser else None,
    }
    return [row]


def conditions(data: Path, count: int | None) -> dict[str, list[Case]]:
    """The mixtures at every SNR, then the VoiceBank pairs where the folder has them."""
    every = {f"{snr} dB": mixtures(data, count, snr) for snr in SNRS_DB}
    pairs = voicebank_pairs(data)
    return every | ({PAIRS: pairs} if pairs else {})


# Writing

Cells = dict[tuple[str, str], str]  # by system and condition


def markdown(rows: list[Row], listed: list[str], every: dict[str, list[Case]]) -> str:
    """The whole file: command, notes, one table for each figure."""
    digests = {name: _weights(name) for name in listed if name in registry()}
    known = ", ".join(f"{name} {digest}" for name, digest in digests.items() if digest)
    parts = [f"# Enhancement\n\n`{shlex.join(['python', *sys.argv])}`"]
    parts += [f"{NOTES}- First digits of the weights' SHA-256: {known}."]
    tables = {title: _means(rows, *figure) for title, figure in FIGURES.items()}
    tables |= {title: _word_error_rates(rows, wer) for title, wer in WORD_FIGURES.items()}
    for title, cells in tables.items():
        parts.append(f"## {title}\n\n{_table(cells, listed, every)}")
    return "\n\n".join(parts) + "\n"


def _grouped(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    keys = dict.fromkeys((row["system"], row["condition"]) for row in rows)
    return {
        key: [row for row in rows if (row["system"], row["condition"]) == key] for key in keys
    }


def _means(rows: list[Row], field: str, form: str) -> Cells:
    """Means, with the number of clips where the figure is undefined for some."""
    cells: Cells = {}
    for key, own in _grouped(rows).items():
        defined = [row[field] for row in own if isfinite(row[field])]
        if defined:
            left_out = f" ({len(defined)} clips)" if len(defined) < len(own) else ""
            cells[key] = format(float(np.mean(defined)), form) + left_out
    return cells


def _word_error_rates(rows: list[Row], wer: Callable[[list[WordErrors]], float]) -> Cells:
    spoken = [row for row in rows if row["heard"] is not None]
    return {key: f"{wer(_errors(own)):.1f}" for key, own in _grouped(spoken).items()}


def _errors(rows: list[Row]) -> list[WordErrors]:
    return [metrics.word_errors(row["said"], row["heard"]) for row in rows]


def _table(cells: Cells, listed: list[str], every: dict[str, list[Case]]) -> str:
    """Systems down, conditions across; only what was measured."""
    across = [name for name in every if any(key[1] == name for key in cells)]
    down = [name for name in listed if any(key[0] == name for key in cells)]
    head = ["", *(f"{name} ({len(every[name])} clips)" for name in across)]
    return grid(
        head, [[each, *(cells.get((each, name), "–") for name in across)] for each in down]
    )


def figures_of_cards(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Means over the recognised mixtures, for `unhear enhancers`."""
    own = [row for row in rows if row["heard"] is not None and row["condition"] != PAIRS]
    cards: dict[str, dict[str, float]] = {}
    for system in dict.fromkeys(row["system"] for row in own):
        mine = [row for row in own if row["system"] == system]
        means = {
            field: round(float(np.nanmean([row[field] for row in mine])), 3)
            for field in ("pesq_wb", "stoi", "dnsmos")
        }
        cards[system] = means | {"wer": round(metrics.capped_wer(_errors(mine)), 1)}
    return cards


app = App(name="enhancement.py", help=__doc__)


@app.default
def main(
    *,
    data: Path,
    output: Annotated[Path, Parameter(["--output", "-o"])],
    gtcrn: Path | None = None,
    clips: int | None = None,
    cards: bool = False,
    workers: int = 2,
) -> None:
    """Measure what is missing, and write the tables as Markdown.

    Args:
        data: folder with a manifest.csv
        output: Markdown file; the rows are kept beside it, with the ending .jsonl
        gtcrn: folder with GTCRN's model_trained_on_vctk.tar and model_trained_on_dns3.tar
        clips: so many clips of test speech, evenly spread [all]
        cards: put the figures into the cards of `unhear enhancers`
        workers: processes, each with one thread

    """
    every, listed = conditions(data, clips), systems(gtcrn)
    spoken = {PAIRS, *(f"{snr} dB" for snr in SNRS_OF_WORDS_DB)}
    wanted: dict[tuple[str, ...], Task] = {
        (condition, case.name, system, _weights(system)): (
            condition,
            case,
            system,
            condition in spoken,
        )
        for system in listed
        for condition, cases in every.items()
        for case in cases
    }
    path = output.with_suffix(".jsonl")
    done = {_key(row) for row in load(path)}
    missing = [task for key, task in wanted.items() if key not in done]
    append(path, missing, partial(measure, gtcrn=gtcrn), workers)
    rows = [row for row in load(path) if _key(row) in wanted]
    with replacing(output) as file:
        file.write_text(markdown(rows, listed, every), "utf-8")
    if cards:
        with replacing(MEASURED) as file:
            file.write_text(json.dumps(figures_of_cards(rows), indent=1) + "\n", "utf-8")


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[field] for field in ("condition", "clip", "system", "weights"))


if __name__ == "__main__":
    try:
        app()
    except UnhearError as error:
        Console(stderr=True).print(f"error: {error}", soft_wrap=True, markup=False)
        sys.exit(error.exit_code)
