"""Many clips of different length: the paper's loop over files, and ours in two processes.

Both read and write 16-bit files on two cores. The first half of the paper's loop comes before
ours, the second half behind it, so that a machine that gets slower does not decide.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.speed import plain, words
from benchmarks.speed.clips import noisy
from benchmarks.speed.pools import warmed_pool
from benchmarks.speed.timing import seconds, threads
from benchmarks.speed.ways import ALL_STEPS, LOOP, OURS, SNR_DB
from unhear.attacks import PGD
from unhear.audio import read, write
from unhear.budgets import SignalToNoise
from unhear.errors import UnhearError
from unhear.protect import Protector
from unhear.targets import Target
from unhear.together import in_batches, protect_together

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from unhear.audio import Recording

BATCH = 16  # clips


def together(
    data: Path, *, enhancer: str, clips: int, steps: int, until: float, cores: int
) -> dict[str, Any]:
    """Clips per minute, and the word error rates that the files end with.

    Ours stops a clip once no more than ``until`` of its words is left; and once more with all
    steps, to see what that is worth.
    """
    chosen = noisy(data, clips, 2.0, 10.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [folder / f"{number:03}.wav" for number in range(clips)]
        for clip, path in zip(chosen, sources, strict=True):
            write(clip.recording, path)
        paper = Loop(folder / LOOP, enhancer, steps)
        ours = {
            OURS: Ours(folder / OURS, enhancer, PGD(steps=steps, until=until)),
            ALL_STEPS: Ours(folder / ALL_STEPS, enhancer, PGD(steps=steps)),
        }
        took = _timed(sources, paper, ours, cores)
        files = {way: [folder / way / each.name for each in sources] for way in took}
        with threads(1):
            wers = {way: words.wer(chosen, own, enhancer) for way, own in files.items()}
            before = words.wer(chosen, sources, enhancer)
    found = {
        way: {"clips_per_minute": 60 * clips / took[way], "wer": wers[way]} for way in took
    }
    return found | {"unprotected_wer": before}


def _timed(
    sources: list[Path], paper: Loop, ours: dict[str, Ours], cores: int
) -> dict[str, float]:
    """Seconds of each way."""
    half = len(sources) // 2
    plain.as_loaded(paper.enhancer)
    with warmed_pool(cores, paper.enhancer) as pool, threads(cores):
        first = seconds(lambda: paper(sources[:half]))
        took = {
            way: seconds(lambda work=work: _shared(pool, cores, sources, work))
            for way, work in ours.items()
        }
        second = seconds(lambda: paper(sources[half:]))
    return {LOOP: first + second} | took


def _shared(pool: Executor, cores: int, sources: list[Path], work: Ours) -> None:
    """Every process gets every so manieth of the files, sorted by their length."""
    by_length = sorted(sources, key=lambda path: path.stat().st_size)
    for future in [pool.submit(work, by_length[first::cores]) for first in range(cores)]:
        future.result()


@dataclass(frozen=True)
class Loop:
    """Equation 5 on one file after the other; ε is such that the SNR holds."""

    folder: Path
    enhancer: str
    steps: int

    def __call__(self, sources: Sequence[Path]) -> None:
        """Protect files into the folder."""
        model = plain.as_loaded(self.enhancer)
        for source in sources:
            recording = read(source)
            audio = words.tensor(recording)
            epsilon = plain.amplitude(audio, SNR_DB)
            protected = plain.pgd(model, audio, epsilon, epsilon / 10, self.steps)
            samples = protected.double().numpy()
            write(recording.with_samples(samples), self.folder / source.name)


@dataclass(frozen=True)
class Ours:
    """What one process does."""

    folder: Path
    enhancer: str
    attack: PGD

    def __call__(self, sources: Sequence[Path]) -> None:
        """Protect files into the folder, those of similar length together."""
        own = (words.frozen(self.enhancer),)
        protector = Protector(own, Target("erase"), self.attack, SignalToNoise(SNR_DB))
        recordings = [read(source) for source in sources]
        for batch in in_batches([each.seconds for each in recordings], BATCH):
            found = protect_together(protector, [recordings[index] for index in batch])
            for index, protected in zip(batch, found, strict=True):
                write(_or_raise(protected), self.folder / sources[index].name)


def _or_raise(protected: Recording | UnhearError) -> Recording:
    if isinstance(protected, UnhearError):
        raise protected
    return protected
