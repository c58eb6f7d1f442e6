"""MetricGAN+: the public architecture, its front end, and what an attack needs of it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from unhear.enhancers import load_enhancer, registry
from unhear.errors import InputError
from unhear.networks.metricgan import (
    HOP,
    MaskNetwork,
    MetricGANPlus,
    magnitude,
    spectrum,
    waveform,
)

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from unhear.enhancers.base import Enhancer

CARD = registry()["metricgan+"].card
GATES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
PUBLIC_KEYS = {  # of SpeechBrain's enhance_model.ckpt
    *(f"blstm.rnn.{g}_l{n}{d}" for g in GATES for n in (0, 1) for d in ("", "_reverse")),
    *(f"linear{n}.{part}" for n in (1, 2) for part in ("weight", "bias")),
    "Learnable_sigmoid.slope",
}


@pytest.fixture(scope="module")
def enhancer() -> Enhancer:
    return load_enhancer()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_keys_and_parameters_are_those_of_the_public_checkpoint() -> None:
    network = MaskNetwork()
    assert set(network.state_dict()) == PUBLIC_KEYS
    assert sum(p.numel() for p in network.parameters()) == CARD.parameters == 1_895_514
    assert network.state_dict()["blstm.rnn.weight_ih_l1_reverse"].shape == (800, 400)
    assert network.state_dict()["Learnable_sigmoid.slope"].shape == (257,)


def test_the_front_end_by_hand(enhancer: Enhancer) -> None:
    """One frame of the documented formulas, written out: STFT, log1p, mask, expm1, phase."""
    audio = noise(1, 4096)
    spec = spectrum(audio)
    n = torch.arange(512)
    hamming = 0.54 - 0.46 * torch.cos(2 * torch.pi * n / 512)  # periodic
    third = torch.fft.rfft(audio[0, 3 * HOP - 256 : 3 * HOP + 256] * hamming)
    torch.testing.assert_close(spec[0, 3], third, rtol=1e-4, atol=1e-5)
    assert isinstance(enhancer, MetricGANPlus)
    feature = torch.log1p(spec.abs())
    mask = enhancer.network(feature)
    assert 0 < float(mask.min()) < float(mask.max()) < 1.2
    expected = torch.polar(torch.expm1(mask * feature), spec.angle())
    torch.testing.assert_close(enhancer(audio), waveform(expected, 4096), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 100, 255, 256, 257, 16_000, 16_001])
def test_length_is_kept_and_the_transform_inverts(enhancer: Enhancer, samples: int) -> None:
    audio = noise(2, samples)
    torch.testing.assert_close(waveform(spectrum(audio), samples), audio, rtol=0, atol=1e-6)
    assert enhancer(audio).shape == (2, samples)


def test_padded_batches_equal_single_clips(enhancer: Enhancer) -> None:
    lengths = torch.tensor([16_000, 9_999, 12_345, 700])
    batch = torch.zeros(4, 16_000)
    clips = [noise(int(n), seed=i) for i, n in enumerate(lengths)]
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    together = enhancer(batch, lengths)
    for row, clip in zip(together, clips, strict=True):
        alone = enhancer(clip[None])[0]
        # Sums in another order: -100 dB below the clip's own level.
        torch.testing.assert_close(row[: len(clip)], alone, rtol=0, atol=1e-6)
        assert not row[len(clip) :].any()


def test_magnitude_is_differentiable_at_zero() -> None:
    spec = torch.zeros(1, 1, 257, dtype=torch.complex64, requires_grad=True)
    (gradient,) = torch.autograd.grad(magnitude(spec).sum(), spec)
    assert torch.isfinite(torch.view_as_real(gradient)).all()


def random_state(seed: int) -> OrderedDict[str, Tensor]:
    torch.manual_seed(seed)
    return OrderedDict(MaskNetwork().state_dict())


def test_the_official_files_load_unchanged(tmp_path: Path) -> None:
    """As a PyTorch checkpoint (a plain OrderedDict), in a hub snapshot's folder, and safe."""
    state = random_state(3)
    torch.save(state, tmp_path / "enhance_model.ckpt")
    save_file(dict(state), tmp_path / "weights.safetensors")
    audio = noise(1, 3000)
    outputs = [
        load_enhancer("metricgan+", str(tmp_path / name))(audio)
        for name in ("enhance_model.ckpt", "", "weights.safetensors")
    ]
    reference = MaskNetwork()
    reference.load_state_dict(state)
    expected = MetricGANPlus(CARD, reference)(audio)
    for output in outputs:
        assert torch.equal(output, expected)
    assert not torch.equal(load_enhancer()(audio), expected)


def test_a_model_in_the_local_hub_cache_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--speechbrain--metricgan-plus-voicebank"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    torch.save(random_state(4), snapshot / "enhance_model.ckpt")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    load_enhancer("metricgan+", "speechbrain/metricgan-plus-voicebank")


def other_shape(path: Path) -> None:
    state = random_state(5)
    state["linear1.weight"] = torch.zeros(300, 401)
    torch.save(state, path)


def other_network(path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), path)


def not_weights(path: Path) -> None:
    path.write_text("hello")


def whole_module(path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (other_shape, "another network than metricgan\\+ .*linear1.weight"),
        (other_network, "another network than metricgan\\+"),
        (not_weights, "is not a weights file"),
        (whole_module, "is not a weights file"),
        (lambda path: None, "neither a weights file nor a model in the local hub cache"),
    ],
)
def test_wrong_weights_are_refused(make: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.ckpt"
    make(path)  # type: ignore
    with pytest.raises(InputError, match=message):
        load_enhancer("metricgan+", str(path))


def test_unknown_enhancers_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"did you mean metricgan\+\?"):
        load_enhancer("MetricGAN")
