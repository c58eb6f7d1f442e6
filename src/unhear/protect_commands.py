"""What `unhear protect` does, once its arguments are parsed."""

from __future__ import annotations

import math
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from unhear.cluster import executor
from unhear.commands import print_json
from unhear.datasets import seconds_of
from unhear.devices import usable
from unhear.errors import FailureError, InputError
from unhear.files import KEPT_SECONDS
from unhear.kept import forget_finished
from unhear.many import Job, Pair, Protected, Showing
from unhear.pieces import reason, work_through
from unhear.places import check_all, check_pages, nearest_existing, output_paths, page_of
from unhear.together import in_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from unhear.choices import Choice
    from unhear.pieces import Workplace

    Batch = tuple[Pair, ...]

STDERR = Console(stderr=True)


@dataclass(frozen=True)
class Place:
    """Which files are read and written, and who works."""

    inputs: Sequence[Path]
    output: Path
    jobs: int | None = None
    cluster: str | None = None
    _: KW_ONLY
    batch: int = 1  # files at once
    force: bool = False
    skip_existing: bool = False

    def pairs(self, pages: Path | None) -> tuple[list[Pair], list[Path]]:
        """What is to be done, and the outputs that are there and left as they are; raises
        InputError when something of it cannot be.
        """
        if self.force and self.skip_existing:
            raise InputError("--force and --skip-existing exclude each other: give one of them")
        pairs = list(map(Pair, self.inputs, output_paths(self.inputs, self.output)))
        left = [pair.output for pair in pairs if self.skip_existing and pair.output.exists()]
        known = set(left)
        pairs = [pair for pair in pairs if pair.output not in known]
        outputs = [pair.output for pair in pairs]
        check_all([pair.source for pair in pairs], outputs, force=self.force)
        if pages is not None:
            check_pages(outputs, pages, force=self.force)
        return pairs, left

    def batches(self, pairs: Sequence[Pair]) -> list[Batch]:
        """Files that go together; a long one alone, which fills the networks by itself."""
        if self.batch == 1:
            return [(pair,) for pair in pairs]
        seconds = {pair: _seconds(pair.source) for pair in pairs}
        short = [pair for pair in pairs if seconds[pair] <= KEPT_SECONDS]
        groups = in_batches([seconds[pair] for pair in short], self.batch)
        return [
            *((pair,) for pair in pairs if seconds[pair] > KEPT_SECONDS),
            *(tuple(short[index] for index in group) for group in groups),
        ]

    def workers(
        self, batches: Sequence[Batch], read: Sequence[Path], pages: Path | None
    ) -> AbstractContextManager[Workplace]:
        """Those who work; raises InputError when they cannot be had, or do not see what they
        have to ``read`` besides the recordings, and where they write.
        """
        sources = dict.fromkeys(pair.source.parent for batch in batches for pair in batch)
        written = [nearest_existing(pages.absolute())] if pages else []
        there = nearest_existing(batches[0][0].output.absolute().parent)
        jobs = self.jobs if self.cluster else min(self.jobs or 1, len(batches))
        return executor(jobs, self.cluster, [*sources, *read, *written, there])


def protect_files(place: Place, choice: Choice, showing: Showing, *, json: bool) -> None:
    """Check everything first, then protect the files and tell of them in their order."""
    pages = showing.report
    pairs, left = place.pairs(pages)
    forget_finished(left)
    for output in left:
        if pages and not page_of(output, pages).exists():
            _say(f"{output} is left as it is, without a page: remove it to have both made")
    job = Job(replace(choice, device=usable(choice.device)), showing)
    job.prepare()
    told = _Told(pairs, json=json, force=place.force)
    try:
        if pairs:
            _protect(place, pairs, job, told)
    finally:  # files that are done are told of, whatever comes after them
        told.finish()
    told.fail()


def _seconds(path: Path) -> float:
    """0 where it cannot be read: whoever protects it says why."""
    with suppress(InputError):
        return seconds_of(path)
    return 0.0


def _protect(place: Place, pairs: list[Pair], job: Job, told: _Told) -> None:
    batches = place.batches(pairs)
    with place.workers(batches, job.choice.files(), job.showing.report) as workers:
        one_by_one = workers.in_process
        do = partial(_with_a_bar, job) if one_by_one else job.protect
        with _bar(len(pairs), shown=not one_by_one) as hidden:
            for pair, outcome in _outcomes(batches, do, workers):
                with hidden():
                    told.add(pair, outcome)


