"""Folders with a manifest → clips; mixing speech and noise at a signal-to-noise ratio."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unhear.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float

MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class Clip:
    """One line of a manifest."""

    path: Path
    kind: str  # speech, noise or noisy
    split: str  # train or test
    speaker: str
    transcript: str


def read_manifest(folder: Path) -> list[Clip]:
    """The clips that ``folder/manifest.csv`` names, in its order.

    The columns ``path`` (relative to the folder), ``kind`` and ``split`` are needed;
    ``speaker`` and ``transcript`` may be missing or empty.
    Raises InputError when the manifest or one of the needed columns is missing.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise InputError(f"{folder} has no {MANIFEST}: give a folder with one as --data")
    with manifest.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {"path", "kind", "split"} - set(reader.fieldnames or ())
        if missing:
            raise InputError(
                f"{manifest} lacks the column {', '.join(sorted(missing))}: add it"
            )
        return [_clip(folder, row) for row in reader]


def _clip(folder: Path, row: dict[str, str]) -> Clip:
    speaker, transcript = row.get("speaker") or "", row.get("transcript") or ""
    return Clip(folder / row["path"], row["kind"], row["split"], speaker, transcript)


def select(clips: list[Clip], kind: str, split: str) -> list[Clip]:
    """The clips of one kind and split; raises InputError when there is none."""
    chosen = [clip for clip in clips if clip.kind == kind and clip.split == split]
    if not chosen:
        raise InputError(f"the manifest names no {kind} of split {split}: add some")
    return chosen


def mix_at_snr(
    speech: Float[np.ndarray, " time"], noise: Float[np.ndarray, " time"], snr_db: float
) -> Float[np.ndarray, " time"]:
    """Speech plus noise scaled so that 10·log10(‖speech‖² / ‖scaled noise‖²) = ``snr_db``."""
    energy = float(np.sum(np.square(noise, dtype=np.float64)))
    if energy == 0.0:
        raise InputError("the noise is all zeros and cannot be mixed at any SNR")
    wanted = float(np.sum(np.square(speech, dtype=np.float64))) / 10 ** (snr_db / 10)
    return (speech + noise * np.sqrt(wanted / energy)).astype(np.float32)


def fit_length(
    noise: Float[np.ndarray, " time"], samples: int, offset: int = 0
) -> Float[np.ndarray, " samples"]:
    """``samples`` of the noise from ``offset`` on, repeated from its start when it is short."""
    return np.take(noise, np.arange(offset, offset + samples), mode="wrap")
