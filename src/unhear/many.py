"""Files protected wherever there is a worker; knows nothing of the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from unhear.files import protect_file
from unhear.present import page, row, table
from unhear.recognise import load_recogniser
from unhear.report.page import write_page
from unhear.together import run_together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rich.table import Table

    from unhear.choices import Choice
    from unhear.files import Result
    from unhear.protect import Protector
    from unhear.recognise import Recogniser

    Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Showing:
    """What the user wants to see of a protection."""

    transcribe: bool
    model: str
    language: str | None
    report: Path | None  # folder of the pages

    def recogniser(self) -> Recogniser | None:
        """The recogniser, if one is wanted; raises when it cannot be had."""
        if not self.transcribe:
            return None
        recogniser = load_recogniser(self.model, self.language)
        recogniser.load()  # a model that cannot be had is better known before the work is done
        return recogniser


class Pair(NamedTuple):
    """A recording, and the protected file to be."""

    source: Path
    output: Path


class Protected(NamedTuple):
    """What is told of a protected file. Its signals stay where they were computed, for those
    of a long recording are large.
    """

    row: dict[str, Any]
    table: Table


@dataclass(frozen=True)
class Job:
    """How files are protected, in words that can be sent to a worker."""

    choice: Choice = field(compare=False)
    showing: Showing = field(compare=False)
    name: str = field(default_factory=lambda: uuid4().hex)  # of this run and no other

    def prepare(self) -> tuple[Protector, Recogniser | None]:
        """Load what is needed, once in each process; raises what is wrong with the choice."""
        return _prepared(self)

    def protect(
        self, pairs: Sequence[Pair], progress: Progress = lambda _index, _done, _total: None
    ) -> list[Protected | Exception]:
        """Protect files together and write the page on each; an error is that of its file.

        ``progress`` is told of which, how many gradients were taken, and of how many.
        """
        protector, recogniser = self.prepare()

        def work(index: int, pair: Pair) -> Callable[[Protector], Protected | Exception]:
            return lambda own: self._outcome(pair, own, recogniser, partial(progress, index))

        return run_together(protector, [work(*each) for each in enumerate(pairs)])

    def _outcome(
        self,
        pair: Pair,
        protector: Protector,
        recogniser: Recogniser | None,
        progress: Callable[[int, int], None],
    ) -> Protected | Exception:
        """One file and its page."""
        try:
            result = protect_file(*pair, protector, recogniser, progress)
            report = {"report": self._report(result)}
            return Protected(row(result, self.choice.described()) | report, table(result))
        except Exception as error:  # noqa: BLE001  the others go on
            return error

    def _report(self, result: Result) -> str | None:
        folder, settings = self.showing.report, self.choice.described()
        if folder is None:
            return None
        return str(write_page(page(result, settings), folder, result.output.stem))


@lru_cache(maxsize=1)  # a worker may live longer than a run, and files change
def _prepared(job: Job) -> tuple[Protector, Recogniser | None]:
    return job.choice.make_protector(), job.showing.recogniser()
