"""The command: measure what is missing, then write the rows, the picture and the page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from benchmarks.speed.records import PARTS, Part
from unhear.errors import UnhearError

app = App(name="python -m benchmarks.speed", help=__doc__)


@app.default
def main(
    *,
    data: Path,
    output: Annotated[Path, Parameter(["--output", "-o"])],
    only: Annotated[list[Part] | None, Parameter(consume_multiple=True)] = None,
    quick: bool = False,
    fresh: bool = False,
) -> None:
    """Measure what is missing, and write page and picture.

    Args:
        data: speech with noise, as for `unhear evaluate`
        output: Markdown file; rows and picture are kept beside it, as .jsonl and .png
        only: measure these parts; of the others, what was measured before is shown
        quick: tiny settings, to see that everything works
        fresh: measure again what was measured before

    """
    # Here, so that processes of workers need not import them again.
    from benchmarks.speed import criteria, machine, page, picture, plan, records

    wanted, here = plan.plan(quick=quick), machine.described()
    book = records.Book(output.with_suffix(".jsonl"), here, fresh=fresh)
    rows = book.rows(wanted, data, set(only or PARTS), lambda text: print(text, flush=True))
    judged = criteria.judged(rows)
    picture.write(rows, output.with_suffix(".png"))
    command = shlex.join(["python", "-m", "benchmarks.speed", *sys.argv[1:]])
    page.write(page.markdown(rows, judged, here, command, output.stem), output)
    for criterion in judged:
        print(criterion.line)


if __name__ == "__main__":
    try:
        app()
    except UnhearError as error:
        Console(stderr=True).print(f"error: {error}", soft_wrap=True, markup=False)
        sys.exit(error.exit_code)
