"""Clips of different lengths in one batch are what each of them is alone."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sounds import DEMO
from torch.nn.functional import pad

from unhear import audio
from unhear.channels import WithDownmix
from unhear.enhancers import load_enhancer, registry
from unhear.networks.base import NetworkEnhancer
from unhear.networks.ragged import (
    LEAST_FILLED,
    inverse_stft,
    mirrored,
    of_similar_length,
    turned,
)
from unhear.objective import Heard
from unhear.targets import Distance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor


NETWORKS = [name for name, entry in registry().items() if entry.card.differentiable]

# Double precision shows that nothing leaks; single precision is what is used, with kernels of
# its own. There, gradients of a clip of one sample are what large numbers leave of each other:
# the rounding of a batch of copies of that clip is as large.
TOLERANCES = {torch.float32: (1e-5, 1e-4), torch.float64: (1e-9, 1e-9)}


@pytest.fixture
def load(fetched) -> Iterator[Callable[[str, torch.dtype], NetworkEnhancer]]:
    def load(name: str, dtype: torch.dtype) -> NetworkEnhancer:
        torch.set_default_dtype(dtype)  # that of the front ends' windows
        if source := registry()[name].source:
            fetched(source)
        enhancer = load_enhancer(name)
        assert isinstance(enhancer, NetworkEnhancer)
        enhancer.network.to(dtype)
        return enhancer

    yield load
    torch.set_default_dtype(torch.float32)


def ragged(rate: int) -> tuple[Tensor, Tensor]:
    """A third of a second and less of speech, with rubbish behind each clip."""
    recording = audio.read(DEMO)
    own = audio.resample(recording.samples, recording.sample_rate, rate)
    third = rate // 3
    # Of similar length, of whole hops and not, less than a window, one sample.
    lengths = [third - 200, third, third - third % 256, third // 2 + 7, 300, 1]
    clips = torch.from_numpy(own).unfold(1, third, third)[0, : len(lengths)]
    return clips.to(torch.get_default_dtype()), torch.tensor(lengths)


def with_gradient(
    enhancer: NetworkEnhancer, clips: Tensor, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The output, and the slope of each row's share of energy."""
    enhancer.reseed(0)
    clips = clips.clone().requires_grad_()
    output = enhancer(clips, lengths)
    return output.detach(), torch.autograd.grad(output.square().sum(), clips)[0]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", TOLERANCES, ids=["in groups", "in one pass, exactly"])
def test_every_clip_is_as_if_it_were_alone(
    load, name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
):
    enhancer = load(name, dtype)
    if dtype == torch.float64:
        monkeypatch.setattr("unhear.networks.ragged.LEAST_FILLED", 0)
        monkeypatch.setattr(enhancer, "seconds_at_once", float("inf"))
    clips, lengths = ragged(enhancer.card.sample_rate)
    together = with_gradient(enhancer, clips, lengths)
    for row, samples in enumerate(lengths.tolist()):
        alone = with_gradient(enhancer, clips[row, None, :samples])
        for found, expected, most in zip(together, alone, TOLERANCES[dtype], strict=True):
            apart = (found[row, :samples] - expected[0]).abs().max() / expected.abs().max()
            assert float(apart) < most
            assert not found[row, samples:].any()


@pytest.mark.parametrize("name", NETWORKS)
def test_clips_that_fill_the_batch_go_the_way_without_lengths(load, name: str):
    enhancer = load(name, torch.float32)
    clips, lengths = ragged(enhancer.card.sample_rate)
    outputs: list[Tensor] = []
    for each in (None, torch.full_like(lengths, clips.shape[1])):
        enhancer.reseed(0)
        outputs.append(enhancer(clips, each))
    assert torch.equal(*outputs)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from([2, 4, 8]))
def test_the_inverse_stft_is_that_of_each_clip(frames: list[int], overlap: int):
    size, samples = 32, 16 + 8 * max(frames)
    hop, window = size // overlap, torch.hamming_window(size, dtype=torch.float64)
    torch.manual_seed(len(frames) + overlap)
    spec = torch.randn(len(frames), max(frames), size // 2 + 1, dtype=torch.complex128)
    spec.requires_grad_()
    together = inverse_stft(spec, torch.tensor(frames), window, hop, samples)
    (gradient,) = torch.autograd.grad(together.square().sum(), spec)
    for row, count in enumerate(frames):
        reach = min(samples, hop * (count - 1) + size // 2)
        alone = torch.istft(spec[row, :count].mT, size, hop, window=window, length=reach)
        torch.testing.assert_close(together[row, :reach], alone, rtol=1e-9, atol=1e-9)
        assert not together[row, reach:].any()
        assert gradient[row, :count].any()
        assert not gradient[row, count:].any()


def test_each_clip_is_mirrored_at_its_own_end():
    ends, margin = [12, 5, 9], 4
    clips = [torch.arange(1.0, end + 1) for end in ends]
    batch = torch.stack([pad(clip, (0, 12 - len(clip))) for clip in clips])
    found = mirrored(batch, torch.tensor(ends), margin)
    for row, clip in zip(found, clips, strict=True):
        expected = pad(clip[None], (margin, margin), mode="reflect")[0]
        assert torch.equal(row, pad(expected, (0, len(row) - len(expected))))


def test_each_clip_is_turned_and_its_padding_stays():
    x = torch.arange(8.0).reshape(2, 4, 1)
    found = turned(x, torch.tensor([4, 2]))[..., 0]
    assert found.tolist() == [[3, 2, 1, 0], [5, 4, 6, 7]]


@given(st.lists(st.integers(1, 100), min_size=1, max_size=12), st.integers(1, 1000))
def test_groups_hold_every_clip_once_and_little_padding(lengths: list[int], most: int):
    groups = of_similar_length(torch.tensor(lengths), float(most))
    assert sorted(clip for group in groups for clip in group) == list(range(len(lengths)))
    for group in groups:
        longest, shortest = lengths[group[0]], lengths[group[-1]]
        assert len(group) == 1 or len(group) * longest <= most
        assert shortest >= LEAST_FILLED * longest
    for group, following in pairwise(groups):  # none could have taken the next clip
        longest, clip = lengths[group[0]], lengths[following[0]]
        assert (len(group) + 1) * longest > most or clip < LEAST_FILLED * longest


def test_what_is_too_large_goes_in_parts(load):
    """The same losses, outputs and gradients, with one clip's graph in memory at a time."""
    enhancer = load("gtcrn", torch.float64)
    generator = torch.Generator().manual_seed(0)
    audio = 0.1 * torch.randn(3, 4000, dtype=torch.float64, generator=generator)
    target = 0.1 * torch.randn(4, 4000, dtype=torch.float64, generator=generator)
    loss = Distance(target, "mse")
    heard = Heard(enhancer, [WithDownmix(3)])
    expected = heard.pulled(audio, loss)
    enhancer.seconds_at_once = 0.25  # of audio: one clip
    try:
        assert len(enhancer.portions(torch.cat([audio, audio[:1]]))) == 4
        found = heard.pulled(audio, loss)
    finally:
        del enhancer.seconds_at_once
    torch.testing.assert_close(found, expected)
