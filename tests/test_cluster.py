"""Work is done anywhere, by workers that die, and comes out the same."""

from __future__ import annotations

import errno
import gc
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import cluster_work
import numpy as np
import pytest
import soundfile
from test_evaluation import command, size, unhear, write_data

from unhear import __version__, cluster, many, pieces
from unhear.attacks import FGSM
from unhear.budgets import SignalToNoise
from unhear.cluster import VERSION, executor, in_process
from unhear.datasets import Mixture, Noise, Utterance
from unhear.errors import FailureError, InputError, UnfitError
from unhear.evaluation import run as run_module
from unhear.evaluation.plan import Listener, Protection
from unhear.evaluation.work import Listening, Task
from unhear.outputs import replacing
from unhear.pieces import TRIES, DiedError, Workplace, reason, work_through

RATE = 16_000
DOCS = Path(__file__).parent.parent / "docs" / "cluster.md"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="distributed is not installed"
)
needs_sphinx = pytest.mark.skipif(
    find_spec("pocketsphinx") is None, reason="pocketsphinx is not installed"
)


@pytest.fixture(autouse=True)
def no_clients_left():
    """Dask's clients that a test has let go lock up the next one, if they are removed then."""
    yield
    gc.collect()


# Pieces of work, wherever


@contextmanager
def threads():
    with ThreadPoolExecutor(3) as pool:
        yield Workplace(pool, lambda: 3)


PLACES = {
    "here": lambda: executor(None, None, []),
    "threads": threads,
    "processes": lambda: executor(2, None, []),
    "dask": lambda: executor(2, "local", []),
}
on_dask = pytest.param("dask", marks=needs_dask)


@pytest.mark.parametrize("name", ["here", "threads", "processes", on_dask])
def test_work_comes_out_the_same_wherever_it_is_done(name):
    with PLACES[name]() as place:
        found = dict(work_through(list(range(6)), cluster_work.negative, place))
    assert isinstance(error := found.pop(2), ValueError)
    assert reason(error) == "ValueError: no two"
    assert found == {piece: -piece for piece in (0, 1, 3, 4, 5)}


@pytest.mark.parametrize("name", ["processes", on_dask])
def test_a_dead_worker_is_forgiven_but_not_what_kills_all_of_them(name, tmp_path):
    """Everything else is done, and nothing more often than a worker died beside it."""
    work = [(number, str(tmp_path)) for number in range(6)]
    with PLACES[name]() as place:
        found = dict(work_through(list(work), cluster_work.deadly, place))
    assert "every worker died that tried it" in str(found.pop(work[4]))
    assert found == {piece: -piece[0] for piece in work if piece[0] != 4}
    tries = {number: len((tmp_path / str(number)).read_text()) for number, _ in work}
    assert tries[4] == TRIES
    assert tries[3] >= 2
    if name == "processes":  # where one that dies takes no other with it
        assert sum(tries.values()) == len(work) + 1 + (TRIES - 1)


class Frail(Executor):
    """Whoever shares it with ``poison`` dies; remembers who was there together."""

    def __init__(self, poison, died=None):
        self.poison, self.died = poison, died or BrokenProcessPool("died")
        self.running, self.groups = {}, []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.running[future] = args[0]
        return future

    def step(self):
        """Called by the clock of the test: when all that wait are handed out."""
        self.groups.append(set(self.running.values()))
        for future, piece in self.running.items():
            if self.poison in self.running.values():
                future.set_exception(self.died)
            else:
                future.set_result(piece)
        self.running = {}


def shared(frail, waiting, monkeypatch):
    """All that are handed out together share one worker."""

    def wait(futures, **options):
        frail.step()
        return real_wait(futures, **options)

    real_wait = pieces.wait
    monkeypatch.setattr(pieces, "wait", wait)
    return dict(work_through(waiting, lambda piece: piece, Workplace(frail, lambda: 2)))


@pytest.mark.parametrize(
    ("died", "tries"), [(None, [2, 2, 1]), (DiedError(4), [2, 1])], ids=["pool", "dask"]
)
def test_nobody_is_blamed_for_a_neighbour(died, tries, monkeypatch):
    """Two share a worker that tells of all deaths alike: the last try is made alone."""
    frail = Frail("poison", died)
    found = shared(frail, [*"abc", "poison"], monkeypatch)
    assert isinstance(found.pop("poison"), FailureError)
    assert found == {piece: piece for piece in "abc"}
    assert [len(group) for group in frail.groups if "poison" in group] == tries
    assert max(map(len, frail.groups)) == 2  # and never more are handed out


def test_a_pool_of_the_users_own_that_breaks_is_told_of():
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        place = Workplace(pool, lambda: 1)
        with pytest.raises(FailureError, match="a worker died, and all others"):
            list(work_through([signal.SIGKILL], cluster_work.die, place))


