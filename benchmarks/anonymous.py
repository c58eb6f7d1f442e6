"""Rows of a run with every word replaced: what was said may not be ours to give away, but how
much of it was read may.

    python -m benchmarks.anonymous RUN benchmarks/rows/NAME.jsonl.xz

Within a row the same word becomes the same made-up one, so that every word error rate, whatever
it is counted against, stays what it was. Unpacked as ``rows.jsonl`` into a folder, they are a
run that goes on: `unhear reproduce` does what is missing.
"""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from unhear.evaluation import rows as rowsfile
from unhear.evaluation.rows import ROWS
from unhear.metrics import normalise_text
from unhear.outputs import replacing

if TYPE_CHECKING:
    from unhear.evaluation.rows import Row

LETTERS = "bcdfghjklm"  # one for each digit: no text that these make is an English word
MARK = "zz"  # begins every made-up word, so that the normaliser leaves it alone

app = App(name="python -m benchmarks.anonymous", help=__doc__)


@app.default
def main(run: Path, output: Path) -> None:
    """Pack the rows of a run without their words.

    Args:
        run: folder of an evaluation
        output: .jsonl.xz file to write, or to write anew

    """
    found = map(anonymous, rowsfile.load(run / ROWS))
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as partial:
        partial.write_bytes(lzma.compress("".join(map(rowsfile.line, found)).encode()))


def anonymous(row: Row) -> Row:
    """The row with made-up words."""
    language, known = row["about"]["language"], dict[str, str]()

    def veiled(text: str | None) -> str | None:
        if not text:
            return text
        words = normalise_text(text, language).split()
        return " ".join(known.setdefault(each, _made_up(len(known))) for each in words)

    spoken = {name: veiled(row[name]) for name in ("said", "to_be_said")}
    return row | spoken | {"heard": {name: veiled(text) for name, text in row["heard"].items()}}


def _made_up(number: int) -> str:
    return MARK + "".join(LETTERS[int(digit)] for digit in str(number))


if __name__ == "__main__":
    app()
