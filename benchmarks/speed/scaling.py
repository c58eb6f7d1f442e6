"""More workers, larger batches, longer recordings: time and peak memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.speed import clips as data_clips
from benchmarks.speed.efficiency import bare
from benchmarks.speed.pools import warmed_pool
from benchmarks.speed.timing import family, interleaved, peak_mib, ratio, seconds
from benchmarks.speed.ways import SNR_DB
from benchmarks.speed.words import frozen
from unhear.attacks import PGD
from unhear.budgets import SignalToNoise
from unhear.errors import FailureError
from unhear.protect import Protector
from unhear.targets import Target

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from unhear.audio import Recording

RATE = 48_000  # Hz, of long recordings
LOOK_EVERY = 0.02  # s


def workers(
    data: Path, *, enhancer: str, workers: list[int], clips: int, steps: int, rounds: int
) -> dict[str, Any]:
    """Clips per minute of so many processes of one thread, and how many times those of one.

    The longest clips go first, so that no process is left with one in the end.
    """
    chosen = [clip.recording for clip in data_clips.noisy(data, clips, 2.0, 6.0)]
    chosen.sort(key=lambda recording: -recording.seconds)
    with ExitStack() as stack:
        pools = {str(n): stack.enter_context(warmed_pool(n, enhancer)) for n in workers}
        times = interleaved(
            {
                n: lambda pool=pool: _all(pool, chosen, enhancer, steps)
                for n, pool in pools.items()
            },
            rounds,
        )
    return {
        n: {
            "clips_per_minute": 60 * clips / median(times[n]),
            "times_one": 1 / ratio(times, n, str(workers[0])),
        }
        for n in pools
    }


def _all(pool: Executor, recordings: list[Recording], enhancer: str, steps: int) -> None:
    for future in [pool.submit(_protected, each, enhancer, steps) for each in recordings]:
        future.result()


def _protected(recording: Recording, enhancer: str, steps: int) -> Recording:
    attack, own = PGD(steps=steps), (frozen(enhancer),)
    return Protector(own, Target("erase"), attack, SignalToNoise(SNR_DB))(recording)


def batches(
    data: Path, *, enhancer: str, sizes: list[int], seconds: float, rounds: int
) -> dict[str, Any]:
    """Milliseconds for each clip and step, forward and backward, and MiB at the peak.

    Each size has a process of its own, and they take turns.
    """
    with ExitStack() as stack:
        pools = {str(n): stack.enter_context(warmed_pool(1, enhancer)) for n in sizes}
        audio = data_clips.batch(data, max(sizes), seconds, frozen(enhancer).card.sample_rate)
        turns = [
            {
                n: pool.submit(_step, enhancer, audio[: int(n)]).result()
                for n, pool in pools.items()
            }
            for _ in range(rounds + 1)
        ][1:]  # the first does not count
        peaks = {n: pool.submit(peak_mib).result() for n, pool in pools.items()}
    return {
        n: {
            "ms_per_clip": 1000 * median(turn[n] for turn in turns) / int(n),
            "peak_mib": peaks[n],
        }
        for n in pools
    }


def _step(enhancer: str, audio: Any) -> float:
    return seconds(lambda: bare(frozen(enhancer), audio))


def length(data: Path, *, enhancer: str, seconds: float, steps: int) -> dict[str, Any]:
    """`unhear protect` on one stereo file of 48 kHz: seconds, and MiB at the peak."""
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "long.wav", Path(name) / "protected.wav"
        data_clips.write_long(data, source, seconds, RATE)
        command = [sys.executable, "-m", "unhear", "protect", str(source), "-o", str(target)]
        command += ["--against", enhancer, "--attack", "pgd", "--steps", str(steps)]
        begun = time.perf_counter()
        peak = _peak_of(command)
        took = time.perf_counter() - begun
    return {"took_seconds": took, "peak_mib": peak}


def _peak_of(command: list[str]) -> float:
    """The memory of a command with all its processes: their peaks, added up."""
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, stdout=told, stderr=told)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, sum(map(peak_mib, family(process.pid))))
            time.sleep(LOOK_EVERY)
        told.seek(0)
        if process.returncode:
            raise FailureError(f"{' '.join(command[2:4])} failed: {told.read().decode()}")
    return peak
