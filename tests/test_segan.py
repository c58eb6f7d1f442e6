"""SEGAN+: the public architecture, its front end, and its random z."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from scipy.signal import lfilter
from torch.nn.functional import conv1d, conv_transpose1d, pad

from unhear.chunks import plan
from unhear.enhancers import load_enhancer, registry, segan
from unhear.errors import FailureError, InputError
from unhear.networks.segan import (
    FIRST,
    FRAMES,
    SEGAN,
    WINDOW,
    Generator,
    de_emphasis,
    pre_emphasis,
)
from unhear.protect import grid_at, working_rate

if TYPE_CHECKING:
    from torch import Tensor

CARD = registry()["segan"].card
PUBLIC_KEYS = {  # of segan+_generator.ckpt
    *(f"enc_blocks.{n}.conv.{part}" for n in range(5) for part in ("weight", "bias")),
    *(f"enc_blocks.{n}.act.weight" for n in range(5)),
    *(f"alpha_{n}.skip_k" for n in range(4)),
    *(f"dec_blocks.{n}.deconv.{part}" for n in range(5) for part in ("weight", "bias")),
    *(f"dec_blocks.{n}.act.weight" for n in range(4)),
}


def generator(seed: int = 0, width: int = 2) -> Generator:
    """Random weights, also where training would start with ones and zeros."""
    torch.manual_seed(seed)
    network = Generator(width)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "act" in name or "alpha" in name:
                parameter.uniform_(0.1, 1)
    return network


def enhancer(latent: Any = "fresh") -> SEGAN:
    return SEGAN(CARD, generator(), latent)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_keys_shapes_and_parameters_are_those_of_the_public_checkpoint() -> None:
    with torch.device("meta"):
        official, ours = Generator(), Generator(32)
    assert sum(p.numel() for p in official.parameters()) == 64_770_561
    assert sum(p.numel() for p in ours.parameters()) == CARD.parameters == 16_195_841
    shapes = {name: tuple(value.shape) for name, value in official.state_dict().items()}
    assert shapes.keys() == PUBLIC_KEYS
    assert shapes["enc_blocks.4.conv.weight"] == (1024, 512, 31)
    assert shapes["alpha_3.skip_k"] == (1, 512, 1)
    assert shapes["dec_blocks.0.deconv.weight"] == (2048, 512, 31)
    assert shapes["dec_blocks.4.deconv.weight"] == (128, 1, 31)


def test_the_network_by_hand() -> None:
    """The documented layers, written out on the names of the public checkpoint."""
    network = generator()
    w = network.state_dict()
    noisy, z = noise(2, WINDOW), torch.randn(2, 32, FRAMES)

    def prelu(x: Tensor, name: str) -> Tensor:
        return torch.where(x > 0, x, x * w[f"{name}.act.weight"][:, None])

    x, skips = noisy[:, None], []
    for n in range(5):
        weight, bias = w[f"enc_blocks.{n}.conv.weight"], w[f"enc_blocks.{n}.conv.bias"]
        linear = conv1d(pad(x, (14, 15), mode="reflect"), weight, bias, stride=4)
        skips.append(linear)
        x = prelu(linear, f"enc_blocks.{n}")
    assert x.shape == z.shape
    x = torch.cat([z, x], 1)
    for n in range(5):
        weight, bias = w[f"dec_blocks.{n}.deconv.weight"], w[f"dec_blocks.{n}.deconv.bias"]
        x = conv_transpose1d(x, weight, bias, stride=4, padding=13)[..., :-1]
        if n < 4:
            skip = skips[3 - n] * w[f"alpha_{3 - n}.skip_k"]
            x = torch.cat([prelu(x, f"dec_blocks.{n}"), skip], 1)
    torch.testing.assert_close(network(noisy, z), x[:, 0].tanh(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 2, 3, 313, 512, 40_000])
def test_de_emphasis_is_the_recursive_filter(samples: int) -> None:
    audio = noise(2, samples)
    expected = lfilter([1.0], [1.0, -0.95], audio.double().numpy())
    found = de_emphasis(audio)
    # Float32 rounds to 1e-7 of sums that are up to 20 times the input.
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), rtol=0, atol=1e-6)
    torch.testing.assert_close(de_emphasis(pre_emphasis(audio)), audio, rtol=0, atol=1e-6)
    emphasised = lfilter([1.0, -0.95], [1.0], audio.numpy())
    torch.testing.assert_close(pre_emphasis(audio), torch.from_numpy(emphasised).float())


def test_the_gradient_of_de_emphasis_is_the_filter_run_backwards() -> None:
    audio, weights = noise(1, 3000).requires_grad_(), noise(1, 3000, seed=1)
    (gradient,) = torch.autograd.grad((de_emphasis(audio) * weights).sum(), audio)
    backwards = lfilter([1.0], [1.0, -0.95], weights.flip(1).numpy())
    expected = torch.from_numpy(backwards.copy()).float().flip(1)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-6)


def test_the_front_end_by_hand() -> None:
    """Emphasis over the whole clip, windows one after the other, zeros behind the last."""
    fixed = enhancer("fixed")
    audio = noise(1, 2 * WINDOW + 1000)
    emphasised = torch.from_numpy(lfilter([1.0, -0.95], [1.0], audio.numpy())).float()
    windows = pad(emphasised, (0, WINDOW - 1000)).reshape(3, WINDOW)
    random = torch.Generator().manual_seed(0)
    z = [torch.randn(1, 32, FRAMES, generator=random) for _ in range(3)]
    rows = [fixed.network(window[None], own) for window, own in zip(windows, z, strict=True)]
    enhanced = torch.cat(rows, dim=1)[:, : audio.shape[1]]
    expected = torch.from_numpy(lfilter([1.0], [1.0, -0.95], enhanced.detach().numpy()))
    torch.testing.assert_close(fixed(audio), expected.float(), rtol=0, atol=1e-5)


def test_z_is_fresh_at_every_call_unless_it_is_fixed() -> None:
    audio = noise(1, 3000)
    fixed, fresh = enhancer("fixed"), enhancer("fresh")
    once, again = fresh(audio), fresh(audio)
    assert not torch.equal(once, again)
    fresh.reseed(0)
    assert torch.equal(fresh(audio), once)
    assert torch.equal(fresh(audio), again)
    fresh.reseed(1)
    assert not torch.equal(fresh(audio), once)
    kept = fixed(audio)
    assert torch.equal(fixed(audio), kept)
    fixed.reseed(1)
    assert not torch.equal(fixed(audio), kept)


@pytest.mark.parametrize("latent", ["fixed", "fresh"])
def test_batches_equal_single_clips_for_the_same_draw(latent: str) -> None:
    lengths = torch.tensor([9_999, 2 * WINDOW + 5, 1, WINDOW])
    clips = [noise(int(n), seed=i) for i, n in enumerate(lengths)]
    batch = torch.zeros(4, int(lengths.max()))
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    network = enhancer(latent)
    network(batch[:1])  # so that it is about the second draw
    together = network(batch, lengths)
    for row, clip in zip(together, clips, strict=True):
        network.reseed(0)
        network(clip[None])
        alone = network(clip[None])[0]
        torch.testing.assert_close(row[: len(clip)], alone, rtol=0, atol=1e-6)
        assert not row[len(clip) :].any()


@pytest.mark.parametrize(
    "audio",
    [noise(1, 8000), torch.zeros(1, 8000), noise(1, 8000).sign(), noise(1, 1)],
    ids=["noise", "silence", "clipping", "one sample"],
)
def test_gradients_are_finite(audio: Tensor) -> None:
    audio = audio.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(enhancer()(audio).square().sum(), audio)
    assert torch.isfinite(gradient).all()
    assert gradient.any()


def test_a_gradient_agrees_with_a_finite_difference() -> None:
    fixed = enhancer("fixed")
    audio, direction = noise(1, WINDOW + 2000), noise(1, WINDOW + 2000, seed=1)

    def loss(x: Tensor) -> Tensor:
        return fixed(x).square().sum()

    variable = audio.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(variable), variable)
    step = 1e-2
    rise = (loss(audio + step * direction) - loss(audio - step * direction)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), rise, rtol=0.03, atol=1e-4)


def old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        key.replace("enc_blocks", "gen_enc")
        .replace("dec_blocks", "gen_dec")
        .replace("deconv", "conv"): value
        for key, value in state.items()
    }


@pytest.mark.parametrize("width", [1, 3])
def test_the_official_files_load_unchanged(width: int, tmp_path: Path) -> None:
    """As the authors save them, in their folder, under their first names, and safe."""
    state = generator(3, width).state_dict()
    saved = {"step": 7, "state_dict": state, "optimizer": {"param_groups": []}}
    torch.save(saved, tmp_path / "segan+_generator.ckpt")
    torch.save({"state_dict": old_names(state)}, tmp_path / "old.ckpt")
    save_file(dict(state), tmp_path / "weights.safetensors")
    expected = SEGAN(CARD, generator(3, width))(noise(1, 3000))
    for name in ("segan+_generator.ckpt", "", "old.ckpt", "weights.safetensors"):
        loaded = load_enhancer("segan", str(tmp_path / name))
        assert torch.equal(loaded(noise(1, 3000)), expected)


def test_half_precision_is_read_into_single_precision(tmp_path: Path) -> None:
    half = {name: value.half() for name, value in generator().state_dict().items()}
    save_file(half, tmp_path / "half.safetensors")
    loaded = load_enhancer("segan", str(tmp_path / "half.safetensors"))
    assert isinstance(loaded, SEGAN)
    for name, value in loaded.network.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, half[name].float())


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    for number, wrong in enumerate(({"a": torch.ones(1)}, generator().state_dict())):
        path = tmp_path / f"{number}.ckpt"
        torch.save({**wrong, "enc_blocks.3.conv.bias": torch.ones(5)}, path)
        with pytest.raises(InputError, match="another network than segan"):
            load_enhancer("segan", str(path))
    for wrong, message in (
        ({FIRST: torch.tensor(1.0)}, "another network than segan"),
        ({0: torch.ones(1)}, "not a plain state dict"),
    ):
        torch.save(wrong, tmp_path / "odd.ckpt")
        with pytest.raises(InputError, match=message):
            load_enhancer("segan", str(tmp_path / "odd.ckpt"))


@pytest.mark.parametrize("rate", [8_000, 9_600, 11_025, 8_064, 10_080, 11_040])
def test_chunks_begin_with_windows_whatever_the_rate(rate: int) -> None:
    """At the last three, windows begin with a sample only every 25 s or more."""
    working = working_rate(rate, CARD.sample_rate, WINDOW)
    assert working == (rate if rate in {8_000, 9_600, 11_025} else CARD.sample_rate)
    chunks = plan(60 * working, working, grid_at(working, WINDOW, CARD.sample_rate))
    assert len(chunks.starts) > 4
    assert all(start * CARD.sample_rate % (WINDOW * working) == 0 for start in chunks.starts)


def test_without_weights_the_user_learns_how_to_get_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segan, "BUNDLED", tmp_path / "segan.safetensors")
    with pytest.raises(FailureError, match=r"unhear train segan .*or name a file"):
        load_enhancer("segan")
