"""Several enhancers, friends and passages in one objective, on linear enhancers."""

from __future__ import annotations

import pytest
import torch
from toys import Gain, Linear

from unhear.attacks import PGD
from unhear.budgets import SignalToNoise
from unhear.channels import Channel, Passage, Survivable, WithDownmix, find_channel
from unhear.chunks import Chunks
from unhear.enhancers.base import Enhancer
from unhear.objective import ALLOWED_DB, WEAKEST, Defeat, Heard, Objective, Spare, arrived
from unhear.passages import Passages, drawn
from unhear.sides import side_of
from unhear.targets import Distance, Target, resemblance

SAMPLES = 64
RATE = 16_000


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def half(part: int, gain: float) -> torch.Tensor:
    """What lets one half of the samples through, so that two of them do not meet."""
    keep = torch.zeros(SAMPLES, dtype=torch.float64)
    keep[part * SAMPLES // 2 : (part + 1) * SAMPLES // 2] = gain
    return torch.diag(keep)


def whole(
    enhancer: Enhancer, audio: torch.Tensor, channels: tuple[Channel, ...] = ()
) -> Defeat:
    heard = Heard(enhancer, channels)
    reference = heard(audio)
    return Defeat(heard, Distance(torch.zeros_like(reference), "mse"), reference)


def defeat(matrix: torch.Tensor, audio: torch.Tensor) -> Defeat:
    return whole(Linear(matrix), audio)


def spare(matrix: torch.Tensor, audio: torch.Tensor) -> Spare:
    heard = Heard(Linear(matrix), [])
    return Spare(heard, audio)


def changed(
    friend: Spare, arriving: torch.Tensor, passage: Passage | None = None
) -> torch.Tensor:
    """How much of its allowance is used up by what arrives."""
    return friend.used(passage)(friend.heard(arriving, passage))


@pytest.fixture
def audio() -> torch.Tensor:
    return 0.1 * random(3, SAMPLES)


def test_one_enhancer_pulls_with_its_own_gradient(audio: torch.Tensor) -> None:
    matrix = random(SAMPLES, SAMPLES, seed=1)
    found = Objective([defeat(matrix, audio)]).gradient(audio)
    torch.testing.assert_close(found, 2 / SAMPLES * audio @ matrix.T @ matrix)


def test_a_loud_enhancer_does_not_drown_a_quiet_one(audio: torch.Tensor) -> None:
    goals = [defeat(half(0, 100.0), audio), defeat(half(1, 0.01), audio)]
    found = Objective(goals).gradient(audio)
    loud, quiet = found[:, : SAMPLES // 2], found[:, SAMPLES // 2 :]
    torch.testing.assert_close(loud.norm(dim=1), quiet.norm(dim=1))
    own = [Objective([goal]).gradient(audio).norm(dim=1) for goal in goals]
    torch.testing.assert_close(2 * loud.norm(dim=1), (own[0] + own[1]) / 2)


class Band(Linear):
    """Lets the lower or the upper half of the spectrum through."""

    def __init__(self, *, upper: bool) -> None:
        super().__init__(torch.zeros(()))
        self.upper = upper

    def enhance(self, audio: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(audio)
        kept = torch.arange(spectrum.shape[1]) >= spectrum.shape[1] // 2
        kept = kept if self.upper else ~kept
        return torch.fft.irfft(spectrum * kept, audio.shape[1])


def test_an_enhancer_that_is_defeated_pulls_less() -> None:
    """One of two has other noise for its output: nothing resembles what was there."""
    audio, other = 0.1 * random(2, 8000), 0.1 * random(2, 8000, seed=1)
    low, high = Band(upper=False), Band(upper=True)
    objective = Objective([whole(low, audio), whole(high, audio)])
    for moved, ratio in ((audio, 1.0), (low(other) + high(audio), WEAKEST)):
        found = objective.gradient(moved)
        lengths = [band(found).norm(dim=1) for band in (low, high)]
        torch.testing.assert_close(
            lengths[0] / lengths[1], torch.full((2,), ratio).double(), rtol=0.5, atol=0
        )


def test_losses_are_summed_over_the_enhancers(audio: torch.Tensor) -> None:
    goals = [defeat(half(0, 2.0), audio), defeat(half(1, 1.0), audio)]
    expected = sum(Objective([goal]).losses(audio) for goal in goals)
    torch.testing.assert_close(Objective(goals).losses(audio), expected)


def test_a_friend_pulls_only_once_it_is_changed(audio: torch.Tensor) -> None:
    goal, friend = defeat(half(0, 1.0), audio), spare(half(1, 1.0), audio)
    alone, together = Objective([goal]), Objective([goal], [friend])
    torch.testing.assert_close(together.gradient(audio), alone.gradient(audio))
    moved = audio.clone()
    moved[:, SAMPLES // 2 :] *= 1 + 10 ** (-ALLOWED_DB / 20)  # all that is allowed
    back = together.gradient(moved)[:, SAMPLES // 2 :]
    # Away from the change, as hard as the enhancer to defeat, in whose output, of a single
    # frame, are no words left: over what that one weighs.
    torch.testing.assert_close(back.norm(dim=1), alone.gradient(moved).norm(dim=1) / WEAKEST)
    assert (back * audio[:, SAMPLES // 2 :] >= 0).all()


def test_faint_speech_counts_for_a_friend() -> None:
    """Pulses 40 dB below a hum: it is no louder change when they go than when the hum, steady
    as ever, is a little louder, but words hang on them.
    """
    time = torch.arange(RATE, dtype=torch.float64) / RATE
    hum = 0.1 * torch.sin(2 * torch.pi * 200 * time)[None]
    pulses = 1e-3 * torch.sin(2 * torch.pi * 3000 * time) * (torch.sin(20 * time) > 0)
    friend = Spare(Heard(Gain(1.0), []), hum + pulses)
    louder = pulses.norm() / hum.norm() * hum
    assert changed(friend, hum + pulses) == 0
    assert 0 < changed(friend, hum + pulses + louder) < 0.2
    assert changed(friend, hum) > 10


def test_what_a_channel_does_is_no_change_of_the_friend(audio: torch.Tensor) -> None:
    rounded = torch.round(audio * 2**15) / 2**15
    friend = spare(random(SAMPLES, SAMPLES, seed=1), rounded)
    passage = Passage(lambda audio: audio.flip(-1) / 3)
    assert changed(friend, arrived(rounded, passage), passage).abs().max() < 1e-20
    assert changed(friend, rounded + 0.1).min() > 0


def test_what_a_channel_undoes_is_no_change_of_the_friend(audio: torch.Tensor) -> None:
    rounded = torch.round(audio * 2**15) / 2**15
    friend = spare(random(SAMPLES, SAMPLES, seed=1), rounded)
    passage = Passage(lambda audio: audio / 4, lambda audio, _rate: 4 * audio)
    assert changed(friend, passage.there(rounded), passage).abs().max() < 1e-12


def test_a_friend_that_hears_the_same_is_kept_within_its_allowance(audio: torch.Tensor) -> None:
    """Both hear everything; the friend, one direction much louder than the other does."""
    mixed, friends = random(SAMPLES, SAMPLES, seed=1), random(SAMPLES, SAMPLES, seed=2)
    goal, friend = defeat(mixed, audio), spare(friends, audio)
    budget = SignalToNoise(5.0)
    for spared, within in (([], False), ([friend], True)):
        objective = Objective([goal], spared)
        delta = PGD(steps=200)(audio, objective, budget)
        used = changed(friend, audio + delta)
        assert bool((used < 2).all()) is within
        assert (objective.losses(audio + delta) < objective.losses(audio)).all()


def test_the_worst_enhancer_decides_how_much_is_left() -> None:
    audio = 0.1 * random(2, 8000).float()

    def goal(gain: float) -> Defeat:
        heard = Heard(Gain(gain), [])
        return Defeat(heard, Distance(torch.zeros_like(audio), "mse"), audio)

    assert Objective([goal(0.0)]).resemblance(audio).abs().max() < 1e-6
    both = Objective([goal(0.0), goal(1.0)])
    torch.testing.assert_close(both.resemblance(audio), torch.ones(2))
    torch.testing.assert_close(both.pull(audio).left(), torch.ones(2))
    louder = resemblance(3 * audio, audio, RATE)
    torch.testing.assert_close(louder, torch.ones(2), rtol=0, atol=1e-3)


def test_a_downmix_counts_for_all_its_channels(audio: torch.Tensor) -> None:
    stereo = torch.cat([audio, audio[:1]])  # two recordings of two channels
    objective = Objective(
        [whole(Linear(torch.eye(SAMPLES).double()), stereo, (WithDownmix(2),))]
    )
    own = stereo.square().mean(1)
    downmixes = stereo.unflatten(0, (2, 2)).mean(1).square().mean(1)
    torch.testing.assert_close(objective.losses(stereo), own + downmixes.repeat_interleave(2))


def test_words_that_only_a_mono_listener_hears_are_left() -> None:
    """In the first recording another noise is added to both sides, with opposite signs; in
    the second, which is the same on both, nothing is left.
    """

    def noise(seed: int) -> torch.Tensor:
        return 0.1 * random(8000, seed=seed)

    stereo = torch.stack([noise(0) + noise(2), noise(0) - noise(2), noise(1), noise(1)])
    other = torch.stack([noise(0) + 9 * noise(3), noise(0) - 9 * noise(3), noise(4), noise(4)])
    objective = Objective([whole(Gain(1.0), stereo, (WithDownmix(2),))])
    for left in (objective.resemblance(other), objective.pull(other).left()):
        assert left[:2].min() > 0.99
        assert left[2:].max() < 0.3


def test_references_are_in_the_order_in_which_clips_are_heard() -> None:
    """Of a recording of two channels in several chunks, each with its downmix."""
    audio, half = 0.1 * random(2, 24_000).float(), 8000
    places = Chunks((0, half), 2 * half, half)
    side = side_of(Gain(1.0), audio, RATE, Target("erase"), places)
    goal = side.to_defeat(Target("erase"), "mse")
    assert len(goal.reference) == 6
    torch.testing.assert_close(goal.heard(places.cut(audio).flatten(0, 1)), goal.reference)


def test_nobody_listens_to_the_mean_of_channels_that_cancel() -> None:
    one = 0.1 * random(1, 8000).float()
    places = Chunks((0,), 8000, 0)
    for other, clips in [(-one, 2), (-one + 1e-3 * random(1, 8000).float(), 2), (0 * one, 3)]:
        side = side_of(Gain(1.0), torch.cat([one, other]), RATE, Target("erase"), places)
        assert len(side.reference) == clips


# What happens on the way


class Halved(Survivable):
    """Half as loud, undone in the output; counts its draws."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "half as loud")
        object.__setattr__(self, "draws", [])

    def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
        self.draws.append((sample_rate, int(torch.randint(100, (), generator=random))))
        return Passage(lambda audio: audio / 2, lambda audio, _rate: 2 * audio)


def test_every_channel_comes_as_often_as_none() -> None:
    channels = [Halved("a"), Halved("b")]
    passages = Passages(channels, RATE, seed=1)
    found = [passages.draw() for _ in range(9)]
    assert found.count(None) == 3
    assert [len(channel.draws) for channel in channels] == [3, 3]
    again = [Halved("a"), Halved("b")]
    repeated = Passages(again, RATE, seed=1)
    assert [repeated.draw() is None for _ in range(9)] == [each is None for each in found]
    assert [channel.draws for channel in again] == [channel.draws for channel in channels]
    assert Passages([], RATE, seed=1).draw() is None


def test_a_shift_comes_before_every_second_of_the_others(audio: torch.Tensor) -> None:
    class Later(Halved):
        shifts = True

        def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
            super().draw(sample_rate, random)
            return Passage(lambda audio: audio.roll(1, -1), lambda audio, _: audio.roll(-1, -1))

    shift, others = Later("later"), [Halved("a"), Halved("b")]
    passages = Passages([others[0], shift, others[1]], RATE, seed=1)
    found = [passages.draw() for _ in range(12)]
    assert found.count(None) == 2
    assert [len(each.draws) for each in (shift, *others)] == [6, 4, 4]
    arrived = [each.there(audio) for each in found if each]
    ways = (audio.roll(1, -1), audio / 2, audio.roll(1, -1) / 2)
    assert [sum(torch.equal(each, way) for each in arrived) for way in ways] == [2, 4, 4]
    for passage in filter(None, found):
        assert torch.equal(passage.back(passage.there(audio), RATE), audio)


def test_what_a_passage_undoes_changes_no_gradient(audio: torch.Tensor) -> None:
    rounded = torch.round(audio * 2**15) / 2**15
    goal = defeat(random(SAMPLES, SAMPLES, seed=1), rounded)
    alone = Objective([goal]).gradient(rounded)
    passages = Passages([Halved("a")], RATE, seed=0)
    after = Objective([goal], passages=passages)
    for _ in range(2):
        torch.testing.assert_close(after.gradient(rounded), alone, rtol=1e-6, atol=1e-9)


def test_a_seed_fixes_what_is_drawn(audio: torch.Tensor) -> None:
    channel = find_channel("gain")
    first, second = (drawn(channel, RATE, seed).there(audio) for seed in (1, 2))
    torch.testing.assert_close(drawn(channel, RATE, 1).there(audio), first)
    assert not torch.allclose(first, second)
