"""Where work is done: in this process, in others on this machine, or by a Dask cluster.

Whatever is a ``concurrent.futures.Executor`` can be a :class:`~unhear.pieces.Workplace`.
"""

from __future__ import annotations

import gc
import logging
import os
from concurrent.futures import Executor, Future
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from unhear import __version__, method
from unhear.errors import FailureError, InputError, UnfitError
from unhear.pieces import DiedError, Workplace
from unhear.weights import cache_folder
from unhear.workers import WorkerProcesses, one_thread, use_one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

VERSION = f"{__version__} (method {method.ALL})"  # workers of another one make something else
LOCAL = "local"
CONNECT_SECONDS = 10
FIRST_WORKER_SECONDS = 60
SEVERAL_THREADS = (
    "has several threads, with which results are not the same: start it with "
    "`OMP_NUM_THREADS=1 dask worker … --nthreads 1`"
)

_P = ParamSpec("_P")
_T = TypeVar("_T")


@contextmanager
def executor(
    jobs: int | None, cluster: str | None, shared: Sequence[Path]
) -> Generator[Workplace]:
    """Open the place of work: this process, unless told otherwise.

    ``jobs`` are processes on this machine. ``cluster`` is the address of a Dask scheduler, or
    ``local`` for one that lives as long as the block, with ``jobs`` workers, or one for each
    CPU. Workers must see all of ``shared``, the last of which is a folder to write into.
    Raises InputError for a cluster that cannot be used.
    """
    if cluster:
        opened = _local(jobs) if cluster == LOCAL else _remote(jobs, cluster, shared)
        with opened as place:
            yield place
    elif jobs is None or jobs == 1:
        yield in_process()
    else:
        with WorkerProcesses(jobs) as pool:
            try:
                yield Workplace(pool, lambda: 2 * jobs)
            finally:  # after an error, nobody would take what the others still find
                pool.shutdown(cancel_futures=True)


def in_process() -> Workplace:
    """The caller's own thread."""
    return Workplace(_InProcess(), lambda: 1, in_process=True)


