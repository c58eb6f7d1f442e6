"""Manifests, as CSV or JSON Lines: one line for each clip."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unhear.datasets.utterance import Utterance, existing, name_in, read_text
from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MANIFEST = "manifest.csv"
NAMES = (MANIFEST, "manifest.jsonl")
ENDINGS = (".csv", ".jsonl")
SYNONYMS = {"audio_filepath": "path", "text": "transcript"}  # NeMo's keys

Row = dict[str, str]


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
    return [_clip(folder, row) for row in read_rows(manifest, {"path", "kind", "split"})]


def _clip(folder: Path, row: Row) -> Clip:
    speaker, transcript = row.get("speaker", ""), row.get("transcript", "")
    return Clip(folder / row["path"], row["kind"], row["split"], speaker, transcript)


def select(clips: list[Clip], kind: str, split: str) -> list[Clip]:
    """The clips of one kind and split; raises InputError when there is none."""
    chosen = [clip for clip in clips if clip.kind == kind and clip.split == split]
    if not chosen:
        raise InputError(f"the manifest names no {kind} of split {split}: add some")
    return chosen


def found(source: Path) -> Path | None:
    """The manifest that ``source`` is, or that lies in the folder ``source``."""
    if source.is_file():
        return source if source.suffix.lower() in ENDINGS else None
    return next((source / name for name in NAMES if (source / name).is_file()), None)


def matches(source: Path) -> bool:
    """Whether ``source`` is a manifest or a folder with one."""
    return found(source) is not None


def read_speech(source: Path, split: str) -> list[Utterance]:
    """The rows of speech, each with the row of kind ``noisy`` that has the same file name or,
    where that name returns in other folders, the same path below the first of them.

    ``path``, relative to the manifest, and ``transcript`` are needed; JSON Lines may call
    them ``audio_filepath`` and ``text``. Where ``kind`` and ``split`` are given, they count.
    Raises InputError when a row of speech has no transcript, be it an empty one.
    """
    manifest, rows = rows_of(source, split, {"path", "transcript"})
    spoken = [row for row in rows if row.get("kind") in {None, "", "speech"}]
    noisy = [row for row in rows if row.get("kind") == "noisy"]
    again = _repeated(spoken) | _repeated(noisy)
    sides = {_pair(row, again): row for row in noisy}
    return [_utterance(manifest, row, sides.get(_pair(row, again))) for row in spoken]


def require_pairs(source: Path, speech: Sequence[Utterance], split: str = "test") -> None:
    """Raise InputError when there are noisy rows, and none belongs to the ``speech`` there."""
    manifest, rows = rows_of(source, split, {"path"})
    noisy = [row["path"] for row in rows if row.get("kind") == "noisy"]
    if noisy and not any(each.noisy for each in speech):
        raise InputError(
            f"no row of kind noisy of {manifest} belongs to a row of speech, such as "
            f"{noisy[0]}: give both the same file name, or the same path below their first "
            "folder"
        )


def _repeated(rows: list[Row]) -> set[str]:
    """File names of several rows."""
    counts = Counter(Path(row["path"]).name for row in rows)
    return {name for name, count in counts.items() if count > 1}


def _pair(row: Row, repeated: set[str]) -> tuple[str, ...]:
    """What a clip and its noisy side have in common: ``clean/p1/001.wav`` and
    ``noisy/p1/001.wav`` belong together, and ``noisy/p2/001.wav`` does not.
    """
    path = Path(row["path"])
    return path.parts[1:] if path.name in repeated else (path.name,)


def _utterance(manifest: Path, row: Row, noisy: Row | None) -> Utterance:
    path = path_of(manifest, row)
    if "transcript" not in row:
        raise InputError(f"{row['path']} in {manifest} has no transcript: add what is said")
    return Utterance(
        name_in(manifest.parent, path),
        path,
        row.get("speaker", ""),
        row["transcript"],
        path_of(manifest, noisy) if noisy else None,
    )


def path_of(manifest: Path, row: Row) -> Path:
    """The row's file; raises InputError when it is not there."""
    return existing(manifest.parent / row["path"], manifest)


def rows_of(source: Path, split: str, needed: set[str]) -> tuple[Path, list[Row]]:
    """The manifest at ``source`` and its rows, less those that are said to be of another
    split.
    """
    manifest = found(source)
    if manifest is None:
        raise InputError(f"{source} is no manifest: name a {' or '.join(ENDINGS)} file")
    rows = read_rows(manifest, needed)
    return manifest, [row for row in rows if row.get("split") in {None, "", split}]


def read_rows(manifest: Path, needed: set[str]) -> list[Row]:
    """Every row as texts by column; in JSON Lines some may have fewer.

    Raises InputError when the manifest cannot be read, a needed column is missing or a row
    names no path.
    """
    read = _read_csv if manifest.suffix.lower() == ".csv" else _read_json_lines
    columns, rows = read(manifest)
    if missing := needed - columns:
        raise InputError(f"{manifest} lacks the column {', '.join(sorted(missing))}: add it")
    for number, row in enumerate(rows, 1):
        if not row.get("path"):
            raise InputError(f"clip {number} of {manifest} has no path: add it")
    return rows


def _read_csv(manifest: Path) -> tuple[set[str], list[Row]]:
    reader = csv.DictReader(io.StringIO(read_text(manifest), newline=""), strict=True)
    try:
        columns = {SYNONYMS.get(column, column) for column in reader.fieldnames or ()}
        return columns, [_texts(row) for row in reader]
    except csv.Error as error:
        raise InputError(
            f"{manifest} cannot be read as CSV near line {reader.line_num} ({error}): look for "
            "a stray quotation mark before it"
        ) from error


def _read_json_lines(manifest: Path) -> tuple[set[str], list[Row]]:
    lines = enumerate(read_text(manifest).split("\n"), 1)
    rows = [_texts(_json(line, manifest, number)) for number, line in lines if line.strip()]
    return {column for row in rows for column in row}, rows


def _json(line: str, manifest: Path, number: int) -> dict[str | None, object]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"line {number} of {manifest} is not JSON ({error.msg}): write one object a line"
        ) from error
    if not isinstance(row, dict):
        raise InputError(f"line {number} of {manifest} is no JSON object: write one a line")
    return row


def _texts(row: Mapping[str | None, object]) -> Row:
    """Columns by our names; what a CSV row has beyond its header is dropped."""
    return {
        SYNONYMS.get(column, column): "" if value is None else str(value).strip()
        for column, value in row.items()
        if column is not None
    }
