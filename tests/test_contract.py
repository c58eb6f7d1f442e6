"""What every enhancer of the registry promises; a new one is tested by being there."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
import torch
from pretend_device import NAME as ELSEWHERE
from pretend_device import PretendDevice
from sounds import DEMO

from unhear import audio
from unhear.channels import path_to_enhancer
from unhear.enhancers import load_enhancer, registry
from unhear.errors import AbsentError, InputError
from unhear.networks.base import NetworkEnhancer

if TYPE_CHECKING:
    from torch import Tensor

    from unhear.enhancers.base import Enhancer

EVERY = list(registry())
DIFFERENTIABLE = [name for name, entry in registry().items() if entry.card.differentiable]
BLACK_BOXES = [name for name in EVERY if name not in DIFFERENTIABLE]


@cache
def _load(name: str) -> Enhancer | str:
    try:
        return load_enhancer(name)
    except AbsentError as error:
        return str(error)
    except InputError as error:
        if registry()[name].here:
            raise  # nothing is missing here, so it is broken
        return str(error)


def load(name: str) -> Enhancer:
    """The enhancer, beginning with the same draws; skips what is not to be had here."""
    enhancer = _load(name)
    if isinstance(enhancer, str):
        pytest.skip(enhancer)
    enhancer.reseed(0)
    return enhancer


def speech(rate: int, seconds: float = 1.0, start: float = 1.0) -> Tensor:
    """(1, time) of the demo recording."""
    recording = audio.read(DEMO)
    own = audio.resample(recording.samples, recording.sample_rate, rate)
    return torch.from_numpy(own).float()[:, int(start * rate) :][:, : int(seconds * rate)]


def again(enhancer: Enhancer, clips: Tensor, lengths: Tensor | None = None) -> Tensor:
    """The output, with random draws that begin anew."""
    enhancer.reseed(0)
    with torch.no_grad():
        return enhancer(clips, lengths)


def gradient(enhancer: Enhancer, clip: Tensor) -> Tensor:
    """Of the output's energy, with respect to the input."""
    clip = clip.clone().requires_grad_()
    (own,) = torch.autograd.grad(enhancer(clip).square().sum(), clip)
    return own