class _InProcess(Executor):
    def submit(
        self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        future: Future[_T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  it is the caller's, as in any executor
            future.set_exception(error)
        return future


# Dask


@contextmanager
def _local(jobs: int | None) -> Generator[Workplace]:
    """Workers of one thread each on this machine, which end with the block."""
    distributed = _distributed()
    import dask.config
    from dask.system import CPU_COUNT

    use_one_thread()  # workers find it in the environment
    with (
        TemporaryDirectory(prefix="unhear-dask-") as folder,
        # It tells of every death: `work_through` is who tries again.
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=jobs or CPU_COUNT,
            threads_per_worker=1,
            processes=True,
            memory_limit=None,
            dashboard_address=None,
            local_directory=folder,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield _at_work(client)


@contextmanager
def _remote(jobs: int | None, address: str, shared: Sequence[Path]) -> Generator[Workplace]:
    """The workers of a scheduler; raises InputError unless they can do what is done here."""
    if jobs is not None:
        raise InputError(
            f"--jobs is for this machine, and {address} has its own workers: leave it out"
        )
    distributed = _distributed()
    with _quiet(), _client(distributed, address) as client:
        _check(client, shared)
        yield _at_work(client)


def _client(distributed: Any, address: str) -> Any:
    with suppress(OSError, ValueError):
        return distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    gc.collect()  # a client that was not made locks up the next one, if it is removed meanwhile
    raise InputError(
        f"no Dask scheduler answers at {address}: start one with `dask scheduler`, or correct "
        "--cluster"
    )


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            "--cluster takes Dask, which is not installed: pip install 'unhear[cluster]'"
        ) from error
    return distributed


@contextmanager
def _quiet() -> Generator[None]:
    """What matters of Dask's log is raised as an error."""
    loggers = [logging.getLogger(f"distributed{name}") for name in ("", ".client", ".core")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


def _at_work(client: Any) -> Workplace:
    """One piece for each worker that there is just now: if two wait for the same worker, both
    are blamed for its death.
    """

    def workers() -> int:
        try:
            return max(1, len(client.nthreads()))
        except Exception as error:  # whatever it is, there is no scheduler
            raise FailureError(
                "the connection to the Dask scheduler was lost, but nothing that was done: "
                "start it again, and run the same command to go on"
            ) from error

    return Workplace(_OnDask(client), workers)


class _OnDask(Executor):
    """Dask's own executor, in whose workers everything is found as it is here."""

    def __init__(self, client: Any) -> None:
        self._executor = client.get_executor(pure=False)
        self._home = _Home()

    def submit(
        self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Future[_T]:
        found: Future[_T] = Future()
        given = self._executor.submit(self._home.call, partial(fn, *args, **kwargs))
        given.add_done_callback(partial(_pass_on, found))
        return found


def _pass_on(found: Future[_T], given: Future[_T]) -> None:
    from distributed import KilledWorker

    if given.cancelled():
        found.cancel()
        found.set_running_or_notify_cancel()  # so that those who wait for it wake up
    elif isinstance(error := given.exception(), KilledWorker):
        found.set_exception(DiedError(error.allowed_failures + 1))
    elif error:
        found.set_exception(error)
    else:
        found.set_result(given.result())


@dataclass(frozen=True)
class _Home:
    """What makes a worker find what is found here."""

    folder: Path = field(default_factory=Path.cwd)
    weights: Path = field(default_factory=lambda: cache_folder().absolute())
    offline: str = field(default_factory=lambda: os.environ.get("UNHEAR_OFFLINE", "0"))
    version: str = VERSION

    def call(self, function: Callable[[], _T]) -> _T:
        """In a worker, perhaps one that came later than :func:`_check`."""
        if self.version != VERSION:
            raise UnfitError(
                f"a worker has unhear {VERSION}, and not {self.version}: install the same"
            )
        if not self.folder.is_dir():
            raise UnfitError(f"a worker does not see {self.folder}: let it share that folder")
        if os.environ.get("OMP_NUM_THREADS") != "1":
            raise UnfitError(f"a worker {SEVERAL_THREADS}")
        os.environ |= {"UNHEAR_WEIGHTS": str(self.weights), "UNHEAR_OFFLINE": self.offline}
        with one_thread(), chdir(self.folder):
            return function()


def _check(client: Any, shared: Sequence[Path]) -> None:
    """Look around in every worker that there is."""
    try:
        client.wait_for_workers(1, timeout=FIRST_WORKER_SECONDS)
    except TimeoutError as error:
        raise InputError(
            "the Dask scheduler has no workers: start some with `dask worker ADDRESS "
            "--nthreads 1`"
        ) from error
    folders = [each.absolute() for each in (Path.cwd(), cache_folder(), *shared)]
    looked_for = {each: each for each in folders if each.exists()}
    with NamedTemporaryFile(dir=folders[-1]) as seen:  # of the same name there may be others
        found = client.run(
            _look, looked_for | {Path(seen.name): folders[-1]}, on_error="return"
        )
    for worker, threads in client.nthreads().items():
        if worker in found:  # and has not just come
            _check_worker(worker, threads, found[worker])


def _look(looked_for: dict[Path, Path]) -> tuple[str, str | None, Path | None]:
    """In a worker: its version, how many threads its libraries take, what it does not see."""
    unseen = next((folder for path, folder in looked_for.items() if not path.exists()), None)
    return VERSION, os.environ.get("OMP_NUM_THREADS"), unseen


def _check_worker(worker: str, threads: int, found: Any) -> None:
    if isinstance(found, BaseException):
        raise InputError(
            f"the worker {worker} cannot run unhear ({found}): install {__version__} there"
        )
    version, of_libraries, unseen = found
    if version != VERSION:
        raise InputError(
            f"the worker {worker} has unhear {version}, and this is {VERSION}: install the same"
        )
    if threads != 1 or of_libraries != "1":
        raise InputError(f"the worker {worker} {SEVERAL_THREADS}")
    if unseen:
        raise InputError(
            f"the worker {worker} does not see {unseen}: the machines of a cluster have "
            "to share their folders, under the same names"
        )
