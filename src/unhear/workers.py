"""Processes of one thread each, which end when the one that started them is gone.

Imports nothing heavy, for every worker imports it.
"""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from queue import SimpleQueue
from threading import RLock, Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from unhear.errors import UnfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_P = ParamSpec("_P")
_T = TypeVar("_T")
_alone = RLock()


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """Fresh processes: forking after torch has started its threads can hang.

    Each computes on one thread, so that its results do not depend on how many there are.
    """
    return ProcessPoolExecutor(workers, get_context("spawn"), _begin)


class WorkerProcesses(Executor):
    """Processes as those of :func:`worker_pool`, but one that dies takes no other with it.

    Its own piece of work raises BrokenProcessPool, and a new process takes its place.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)  # each waits for one process at a time
        self._free: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(workers):
            self._free.put(worker_pool(1))

    def submit(
        self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        return self._threads.submit(self._call, fn, *args, **kwargs)

    def _call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        pool = self._free.get()
        try:
            return _begun(pool, function, *args, **kwargs).result()
        except BrokenProcessPool:
            pool.shutdown()
            pool = worker_pool(1)
            raise
        finally:
            self._free.put(pool)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        while not self._free.empty():
            self._free.get().shutdown(wait)


def _begun(
    pool: ProcessPoolExecutor, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> Future[_T]:
    try:
        return pool.submit(function, *args, **kwargs)
    except OSError as error:
        raise UnfitError(
            f"a worker process could not be started ({error.strerror}): give fewer --jobs"
        ) from error


def use_one_thread() -> None:
    """From now on, whatever is imported computes on one thread.

    numpy, for one, only looks at the environment when it is imported.
    """
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@contextmanager
def one_thread() -> Generator[None]:
    """Nobody else in this process is in such a block meanwhile, and torch has one thread.

    So what comes of it is the same in a process of its own and in one of many threads.
    """
    torch = sys.modules.get("torch")
    if torch is None:  # it is imported in a process of one thread, or not needed at all
        yield
        return
    with _alone:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _begin() -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # quietly: the parent tells
    use_one_thread()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next task for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