# Evaluation


@pytest.fixture
def tasks(tmp_path):
    """Two recordings, each to be heard by two."""
    soundfile.write(tmp_path / "hiss.wav", 0.1 * np.ones(1600), RATE)
    way = Protection(("metricgan+",), FGSM(), "silence", SignalToNoise(25.0))
    listeners = (Listener("metricgan+"), Listener("log-mmse"))
    listening = Listening(tmp_path, "base", "en", 0, dnsmos=True)
    noise = Noise("hiss", tmp_path / "hiss.wav")
    found = []
    for name in ("one", "two"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.ones(1600), RATE)
        speech = Utterance(name, tmp_path / f"{name}.wav", "ann", "hello")
        found.append(Task(Mixture(speech, noise, 0.0, 8.0), way, None, listeners, listening))
    return found


def test_a_poison_piece_is_told_of_and_the_rows_of_the_others_are_there(
    tasks, tmp_path, monkeypatch
):
    tried = Counter()

    def protect(task):
        name = task.mixture.utterance.name
        tried[name] += 1
        if name == "two":
            raise BrokenProcessPool("died")

    monkeypatch.setattr(run_module, "protect", protect)
    monkeypatch.setattr(run_module, "judge", lambda task, each: {"about": task.about(each)})
    (tmp_path / "run").mkdir()
    seen = []
    outcome = run_module.run(
        tasks, tmp_path / "run", in_process(), lambda *done: seen.append(done)
    )
    assert [row["about"]["clip"] for row in outcome.rows] == ["one", "one"]
    assert tried == {"one": 1, "two": TRIES}
    [failure] = outcome.failures
    assert failure.startswith("two in hiss at 8 dB, fgsm silence")
    assert "every worker died" in failure
    assert seen[-1] == (4, 4)


def test_a_full_disk_ends_the_run(tasks, tmp_path, monkeypatch):
    """Rather than that all attacks are computed for nothing."""

    def protect(task):
        with replacing(tmp_path / "run" / "protected.flac"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_module, "protect", protect)
    (tmp_path / "run").mkdir()
    with pytest.raises(UnfitError, match=r"No space left on device.*the same command goes on"):
        run_module.run(tasks, tmp_path / "run", in_process(), lambda *_: None)


def test_what_several_recognisers_read_is_protected_once(tasks, tmp_path, monkeypatch):
    """Even while the first is still at it, with other workers waiting."""
    made = Counter()

    def protect(task):
        made[task.mixture.utterance.name] += 1

    monkeypatch.setattr(run_module, "protect", protect)
    monkeypatch.setattr(run_module, "judge", lambda task, each: {"about": task.about(each)})
    (tmp_path / "run").mkdir()
    sphinx = [
        replace(task, listening=replace(task.listening, recogniser="pocketsphinx"))
        for task in tasks
    ]
    place = Workplace(in_process().executor, lambda: 4)
    outcome = run_module.run([*tasks, *sphinx], tmp_path / "run", place, lambda *_: None)
    assert made == {"one": 1, "two": 1}
    assert len(outcome.rows) == 8


def test_a_worker_that_sees_something_else_makes_no_row(tasks, tmp_path, monkeypatch):
    """Such as one on another machine with a version of its own."""

    class Elsewhere(Executor):
        def submit(self, fn, /, *args, **kwargs):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("unhear.method.METHOD", "0.0.0")
                return in_process().executor.submit(fn, *args, **kwargs)

    (tmp_path / "run").mkdir()
    place = Workplace(Elsewhere(), lambda: 1)
    with pytest.raises(FailureError, match="has other recordings, weights or libraries"):
        run_module.run(tasks, tmp_path / "run", place, lambda *_: None)
    assert not (tmp_path / "run" / "rows.jsonl").exists()


# What can be wrong with a cluster


@pytest.mark.parametrize(
    ("threads", "found", "sentence"),
    [
        (1, ModuleNotFoundError("No module named 'unhear'"), "cannot run unhear"),
        (1, ("0.0.0", "1", None), "has unhear 0.0.0"),
        (1, (f"{__version__} (method 0.0.0)", "1", None), "method 0.0.0"),
        (2, (VERSION, "1", None), "several threads"),
        (1, (VERSION, None, None), "several threads"),
        (1, (VERSION, "1", Path("/shared/run")), "does not see /shared/run"),
    ],
)
def test_a_worker_that_cannot_do_the_work_is_told_of(threads, found, sentence):
    with pytest.raises(InputError, match=sentence):
        cluster._check_worker("tcp://there:1", threads, found)
    cluster._check_worker("tcp://there:1", 1, (VERSION, "1", None))


