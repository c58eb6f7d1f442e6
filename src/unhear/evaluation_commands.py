"""What `unhear evaluate` and `unhear reproduce` do, once their arguments are parsed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from unhear.commands import print_json
from unhear.errors import FailureError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from unhear.evaluation.findings import Findings
    from unhear.evaluation.plan import Plan
    from unhear.evaluation.rows import Row
    from unhear.evaluation.run import Outcome
    from unhear.evaluation.work import Task
    from unhear.pieces import Workplace

STDERR = Console(stderr=True)
PROCESSES = 2  # unless told


@dataclass(frozen=True)
class Place:
    """Where the data come from, where the results go, and who works."""

    data: Path
    noise: Path | None  # None: with the speech
    folder: Path
    jobs: int | None = None
    cluster: str | None = None
    device: str = "cpu"  # of the networks
    so_far: bool = False  # only show what is done

    def workers(self) -> AbstractContextManager[Workplace]:
        """Those who work; raises InputError when they cannot be had."""
        from unhear.cluster import executor

        jobs = self.jobs if self.cluster else self.jobs or PROCESSES
        noise = [self.noise] if self.noise else []
        return executor(jobs, self.cluster, [self.data, *noise, self.folder])


def evaluate(plan: Plan, models: Sequence[str], place: Place, *, json: bool) -> None:
    """Do what the plan says, and write the report."""
    from unhear.evaluation.overview import overview

    _report(plan.title, [(plan, overview)], models, place, json=json)


def reproduce(
    name: str,
    place: Place,
    *,
    quick: bool,
    limit: int | None,
    models: Sequence[str],
    language: str | None,
    json: bool,
) -> None:
    """Run the experiments of that name and write them into one report."""
    from unhear.evaluation.plan import changed
    from unhear.experiments import OURS, chosen

    experiments = chosen(name)
    what = "Beyond the paper" if set(experiments) <= set(OURS) else "The paper reproduced"
    title = f"{what}: {name}{', quickly' if quick else ''}"
    plans = [
        changed(each.plan(quick=quick), clips=limit, language=language) for each in experiments
    ]
    shown = [each.show for each in experiments]
    _report(title, list(zip(plans, shown, strict=True)), models, place, json=json)


def _report(
    title: str,
    parts: Sequence[tuple[Plan, Callable[[list[Row]], Findings]]],
    models: Sequence[str],
    place: Place,
    *,
    json: bool,
) -> None:
    """Run each plan with each recogniser, its own if none is named, and show what was found."""
    from unhear.evaluation.findings import read_by
    from unhear.evaluation.plan import changed
    from unhear.recognise import load_recogniser

    own = dict.fromkeys(models)
    wanted = [
        (changed(plan, recogniser=model), show)
        for model in own or [None]
        for plan, show in parts
    ]
    done, outcome = _run([plan for plan, _ in wanted], place)
    found = [show(rows) for (_, show), (_, rows) in zip(wanted, done, strict=True)]
    if len(own) > 1:
        names = [load_recogniser(plan.recogniser, plan.language).name for plan, _ in wanted]
        found = list(map(read_by, found, names))
    tasks = [task for each, _ in done for task in each]
    rows = list({str(row["about"]): row for _, each in done for row in each}.values())
    _publish(title, found, tasks, rows, place.folder, json=json)
    _tell(outcome, len({task.output for task in tasks}))


def _run(plans: list[Plan], place: Place) -> tuple[list[tuple[list[Task], list[Row]]], Outcome]:
    """Tasks and rows of each plan, and what came of all; what several want is done once."""
    from unhear.devices import usable
    from unhear.evaluation.prepare import prepare, united
    from unhear.evaluation.run import Outcome, alone_in, rows_of, run, so_far

    device = usable(place.device)
    wanted = {
        plan: prepare(plan, place.data, place.noise, place.folder, _left_out, device=device)
        for plan in dict.fromkeys(plans)
    }
    if place.so_far:
        outcome = Outcome(so_far(place.folder), [], of_the_user=True)
    else:
        with alone_in(place.folder), place.workers() as workers, _bar() as bar:
            shown = bar.add_task("rows", total=None)
            outcome = run(
                united(wanted.values()),
                place.folder,
                workers,
                lambda done, total: bar.update(shown, completed=done, total=total),
            )
    done = [(wanted[plan], rows_of(wanted[plan], outcome.rows)) for plan in plans]
    if place.so_far and not any(rows for _, rows in done):
        raise InputError(
            f"{place.folder} has rows, but none of these choices: give those of the run, "
            "--model among them"
        )
    return done, outcome


def _tell(outcome: Outcome, protections: int) -> None:
    """In the end, for everything else was done and shown."""
    if outcome.failures:
        kind = InputError if outcome.of_the_user else FailureError
        raise kind(
            f"{len(outcome.failures)} times something failed in {protections} protections, "
            f"such as {outcome.failures[0]}; all else is in the report"
        )


@cache
def _left_out(reason: str) -> None:
    """Said once, however many plans have to do without it."""
    STDERR.print(f"left out: {reason}", soft_wrap=True, markup=False)


def _bar() -> Progress:
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TimeElapsedColumn(), TimeRemainingColumn()]
    # Over all of the time: while recordings are protected no row comes, and then many at once.
    return Progress(*columns, console=STDERR, speed_estimate_period=math.inf)


def _publish(
    title: str,
    found: list[Findings],
    tasks: list[Task],
    rows: list[Row],
    folder: Path,
    *,
    json: bool,
) -> None:
    from unhear.evaluation.publish import TEXT, publish
    from unhear.evaluation.rows import ROWS

    page = publish(title, found, tasks, rows, folder)
    written = {"report": page, "text": folder / TEXT, "rows": folder / ROWS}
    if json:
        headlines = [vars(each) for one in found for each in one.headlines]
        document = {"title": title, "headlines": headlines}
        document |= {name: str(path) for name, path in written.items()}
        print_json(document)
        return
    print(written["text"].read_text("utf-8"))
    for name, path in written.items():
        print(f"{name}: {path}")
