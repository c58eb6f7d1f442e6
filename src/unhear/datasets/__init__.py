"""Recorded speech and noise, wherever they lie → utterances, noises and mixtures of them.

Knows no enhancer and no attack. :mod:`manifest`, :mod:`voicebank`, :mod:`librispeech` and
:mod:`folder` each read one layout of speech, :mod:`noise` the layouts of noise; :mod:`mixing`
adds two signals, :mod:`mixture` says which.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from unhear.datasets import folder, librispeech, manifest, voicebank
from unhear.datasets.manifest import Clip, read_manifest, select
from unhear.datasets.mixing import active_level, fit_length, mix_at_snr
from unhear.datasets.mixture import Mixture, as_recorded, mixtures, seconds_of
from unhear.datasets.noise import PAPER_SCENES, Noise, read_noises
from unhear.datasets.utterance import Utterance
from unhear.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "PAPER_SCENES",
    "Clip",
    "Mixture",
    "Noise",
    "Utterance",
    "active_level",
    "as_recorded",
    "fit_length",
    "mix_at_snr",
    "mixtures",
    "read_manifest",
    "read_noises",
    "read_speech",
    "seconds_of",
    "select",
]

LAYOUTS = (manifest, voicebank, librispeech)  # the first that matches reads, else folder


def read_speech(source: Path, split: str = "test") -> list[Utterance]:
    """The utterances at ``source``: a manifest, VoiceBank+DEMAND, LibriSpeech or any folder
    of recordings with transcripts, in the order of the manifest or else of the names.

    What has an empty transcript is left out, for there is nothing to count words against.
    Raises InputError when there is no speech of the split, a file or transcript is missing,
    or a name occurs twice.
    """
    if not source.exists():
        raise InputError(f"{source} does not exist: name a folder of speech or a manifest")
    layout = next((each for each in LAYOUTS if each.matches(source)), folder)
    utterances = layout.read_speech(source, split)
    if not utterances:
        raise InputError(
            f"{source} holds no speech of split {split}: in a manifest, mark rows as "
            f"{split} or leave out the column split"
        )
    spoken = [utterance for utterance in utterances if utterance.transcript]
    if not spoken:
        raise InputError(
            f"none of the {len(utterances)} recordings of split {split} in {source} has a "
            "transcript: add what is said, for word errors are counted against it"
        )
    name, times = Counter(utterance.name for utterance in spoken).most_common(1)[0]
    if times > 1:
        raise InputError(f"{source} holds {times} recordings called {name}: keep one of them")
    return spoken