def test_workers_that_come_or_go_meanwhile_are_not_looked_at(tmp_path):
    class Client:
        def wait_for_workers(self, *_args, **_more):
            pass

        def run(self, *_args, **_more):
            return {"tcp://here:1": (VERSION, "1", None), "tcp://gone:1": bad}

        def nthreads(self):
            return {"tcp://here:1": 1, "tcp://new:1": 2} | come_back

    bad, come_back = ("0.0.0", "1", None), {}
    cluster._check(Client(), [tmp_path])
    come_back = {"tcp://gone:1": 1}
    with pytest.raises(InputError, match=r"has unhear 0\.0\.0"):
        cluster._check(Client(), [tmp_path])


def test_a_worker_looks_around(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    there, lost = {tmp_path: tmp_path}, {tmp_path / "new": tmp_path}
    assert cluster._look(there) == (VERSION, "1", None)
    assert cluster._look(there | lost) == (VERSION, "1", tmp_path)


def refused(jobs, address):
    with pytest.raises(InputError) as refusal, executor(jobs, address, []):
        pass
    return str(refusal.value)


def test_dask_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    for name in ("local", "tcp://127.0.0.1:8786"):
        assert "pip install 'unhear[cluster]'" in refused(None, name)


@needs_dask
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1:9", "fax://1:2", "x"])
def test_a_scheduler_that_is_not_there(address, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    assert "no Dask scheduler answers" in refused(None, address)


def test_jobs_are_of_this_machine():
    assert "--jobs is for this machine" in refused(2, "tcp://127.0.0.1:8786")


@needs_dask
def test_a_scheduler_without_workers_and_one_that_goes(tmp_path, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(cluster, "FIRST_WORKER_SECONDS", 0.3)
    options = {"processes": False, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(
        n_workers=0, protocol="tcp", local_directory=str(tmp_path), **options
    ) as dask:
        assert "has no workers" in refused(None, dask.scheduler_address)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        dask.scale(1)
        dask.wait_for_workers(1, timeout=10)
        with executor(None, dask.scheduler_address, [tmp_path]) as place:
            found = work_through([0, 1, 3], cluster_work.negative, place)
            assert next(found) == (3, -3)
            dask.close()
            with pytest.raises(FailureError, match=r"connection to the .* was lost"):
                list(found)


# The commands, on a small plan


GRID = ("--attack", "fgsm", "--heard-by", "log-mmse")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def rows(data, tmp_path_factory):
    """Those of a run in one process."""
    folder = tmp_path_factory.mktemp("alone")
    unhear([*command(data, folder / "run", *GRID), "--jobs", "1"], cache=folder)
    return (folder / "run" / "rows.jsonl").read_bytes()


@contextmanager
def started(words, *, folder):
    environment = os.environ | {"UNHEAR_OFFLINE": "1", "UNHEAR_WEIGHTS": str(folder)}
    with subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def wait_for_rows(process, run):
    while process.poll() is None and not size(run):
        time.sleep(0.02)


@needs_dask
@needs_sphinx
def test_a_command_killed_on_a_cluster_goes_on(data, rows, tmp_path):
    run = tmp_path / "run"
    words = [*command(data, run, *GRID), "--cluster", "local", "--jobs", "2"]
    with started(words, folder=tmp_path) as process:
        wait_for_rows(process, run)
        process.kill()
    assert 0 < size(run) < len(rows)
    unhear(words, cache=tmp_path)
    assert (run / "rows.jsonl").read_bytes() == rows


def example():
    """The commands of the guide, for a port that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    blocks = re.findall(r"```\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    commands = [shlex.split(block.replace("8786", port)) for block in blocks]
    return [[sys.executable, "-m", *words] for words in commands]


@needs_dask
@needs_sphinx
@pytest.mark.skipif(not DOCS.exists(), reason="the guide is not here")
def test_the_example_of_the_guide_with_a_worker_killed(data, rows, tmp_path):
    scheduler, workers, work = example()
    for name in ("speech", "noise"):
        (tmp_path / name).symlink_to(data / name)
    small = ["--model", "pocketsphinx", "--target", "silence", "--mix", "8", *GRID]
    with (
        started(scheduler, folder=tmp_path),
        started(workers, folder=tmp_path),
        started([*work, *small], folder=tmp_path) as process,
    ):
        wait_for_rows(process, tmp_path / "run")
        kill_a_worker(work[-1])
        assert process.stdout
        said = process.stdout.read()
        assert process.wait() == 0, said
    assert (tmp_path / "run" / "rows.jsonl").read_bytes() == rows


def kill_a_worker(address):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)


# Several files to protect

OWN = """
import multiprocessing, os, signal

def deadly(audio):
    if audio.mean() > 0.3 and multiprocessing.parent_process():
        os.kill(os.getpid(), signal.SIGKILL)
    return 0.5 * audio

def picky(audio):
    return audio * (float("nan") if audio.mean() > 0.3 else 0.5)
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three recordings, the second of which is more than some enhancers can bear."""
    monkeypatch.chdir(tmp_path)
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE // 2)
    for name, level in (("a", 0.0), ("b", 0.5), ("c", 0.1)):
        soundfile.write(f"{name}.wav", level + noise, RATE)
    Path("own.py").write_text(OWN)
    return ["a.wav", "b.wav", "c.wav"]


@pytest.fixture
def protect(cli):
    def protect(*arguments):
        found = cli("protect", "-o", "out", "--attack", "fgsm", *arguments)
        return found.code, found.out, found.err

    return protect


@pytest.mark.parametrize(
    ("way", "expected", "why"),
    [
        (("--against", "own.py:deadly", "--jobs", "2"), 1, "every worker died"),
        (("--against", "own.py:picky"), 2, "own.py:picky"),  # the user's own fault
        (("--against", "own.py:deadly", "--jobs", "2", "--batch", "2"), 1, "every worker died"),
        (("--against", "own.py:picky", "--batch", "3"), 2, "own.py:picky"),
    ],
    ids=["deadly", "picky", "deadly, in a batch", "picky, in a batch"],
)
def test_a_poison_file_keeps_no_other_from_being_protected(files, protect, way, expected, why):
    code, out, err = protect(*files, *way, "--json")
    assert code == expected
    first, second, third = json.loads(out)["files"]
    assert (first["source"], third["source"]) == ("a.wav", "c.wav")
    assert all(each["figures"]["snr_db"] >= 24.9 for each in (first, third))
    assert why in second.pop("error")
    assert second == {"source": "b.wav", "output": "out/b.wav"}
    assert {path.name for path in Path("out").iterdir()} == {"a.wav", "c.wav"}
    told, summary = err.splitlines()
    assert told.startswith("unhear: b.wav: ")
    assert "1 of 3 files could not be protected" in summary


@pytest.mark.parametrize("size", [2, 9])
def test_files_of_a_batch_are_those_protected_alone(files, protect, size):
    soundfile.write("long.wav", np.resize(soundfile.read("a.wav")[0], 61 * RATE), RATE)
    names = ["c.wav", "long.wav", *files[:2]]
    way = ("--against", "metricgan+", "--json")
    alone = json.loads(protect(*names, *way)[1])["files"]
    files_alone = {name: soundfile.read(f"out/{name}", dtype="int16")[0] for name in names}
    code, out, err = protect(*names, *way, "--force", "--batch", str(size))
    assert (code, err) == (0, "")
    for before, after in zip(alone, json.loads(out)["files"], strict=True):
        assert (before["source"], before["output"]) == (after["source"], after["output"])
        assert after["figures"]["snr_db"] == pytest.approx(
            before["figures"]["snr_db"], abs=0.01
        )
    for name, samples in files_alone.items():
        together = soundfile.read(f"out/{name}", dtype="int16")[0]
        assert np.abs(together.astype(int) - samples).max() <= 1, name


@needs_dask
def test_files_protected_on_a_cluster_are_those_protected_here(files, protect):
    code, table, _ = protect("a.wav", "c.wav", "--cluster", "local", "--jobs", "1")
    assert code == 0
    assert table.index("a.wav") < table.index("c.wav")
    there = [Path("out", name).read_bytes() for name in ("a.wav", "c.wav")]
    assert protect("a.wav", "c.wav", "--force")[:2] == (0, table)
    assert [Path("out", name).read_bytes() for name in ("a.wav", "c.wav")] == there


def test_who_stops_is_told_how_to_go_on(files, protect, monkeypatch):
    real = many.protect_file

    def stopped(source, *more):
        if source.name == "b.wav":
            raise KeyboardInterrupt
        return real(source, *more)

    monkeypatch.setattr(many, "protect_file", stopped)
    code, out, err = protect(*files, "--json")
    assert code == 130
    assert [row["source"] for row in json.loads(out)["files"]] == ["a.wav"]
    assert err == "unhear: 1 of 3 files are done: add --skip-existing to go on\n"
    monkeypatch.setattr(many, "protect_file", real)
    before = Path("out/a.wav").stat().st_mtime_ns
    code, out, err = protect(*files, "--json", "--skip-existing")
    assert (code, err) == (0, "")
    assert [row["source"] for row in json.loads(out)["files"]] == ["b.wav", "c.wav"]
    assert Path("out/a.wav").stat().st_mtime_ns == before
    assert protect(*files, "--json", "--skip-existing") == (0, '{\n  "files": []\n}\n', "")
    assert "exclude each other" in protect(*files, "--force", "--skip-existing")[2]
    monkeypatch.setattr(many, "protect_file", stopped)
    code, out, err = protect(*files, "--json", "--force")
    assert "leave out those that are told of above; b.wav is not done" in err