def _outcomes(
    batches: list[Batch],
    do: Callable[[Batch], list[Protected | Exception]],
    workers: Workplace,
) -> Iterator[tuple[Pair, Protected | BaseException]]:
    """Of every file; of those whose batch failed as a whole, when each has been tried alone."""
    waiting = batches[::-1]
    for batch, found in work_through(waiting, do, workers):
        if not isinstance(found, BaseException):
            yield from zip(batch, found, strict=True)
        elif len(batch) == 1:
            yield batch[0], found
        else:
            waiting += [(pair,) for pair in batch[::-1]]


def _with_a_bar(job: Job, batch: Batch) -> list[Protected | Exception]:
    name = escape(batch[0].source.name)
    title = name if len(batch) == 1 else f"{name} and {len(batch) - 1} more"
    done, totals = [0] * len(batch), [0] * len(batch)
    with Progress(console=STDERR, transient=True, disable=not STDERR.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def update(index: int, of_file: int, total: int) -> None:
            done[index], totals[index] = of_file, total
            bar.update(task, completed=sum(done), total=sum(totals))

        return job.protect(batch, update)


@contextmanager
def _bar(files: int, *, shown: bool) -> Generator[Callable[[], AbstractContextManager[None]]]:
    """Of all files. Who prints does so in the context that it gives: the bar is hidden there,
    and one file further after it.
    """
    disable = not (shown and STDERR.is_terminal)
    bar = Progress(
        console=STDERR, transient=True, disable=disable, speed_estimate_period=math.inf
    )
    with bar:
        task = bar.add_task("files", total=files)

        @contextmanager
        def hidden() -> Generator[None]:
            bar.stop()
            yield
            bar.advance(task)
            bar.start()

        yield hidden


class _Told:
    """What is printed: in the order of the files, and as soon as that allows."""

    def __init__(self, pairs: Sequence[Pair], *, json: bool, force: bool) -> None:
        self._pairs, self._json, self._force = pairs, json, force
        self._waiting = deque(pairs)
        self._found: dict[Pair, Protected | dict[str, Any] | BaseException] = {}

    def add(self, pair: Pair, outcome: Protected | BaseException) -> None:
        """What came of one file."""
        self._found[pair] = outcome
        while self._waiting and self._waiting[0] in self._found:
            self._print(self._waiting.popleft())

    def finish(self) -> None:
        """Tell of what came out of turn, how to go on, and all in one document."""
        for pair in self._waiting:
            if pair in self._found:
                self._print(pair)
        if 0 < len(self._found) < len(self._pairs):
            done = len(self._found) - len(self._failures())
            _say(f"{done} of {len(self._pairs)} files are done: {self._way_on()}")
        if self._json and (self._found or not self._pairs):
            rows = [self._row(pair) for pair in self._pairs if pair in self._found]
            print_json({"files": rows})

    def _way_on(self) -> str:
        if not self._force:
            return "add --skip-existing to go on"
        # What is there may be of before this run, or of this one.
        left = next(pair.source for pair in self._pairs if pair not in self._found)
        return f"to go on, leave out those that are told of above; {left} is not done"

    def fail(self) -> None:
        """Raise what is wrong with the only file, or InputError or FailureError for several."""
        failures, files = self._failures(), len(self._pairs)
        if failures and files == 1:
            raise failures[0]
        if failures:
            kind = InputError if _all_of_the_user(failures) else FailureError
            raise kind(
                f"{len(failures)} of {files} files could not be protected, as told above"
            )

    def _failures(self) -> list[BaseException]:
        return [each for each in self._found.values() if isinstance(each, BaseException)]

    def _print(self, pair: Pair) -> None:
        found = self._found[pair]
        if isinstance(found, BaseException):
            if len(self._pairs) > 1:
                _say(f"{pair.source}: {reason(found)}")
        elif isinstance(found, Protected):
            if not self._json:
                _show(found)
            # No more than is needed: there may be a hundred thousand.
            self._found[pair] = found.row if self._json else {}

    def _row(self, pair: Pair) -> dict[str, Any]:
        found = self._found[pair]
        if isinstance(found, BaseException):
            names = {"source": str(pair.source), "output": str(pair.output)}
            return names | {"error": reason(found)}
        return found.row if isinstance(found, Protected) else found


def _show(found: Protected) -> None:
    console = Console()
    console.print(found.table)
    if report := found.row["report"]:
        console.print(f"page: {report}", soft_wrap=True, markup=False)


def _all_of_the_user(failures: Sequence[BaseException]) -> bool:
    return all(isinstance(each, InputError) for each in failures)


def _say(sentence: str) -> None:
    STDERR.print(f"unhear: {sentence}", soft_wrap=True, markup=False, highlight=False)