@pytest.mark.parametrize("name", EVERY)
def test_the_length_is_kept_from_one_sample_to_a_minute(name: str):
    enhancer = load(name)
    rate = enhancer.card.sample_rate
    minute = speech(rate, 7, start=0).tile(1, 9)[:, : 60 * rate]
    for samples in (1, 2, 159, 512, rate // 3, 60 * rate):
        output = again(enhancer, minute[:, :samples])
        assert output.shape == (1, samples)
        assert output.dtype == torch.float32
        assert bool(torch.isfinite(output).all())


@pytest.mark.parametrize("name", EVERY)
def test_a_batch_is_its_clips_one_by_one(name: str):
    enhancer = load(name)
    rate = enhancer.card.sample_rate
    lengths = torch.tensor([rate, rate // 2 + 7, rate, 1])
    clips = torch.cat([speech(rate, start=start) for start in (0, 1, 2, 3)])
    clips[torch.arange(rate) >= lengths[:, None]] = 0
    together = again(enhancer, clips, lengths)
    for clip, samples, output in zip(clips, lengths.tolist(), together, strict=True):
        alone = again(enhancer, clip[None, :samples])[0]
        torch.testing.assert_close(output[:samples], alone, rtol=1e-4, atol=1e-5)
        assert not output[samples:].any()


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_gives_the_same_output(name: str):
    enhancer = load(name)
    clip = speech(enhancer.card.sample_rate)
    assert torch.equal(again(enhancer, clip), again(enhancer, clip))


@pytest.mark.parametrize("name", EVERY)
def test_silence_stays_nearly_silent(name: str):
    enhancer = load(name)
    output = again(enhancer, torch.zeros(1, enhancer.card.sample_rate))
    assert float(output.abs().max()) < 0.02


@pytest.mark.parametrize("name", EVERY)
def test_speech_comes_out_in_its_place(name: str):
    enhancer = load(name)
    rate = enhancer.card.sample_rate
    clip = speech(rate, 4)
    output = again(enhancer, clip)
    span = torch.fft.rfft(torch.cat([clip, output]), 2 * clip.shape[1])
    correlation = torch.fft.irfft(span[1] * span[0].conj())
    lag = int(correlation.argmax())
    assert min(lag, correlation.numel() - lag) <= rate // 16_000  # a sample at 16 kHz


@pytest.mark.parametrize("name", EVERY)
def test_the_card_tells_whether_a_louder_input_only_gives_a_louder_output(name: str):
    enhancer = load(name)
    clip = speech(enhancer.card.sample_rate, 2)
    quiet, own = again(enhancer, clip / 4), again(enhancer, clip)
    apart = float((4 * quiet - own).norm() / own.norm())
    assert apart < 2e-3 if enhancer.card.scales else apart > 2e-3


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("kind", ["speech", "silence", "faint", "clipped", "one sample"])
def test_gradients_are_finite(name: str, kind: str):
    enhancer = load(name)
    clip = speech(enhancer.card.sample_rate)
    clips = {
        "speech": clip,
        "silence": torch.zeros_like(clip),
        "faint": 1e-6 * clip,
        "clipped": (100 * clip).clamp(-1, 1),
        "one sample": clip[:, :1],
    }
    own = gradient(enhancer, clips[kind])
    assert bool(torch.isfinite(own).all())
    if kind == "speech":
        assert float((own != 0).float().mean()) > 0.99


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_the_gradient_is_the_slope(name: str):
    """For some step so long that rounding does not matter, and so short that bends do not."""
    enhancer = load(name)
    clip, other = (speech(enhancer.card.sample_rate, 0.5, start) for start in (1, 2))
    direction = other * clip.norm() / other.norm()
    slope = float((gradient(enhancer, clip) * direction).sum())

    def energy(amount: float) -> float:
        return float(again(enhancer, clip + amount * direction).double().square().sum())

    measured = [(energy(step) - energy(-step)) / (2 * step) for step in (1e-3, 2e-4, 3e-5)]
    assert min(abs(each - slope) for each in measured) < 0.05 * abs(slope)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_gradients_pass_the_resampling_before_it(name: str, rate: int):
    enhancer = load(name)
    clip = speech(rate).requires_grad_()
    arriving = clip
    for channel in path_to_enhancer(1, rate, enhancer.card.sample_rate):
        arriving = channel(arriving)
    (own,) = torch.autograd.grad(enhancer(arriving).square().sum(), clip)
    assert bool(torch.isfinite(own).all())
    assert bool(own[:, : rate // 10].any())
    assert bool(own[:, -rate // 10 :].any())


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_its_windows_begin_again_at_the_multiples_of_its_grid(name: str):
    """Chunks of long recordings begin there: half a grid off, the output is another one."""
    enhancer = load(name)
    rate, grid = enhancer.card.sample_rate, enhancer.grid
    clip = speech(rate, 4.0)
    assert grid > 1
    whole = again(enhancer, clip)
    by_grid, by_half = (
        (again(enhancer, clip[:, begin:]) - whole[:, begin:])[:, -2 * rate : -rate].norm()
        for begin in (grid, grid // 2)
    )
    assert by_grid < by_half / 2


@pytest.mark.parametrize("name", BLACK_BOXES)
def test_black_boxes_have_no_gradient(name: str):
    enhancer = load(name)
    clip = speech(enhancer.card.sample_rate).requires_grad_()
    assert not enhancer(clip).requires_grad


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_everything_moves_to_another_device(name: str):
    own = load(name)
    clip = speech(own.card.sample_rate, seconds=0.5)
    expected = output_and_gradient(own, clip)
    with PretendDevice():
        enhancer = load_enhancer(name)  # one of its own, for it will not come back
        enhancer.move_to(ELSEWHERE)
        found = output_and_gradient(enhancer, clip.to(ELSEWHERE))
    for there, here in zip(found, expected, strict=True):
        assert there.device.type == ELSEWHERE
        assert (there.cpu() - here).norm() <= 1e-3 * here.norm()


def output_and_gradient(enhancer: Enhancer, clip: Tensor) -> tuple[Tensor, Tensor]:
    enhancer.reseed(0)
    output, pullback = enhancer.with_pullback(clip)
    return output, pullback(output)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_the_card_counts_the_parameters(name: str):
    enhancer = load(name)
    assert isinstance(enhancer, NetworkEnhancer)
    counted = sum(each.numel() for each in enhancer.network.parameters())
    assert enhancer.card.parameters == counted


@pytest.mark.parametrize("name", EVERY)
def test_the_card_is_complete(name: str):
    card = registry()[name].card
    assert card.name == name
    assert all([card.summary, card.paper, card.licence, card.weights])
