"""Any folder of recordings with transcripts.

The words of each recording stand beside it in a text file of the same name, or all in
``transcripts.txt`` at the top of the folder, one line each: the file's path in the folder, a
tab, what is said. An empty transcript leaves a recording out.
"""

from __future__ import annotations

from pathlib import Path

from unhear.datasets.utterance import (
    Utterance,
    as_text,
    existing,
    name_in,
    read_text,
    read_words,
    recordings,
)
from unhear.errors import InputError

TRANSCRIPTS = "transcripts.txt"


def read_speech(source: Path, split: str) -> list[Utterance]:  # noqa: ARG001  as all layouts
    """The recordings anywhere below the folder, whatever the split; sub-folders are speakers.

    Raises InputError when there are no recordings, one has no transcript, or
    ``transcripts.txt`` names a file that is not there.
    """
    paths = recordings(source)
    if not paths:
        raise InputError(
            f"{source} holds no speech: give a manifest, VoiceBank+DEMAND, LibriSpeech or a "
            "folder of WAV, FLAC, OGG or MP3 files with transcripts"
        )
    listed = source / TRANSCRIPTS
    words = _listed(listed) if listed.is_file() else _beside(paths)
    missing = [path for path in paths if path not in words]
    if missing:
        place = (
            f"a line in {listed}" if listed.is_file() else f"{missing[0].stem}.txt beside it"
        )
        raise InputError(
            f"{len(missing)} of {len(paths)} recordings in {source} have no transcript, first "
            f"{missing[0]}: write what is said into {place}, or nothing to leave it out"
        )
    return [_utterance(source, path, words[path]) for path in paths]


def _listed(listed: Path) -> dict[Path, str]:
    lines = [line.partition("\t") for line in read_text(listed).split("\n") if line.strip()]
    return {
        existing(listed.parent / name.strip(), listed): words.strip()
        for name, _, words in lines
    }


def _beside(paths: list[Path]) -> dict[Path, str]:
    texts = {path: path.with_suffix(".txt") for path in paths}
    return {path: read_words(text) for path, text in texts.items() if text.is_file()}


def _utterance(folder: Path, path: Path, transcript: str) -> Utterance:
    speaker = as_text(path.parent.name) if path.parent != folder else ""
    return Utterance(name_in(folder, path), path, speaker, transcript)
