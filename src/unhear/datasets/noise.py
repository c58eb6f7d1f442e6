"""Recorded noise by scene: a manifest, DEMAND as its archives unpack, or any folder."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unhear.datasets import manifest
from unhear.datasets.utterance import as_text, recordings
from unhear.errors import InputError
from unhear.naming import unknown_of_several

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PAPER_SCENES = ("PSTATION", "SPSQUARE", "TBUS", "TCAR", "TMETRO")
# DEMAND has 16 microphones; the first is what VoiceBank+DEMAND was made from. Archives unpack
# to SCENE/, and people put them into a folder of their own, such as SCENE_16k/SCENE/.
DEMAND = ("ch01.wav", "*/ch01.wav", "*/*/ch01.wav")


@dataclass(frozen=True)
class Noise:
    """One recording of a scene, such as a bus or a café."""

    scene: str
    path: Path


def read_noises(source: Path, split: str = "test", scenes: Sequence[str] = ()) -> list[Noise]:
    """The noises at ``source``: a manifest's rows of kind ``noise``, DEMAND, or any folder.

    A manifest's scenes are its column ``scene``, else the file's name, or its folder's where
    all files of a folder are numbered. In any folder a sub-folder is a scene. In DEMAND those
    of the paper that are there are taken unless ``scenes`` names others.
    Raises InputError when there is no noise or a scene is not there.
    """
    if not source.exists():
        raise InputError(f"{source} does not exist: name a folder of noise or a manifest")
    if manifest.matches(source):
        noises = _of_manifest(source, split)
    elif noises := _of_demand(source):
        there = {noise.scene for noise in noises}
        scenes = scenes or [scene for scene in PAPER_SCENES if scene in there]
    else:
        noises = _of_folder(source)
    if not noises:
        raise InputError(
            f"{source} holds no noise of split {split}: give, with --noise, a manifest with "
            "rows of kind noise, DEMAND, or a folder of WAV, FLAC, OGG or MP3 files"
        )
    return _chosen(noises, scenes) if scenes else noises


def _chosen(noises: list[Noise], scenes: Sequence[str]) -> list[Noise]:
    there = sorted({noise.scene for noise in noises})
    for scene in scenes:
        if scene not in there:
            raise unknown_of_several("scene", scene, there)
    return [noise for noise in noises if noise.scene in scenes]


def _of_manifest(source: Path, split: str) -> list[Noise]:
    file, rows = manifest.rows_of(source, split, {"path"})
    paths = {
        manifest.path_of(file, row): row.get("scene", "")
        for row in rows
        if row.get("kind") == "noise"
    }
    named = _named(paths)
    return [Noise(scene or named[path], path) for path, scene in paths.items()]


def _of_demand(source: Path) -> list[Noise]:
    paths = [path for pattern in DEMAND for path in sorted(source.glob(pattern))]
    scenes: dict[str, Path] = {}
    for path in paths:
        scenes.setdefault(_folder(path), path)
    return [Noise(scene, path) for scene, path in scenes.items()]


def _of_folder(source: Path) -> list[Noise]:
    paths = recordings(source)
    named = _named(path for path in paths if path.parent == source)
    return [Noise(named.get(path) or _folder(path), path) for path in paths]


def _named(paths: Iterable[Path]) -> dict[Path, str]:
    """Scenes from names: the file's, or its folder's where all files of it are numbered."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        folders[path.parent].append(path)
    return {
        path: _folder(path)
        if all(each.stem[-1].isdigit() for each in group)
        else as_text(path.stem)
        for group in folders.values()
        for path in group
    }


def _folder(path: Path) -> str:
    return as_text(path.absolute().parent.name)
