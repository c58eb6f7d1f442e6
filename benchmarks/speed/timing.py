"""Times that can be divided by each other, and the memory of processes (Linux)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

Times = dict[str, list[float]]


@contextmanager
def threads(count: int) -> Generator[None]:
    """So many threads of torch within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, until the GPU, if there is one, is done, too."""
    _synchronise()
    begun = time.perf_counter()
    work()
    _synchronise()
    return time.perf_counter() - begun


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def interleaved(sides: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Seconds of every side in every round, after one that does not count.

    Every second round goes backwards, so that a machine that gets slower hits all alike.
    """
    for work in sides.values():
        work()
    times: Times = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides) if number % 2 == 0 else reversed(list(sides)):
            times[name].append(seconds(sides[name]))
    return times


def ratio(times: Times, name: str, to: str) -> float:
    """The median over the rounds of one side's time over the other's."""
    return median(a / b for a, b in zip(times[name], times[to], strict=True))


def peak_mib(pid: int | str = "self") -> float:
    """The most memory that a process has had resident; 0 when it is gone.

    Not getrusage: its figure begins with that of whoever started the process.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0.0
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(sizes[0]) / 1024 if sizes else 0.0


def family(pid: int) -> list[int]:
    """A process and all that descend from it, as far as they still are there."""
    try:
        threads = [thread / "children" for thread in Path(f"/proc/{pid}/task").iterdir()]
        children = [child for each in threads for child in each.read_text("utf-8").split()]
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in family(int(child)))]
