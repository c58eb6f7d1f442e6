"""VoiceBank+DEMAND as its archives unpack: clean, noisy and text in folders side by side.

Valentini-Botinhao et al., "Investigating RNN-based speech enhancement methods for
noise-robust Text-to-Speech", SSW 2016; https://doi.org/10.7488/ds/2117.
"""

from __future__ import annotations

from pathlib import Path

from unhear.datasets.utterance import Utterance, read_words, recordings
from unhear.errors import InputError

SETS = {"test": "testset", "train": "trainset_28spk"}


def matches(source: Path) -> bool:
    """Whether one of the clean sets is there, be it ``_wav`` or ``_wav_16k``."""
    return any(_folder(source, "clean", split) for split in SETS)


def read_speech(source: Path, split: str) -> list[Utterance]:
    """The split's utterances, such as ``p232_001``, with their noisy recordings.

    Raises InputError when the split's clean recordings or texts are missing.
    """
    clean = _folder(source, "clean", split)
    if clean is None:
        raise InputError(
            f"{source} holds no VoiceBank+DEMAND recordings of split {split}: "
            f"unpack clean_{SETS.get(split, split)}_wav there"
        )
    texts = source / f"{SETS[split]}_txt"
    alike = source / clean.name.replace("clean", "noisy")
    noisy = alike if alike.is_dir() else _folder(source, "noisy", split) or alike
    return [_utterance(path, texts, noisy) for path in recordings(clean)]


def _folder(source: Path, kind: str, split: str) -> Path | None:
    """The first of the set's variants, clean or noisy: at 48 kHz before resampled ones."""
    folders = source.glob(f"{kind}_{SETS[split]}_wav*") if split in SETS else ()
    return min((folder for folder in folders if folder.is_dir()), default=None)


def _utterance(path: Path, texts: Path, noisy: Path) -> Utterance:
    transcript = read_words(texts / f"{path.stem}.txt")
    own = noisy / path.name
    speaker = path.stem.split("_")[0]
    return Utterance(path.stem, path, speaker, transcript, own if own.is_file() else None)
