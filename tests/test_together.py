"""Recordings protected together come out as they do alone."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sounds import DEMO

from unhear import meeting, strands
from unhear.attacks import APGD, OPT, PGD, Least
from unhear.audio import Recording, read
from unhear.budgets import SignalToNoise
from unhear.channels import find_channel
from unhear.enhancers import load_enhancer, registry
from unhear.enhancers.base import Card, Enhancer
from unhear.errors import FailureError, InputError, UnhearError
from unhear.networks.base import NetworkEnhancer
from unhear.networks.segan import SEGAN, Generator
from unhear.protect import Protector
from unhear.strands import Strand
from unhear.targets import Target
from unhear.together import in_batches, protect_together, run_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

RATE = 16_000


class Small(Enhancer):
    """y[t] = tanh(gain · x[t] + x[t-1] / 2); remembers how many clips came at once."""

    def __init__(self, gain: float = 1.0) -> None:
        self.card, self.gain = Card("small", "", RATE, 0, True, False, "", "", ""), gain
        self.passes: list[int] = []

    def __call__(self, audio: Tensor, lengths: Tensor | None = None) -> Tensor:
        self.passes.append(len(audio))
        output = self.enhance(audio)
        if lengths is not None:
            output = output * (torch.arange(audio.shape[1]) < lengths[:, None])
        return output

    def enhance(self, audio: Tensor) -> Tensor:
        before = torch.nn.functional.pad(audio, (1, 0))[:, :-1]
        return torch.tanh(self.gain * audio + before / 2)


class Drawing(Small):
    """Louder or softer at every call; says what it draws unless it is told to be ``secret``."""

    def __init__(self, *, secret: bool = False) -> None:
        super().__init__()
        self.secret = secret
        self.reseed(0)

    def reseed(self, seed: int) -> None:
        self._segan().reseed(seed)

    def draws_from(self, seed: int) -> Any:
        return None if self.secret else self._segan().draws_from(seed)

    def drawing(self, draw: int) -> Any:
        return self._segan().drawing(draw)

    def enhance(self, audio: Tensor) -> Tensor:
        draw = next(self._segan()._draws)
        return super().enhance(audio) * (1 + draw % 1000 / 1000)

    def _segan(self) -> SEGAN:
        if "segan" not in vars(self):
            self.segan = SEGAN(registry()["segan"].card, Generator(1))
        return self.segan


@cache
def demo() -> np.ndarray:
    return read(DEMO).samples


def cut(begin: float, seconds: float, channels: int = 1) -> Recording:
    """A piece of the demo in single precision, channels half a second apart."""
    starts = [round((begin + channel / 2) * RATE) for channel in range(channels)]
    samples = round(seconds * RATE)
    rows = [demo()[0, start : start + samples] for start in starts]
    return Recording(np.stack(rows).astype(np.float32).astype(float), RATE, "FLOAT")


def protector(
    *against: Enhancer, attack: Any = None, kind: Any = "silence", **more: Any
) -> Protector:
    attack = attack or PGD(steps=4)
    return Protector(against, Target(kind), attack, SignalToNoise(20.0), **more)


def alone(protector: Protector, recordings: Sequence[Recording]) -> list[np.ndarray]:
    return [protector(each).samples for each in recordings]


def together(protector: Protector, recordings: Sequence[Recording]) -> list[np.ndarray]:
    results = protect_together(protector, recordings)
    for each in results:
        assert isinstance(each, Recording), each
    return [each.samples for each in results]


def assert_as_alone(protector: Protector, recordings: Sequence[Recording]) -> None:
    for found, expected, recording in zip(
        together(protector, recordings), alone(protector, recordings), recordings, strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        assert np.abs(found - recording.samples).max() > 1e-3  # or there is nothing to compare


RAGGED = [(0.5, 0.4), (1.0, 0.7), (1.8, 0.55)]

CASES: dict[str, Callable[[], tuple[Protector, list[Recording]]]] = {
    "different lengths": lambda: (protector(Small()), [cut(*place) for place in RAGGED]),
    "erase": lambda: (protector(Small(), kind="erase"), [cut(*place) for place in RAGGED]),
    "auto-pgd": lambda: (
        protector(Small(), attack=APGD(steps=5)),
        [cut(*place) for place in RAGGED],
    ),
    "opt": lambda: (
        protector(Small(), attack=OPT(steps=3), kind="noise"),
        [cut(*place) for place in RAGGED],
    ),
    "stereo beside mono": lambda: (
        protector(Small()),
        [cut(0.5, 0.4, channels=2), cut(1, 0.5), cut(1.5, 0.3, channels=2)],
    ),
    "two enhancers and a friend": lambda: (
        protector(Small(), Small(3.0), spare=(Small(-1.0),)),
        [cut(*place) for place in RAGGED],
    ),
    "one enhancer named twice": lambda: (
        protector(*[Drawing()] * 2),
        [cut(*place) for place in RAGGED],
    ),
    "channels to survive": lambda: (
        protector(
            Small(),
            spare=(Small(3.0),),
            survive=(find_channel("gain"), find_channel("pcm16")),
        ),
        [cut(*place) for place in RAGGED],
    ),
    "random draws": lambda: (
        protector(Drawing(), Small()),
        [cut(0.5, 0.4, channels=2), cut(1, 0.5), cut(1.5, 0.3)],
    ),
    "nobody knows what is drawn": lambda: (
        protector(Drawing(secret=True)),
        [cut(*place) for place in RAGGED],
    ),
    "each is done when it is": lambda: (
        protector(Small(), attack=Least(steps=11, until=0.8, halvings=1), kind="erase"),
        [cut(*place) for place in RAGGED],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_recordings_come_out_as_they_do_alone(case: str) -> None:
    assert_as_alone(*CASES[case]())


def test_a_real_network_makes_of_them_what_it_makes_of_each() -> None:
    enhancer = load_enhancer("metricgan+")
    assert_as_alone(
        protector(enhancer, attack=PGD(steps=2)), [cut(0.5, 0.3), cut(1, 0.4, channels=2)]
    )


def test_segan_draws_for_each_what_it_draws_for_it_alone() -> None:
    torch.manual_seed(0)
    segan = SEGAN(registry()["segan"].card, Generator(2))
    with torch.no_grad():
        for weight in segan.network.parameters():
            weight.uniform_(-0.3, 0.3)  # for those it comes with are zeros in places
    recordings = [cut(0.5, 0.4, channels=2), cut(1, 1.3), cut(1.5, 0.3)]
    assert_as_alone(protector(segan, attack=PGD(steps=2)), recordings)


def test_a_long_recording_goes_beside_a_short_one() -> None:
    long = cut(0, 1)
    long = long.with_samples(np.tile(long.samples, 18))
    assert_as_alone(protector(Small(), attack=PGD(steps=2)), [cut(1, 1), long])


# Who goes with whom


def test_one_pass_serves_all() -> None:
    small = Small()
    together(protector(small), [cut(*place) for place in RAGGED])
    assert small.passes == [3] * 5  # what they are like, then four steps


def test_who_is_finished_leaves_the_others() -> None:
    small, recordings = Small(), [cut(0, 0.5), cut(1, 0.4)]
    way = protector(small, attack=PGD(steps=40, until=0.8), kind="erase")
    passes: list[int] = []
    for recording in recordings:
        small.passes.clear()
        way(recording)
        passes.append(len(small.passes))
    assert passes[0] < passes[1] < 40
    small.passes.clear()
    assert_as_alone(way, recordings)
    assert small.passes[: passes[1]] == [2] * passes[0] + [1] * (passes[1] - passes[0])


def test_those_who_fall_behind_are_caught_up_with() -> None:
    """The mono recording has one clip to enhance before the first step, the other three."""
    first, second = Small(), Small(2.0)
    together(protector(first, second), [cut(0.5, 0.4), cut(1, 0.4, channels=2)])
    assert first.passes == second.passes == [2, 1, 1, *[4] * 4]


def test_at_most_so_many_seconds_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    small, recordings = Small(), [cut(begin, 0.4) for begin in (0, 0.5, 1)]
    monkeypatch.setattr(meeting, "BATCH_SECONDS", 0.8)
    assert_as_alone(protector(small), recordings)
    assert max(small.passes) == 2
    monkeypatch.setattr(meeting, "BATCH_SECONDS", 60)
    few = Small()
    few.seconds_at_once = 0.4
    assert_as_alone(protector(few), recordings)
    assert max(few.passes) == 1
    monkeypatch.setattr(meeting, "BATCH_SECONDS", 0.1)  # one clip goes however long it is
    assert_as_alone(protector(small), recordings)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All is computed in double precision, where rounding takes long to grow."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("attack", [PGD(steps=25), APGD(steps=25)])
def test_many_steps_through_a_network_differ_by_rounding_alone(attack: Any) -> None:
    enhancer = load_enhancer("metricgan+")
    assert isinstance(enhancer, NetworkEnhancer)
    enhancer.network.double()
    way = protector(enhancer, attack=attack, kind="erase")
    assert_as_alone(way, [cut(*place) for place in RAGGED])


def test_the_same_again_to_the_bit() -> None:
    enhancer = load_enhancer("metricgan+")
    way = protector(enhancer, attack=PGD(steps=2))
    recordings = [cut(0.5, 0.3), cut(1, 0.4), cut(1.5, 0.35)]
    for first, second in zip(together(way, recordings), together(way, recordings), strict=True):
        assert np.array_equal(first, second)


# What goes wrong


class Choosy(Small):
    """Refuses clips that reach full scale."""

    def enhance(self, audio: Tensor) -> Tensor:
        if audio.abs().max() > 0.9:
            raise InputError("too loud for me")
        return super().enhance(audio)


class Diverging(PGD):
    """Ends in NaN for clips of 0.7 s."""

    def __call__(self, audio: Tensor, objective: Any, budget: Any) -> Tensor:
        delta = super().__call__(audio, objective, budget)
        return delta * torch.nan if audio.shape[1] == 0.7 * RATE else delta


class Breaking(PGD):
    """Fails by a mistake of its own after one gradient of clips of 0.7 s."""

    def __call__(self, audio: Tensor, objective: Any, budget: Any) -> Tensor:
        if audio.shape[1] == 0.7 * RATE:
            objective.gradient(audio)
            raise ZeroDivisionError
        return super().__call__(audio, objective, budget)


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == strands.NAME]


@pytest.mark.parametrize(
    ("way", "error", "message"),
    [
        (protector(Choosy()), InputError, "too loud"),
        (protector(Small(), attack=Diverging(steps=3)), FailureError, "diverged"),
    ],
)
def test_one_that_fails_does_not_stop_the_others(
    way: Protector, error: type[UnhearError], message: str
) -> None:
    recordings = [cut(*place) for place in RAGGED]
    recordings[1].samples[0, 100] = 1.0
    first, failed, last = protect_together(way, recordings)
    assert isinstance(failed, error)
    assert message in str(failed)
    for found, recording in ((first, recordings[0]), (last, recordings[2])):
        assert isinstance(found, Recording)
        np.testing.assert_allclose(found.samples, way(recording).samples, rtol=0, atol=1e-5)


def test_a_loss_that_fails_leaves_the_gradients_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from unhear.targets import Distance

    def failing(distance: Distance, enhanced: Tensor, clips: slice) -> Tensor:
        if enhanced.shape[1] == 0.7 * RATE:
            raise FailureError("no loss")
        return (enhanced - distance.target[clips]).square().mean(-1)

    recordings = [cut(*place) for place in RAGGED]
    expected = alone(protector(Small()), recordings)
    monkeypatch.setattr(Distance, "__call__", failing)
    first, failed, last = protect_together(protector(Small()), recordings)
    assert isinstance(failed, FailureError)
    for found, known in ((first, expected[0]), (last, expected[2])):
        assert isinstance(found, Recording)
        np.testing.assert_allclose(found.samples, known, rtol=0, atol=1e-5)


def test_a_mistake_is_raised_once_the_others_have_ended() -> None:
    seen: list[tuple[int, int, int]] = []
    way = protector(Small(), attack=Breaking(steps=3))
    with pytest.raises(ZeroDivisionError):
        protect_together(way, [cut(*place) for place in RAGGED], lambda *at: seen.append(at))
    assert (0, 3, 3) in seen
    assert (2, 3, 3) in seen
    assert not threads()


def test_an_interruption_ends_all_of_them() -> None:
    def interrupt(_index: int, done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        protect_together(protector(Small()), [cut(*place) for place in RAGGED], interrupt)
    assert not threads()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_error_in_a_pass_ends_all_of_them(error: type[BaseException]) -> None:
    class Failing(Small):
        def enhance(self, audio: Tensor) -> Tensor:
            if len(self.passes) == 3:
                raise error
            return super().enhance(audio)

    left: list[str] = []

    def work(way: Protector) -> Recording:
        try:
            return way(cut(0.5, 0.4))
        finally:
            left.append("work")
            with suppress(Exception):  # nobody is there to answer
                way.against[0](torch.zeros(1, 10))

    with pytest.raises(error):
        run_together(protector(Failing()), [work, work])
    assert left == ["work", "work"]
    assert not threads()


def test_gradients_that_nobody_brings_are_not_waited_for() -> None:
    """Of two ways back one work takes the first, the other the second: each waits."""

    def work(way: Protector, index: int) -> Tensor:
        ways = [way.against[0].with_pullback(torch.ones(1, 10))[1] for _ in range(2)]
        return ways[index](torch.ones(1, 10))

    with pytest.raises(RuntimeError, match="nobody is going to bring"):
        run_together(protector(Small()), [partial(work, index=index) for index in range(2)])
    assert not threads()


def test_progress_tells_of_each_recording() -> None:
    seen: list[tuple[int, int, int]] = []
    recordings = [cut(*place) for place in RAGGED]
    protect_together(protector(Small()), recordings, lambda *each: seen.append(each))
    assert seen == [(index, done, 4) for done in range(1, 5) for index in range(3)]


def test_nothing_and_one_recording() -> None:
    way = protector(Small())
    assert protect_together(way, []) == []
    (found,) = protect_together(way, [cut(0.5, 0.4)])
    assert isinstance(found, Recording)
    assert np.array_equal(found.samples, way(cut(0.5, 0.4)).samples)


# The parts


def test_a_pullback_is_the_gradient_of_the_call() -> None:
    enhancer = load_enhancer("metricgan+")
    audio = torch.from_numpy(cut(0.5, 0.3).samples).float()
    weights = torch.randn(audio.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output, pullback = enhancer.with_pullback(audio)
    leaf = audio.clone().requires_grad_()
    expected = enhancer(leaf)
    assert torch.equal(output, expected.detach())
    assert not output.requires_grad
    (gradient,) = torch.autograd.grad((expected * weights).sum(), leaf)
    assert torch.equal(pullback(weights), gradient)


def test_a_draw_can_be_had_again() -> None:
    segan = SEGAN(registry()["segan"].card, Generator(1))
    audio = torch.from_numpy(cut(0.5, 0.3).samples).float()
    draws = segan.draws_from(5)
    segan.reseed(5)
    for draw in [next(draws), next(draws)]:
        with segan.drawing(draw):
            again = segan(audio)
        assert torch.equal(segan(audio), again)
    assert not torch.equal(segan(audio), again)
    fixed = SEGAN(registry()["segan"].card, Generator(1), "fixed").draws_from(5)
    assert [next(fixed), next(fixed)] == [5, 5]


def test_who_reseeds_but_does_not_tell_goes_alone() -> None:
    class Secretive(Small):
        def reseed(self, seed: int) -> None:
            self.seed = seed

    assert Secretive().draws_from(0) is None
    assert next(Small().draws_from(3)) == 0


def test_a_strand_that_never_began_can_be_closed() -> None:
    strand = Strand(lambda ask: ask("never"))
    strand.close()
    assert not strand.ended


def test_a_strand_goes_on_with_what_it_is_answered() -> None:
    def work(ask: Callable[[str], Any]) -> str:
        first = ask("first?")
        try:
            return ask(f"second, after {first}?")
        except ValueError as error:
            return f"no: {error}"

    strand = Strand(work)
    strand.resume()
    assert strand.question == "first?"
    strand.resume("one")
    assert strand.question == "second, after one?"
    strand.resume(ValueError("gone"))
    assert strand.ended
    assert strand.outcome == "no: gone"


@given(lengths=st.lists(st.integers(1, 20), max_size=30), size=st.integers(1, 8))
def test_batches_hold_everything_once_and_little_padding(lengths: list[int], size: int) -> None:
    batches = in_batches(lengths, size)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len(batch) == size for batch in batches[:-1])
    for batch, after in pairwise(batches):  # none could be swapped for a better fit
        assert min(lengths[index] for index in batch) >= max(lengths[i] for i in after)
    assert in_batches(lengths, size) == batches
