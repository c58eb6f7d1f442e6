"""The SEGAN recipe on a tiny data set: it learns, resumes, and repeats itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from test_training import RATE, voice, write_manifest

from unhear.enhancers import load_enhancer
from unhear.networks.segan import FRAMES, WINDOW, Generator, pre_emphasis
from unhear.training import run, segan
from unhear.training.segan import Recipe, rate_share
from unhear.training.segan_discriminator import Discriminator
from unhear.training.segan_distance import spectral_distance
from unhear.training.segan_start import GAIN, bfloat16_is_faster, initialise, scaled_groups

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from command_line import Outcome
    from torch import Tensor

TINY = partial(
    Recipe,
    width=2,
    discriminator_width=2,
    warm_epochs=2,
    adversarial_epochs=2,
    steps_per_epoch=2,
    batch_size=2,
    discriminator_epochs=1,
    bfloat16=False,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(2):
        soundfile.write(folder / f"s{number}.flac", voice(number), RATE)
    noise = 0.1 * np.random.default_rng(0).standard_normal(5 * RATE)
    soundfile.write(folder / "n.flac", noise, RATE)
    rows = [(f"s{number}.flac", "speech", "train", "one speaker") for number in range(2)]
    write_manifest(folder, [*rows, ("n.flac", "noise", "train", "")])
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clips to validate on, and no processes to start for their PESQ."""
    monkeypatch.setattr(run, "VALIDATION_CLIPS", 2)
    monkeypatch.setattr(run, "SAVE_EVERY", 1)
    monkeypatch.setattr(run, "worker_pool", ThreadPoolExecutor)
    monkeypatch.setattr(segan, "Recipe", TINY)


def train(cli: Callable[..., Outcome], data: Path, output: Path, *flags: str) -> int:
    """``unhear train segan`` with a network of width 2; returns the exit code."""
    return cli("train", "segan", "--data", str(data), "-o", str(output), *flags).code


def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Outcome]
) -> None:
    """Killed in the warm start and in the other stage; the same seed makes the same weights."""
    monkeypatch.setattr(run, "draw_curves", lambda *_: None)  # slow, and not what this is about
    assert train(cli, data, tmp_path / "whole.safetensors") == 0
    epochs = segan.Training.run_epoch
    output = tmp_path / "resumed.safetensors"
    for killed_after in (1, 3):

        def killed(training: segan.Training, last: int = killed_after) -> dict[str, float]:
            if training.epoch == last:
                raise KeyboardInterrupt
            return epochs(training)

        monkeypatch.setattr(segan.Training, "run_epoch", killed)
        assert train(cli, data, output) == 130
        assert not output.exists()
    monkeypatch.setattr(segan.Training, "run_epoch", epochs)
    assert train(cli, data, output) == 0
    whole, resumed = (load_file(tmp_path / f"{n}.safetensors") for n in ("whole", "resumed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_training_writes_half_precision_that_loads(
    data: Path, tmp_path: Path, cli: Callable[..., Outcome]
) -> None:
    output = tmp_path / "a.safetensors"
    flags = ("--warm-epochs", "1", "--adversarial-epochs", "0", "--seed", "5")
    assert train(cli, data, output, *flags) == 0
    assert {value.dtype for value in load_file(output).values()} == {torch.float16}
    with safe_open(output, "pt") as file:
        described = file.metadata()
    assert (described["seed"], described["width"], described["warm_epochs"]) == ("5", "2", "1")
    assert (tmp_path / "a.safetensors.png").read_bytes().startswith(b"\x89PNG")
    load_enhancer("segan", str(output))


def training(data: Path, recipe: Recipe) -> segan.Training:
    mixtures, _ = run.load_mixtures(run.read_manifest(data), recipe.seed)
    return segan.Training(recipe, mixtures, ThreadPoolExecutor(1))


def test_the_losses_fall(data: Path) -> None:
    own = training(data, TINY(steps_per_epoch=10, learning_rate=3e-3))
    first, second, third, _ = (own.run_epoch() for _ in range(4))
    assert second["supervised"] < 0.7 * first["supervised"]
    assert third["supervised"] < first["supervised"]
    # Half of 1² + 0² at chance is 0.5, and less once it knows something.
    assert third["discriminator"] < 1


def test_the_generator_heeds_the_discriminator_after_its_first_epochs(data: Path) -> None:
    """Another discriminator changes the weights only from then on."""
    states = []
    for width in (2, 3):
        own = training(data, TINY(warm_epochs=0, discriminator_width=width))
        after_each = []
        for _ in range(2):
            own.run_epoch()
            after_each.append(own.generator.state_dict()["enc_blocks.2.conv.weight"].clone())
        states.append(after_each)
    (alone, heeded), (other_alone, other_heeded) = states
    assert torch.equal(alone, other_alone)
    assert not torch.equal(heeded, other_heeded)


def test_the_precision_is_measured_once_and_kept(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def faster(network: Generator, windows: int) -> bool:
        measured.append(windows)
        return True

    monkeypatch.setattr(segan, "bfloat16_is_faster", faster)
    recipe = TINY(bfloat16=None)
    own = training(data, recipe)
    own.run_epoch()
    other = training(data, recipe)
    other.load_state(own.state())
    other.run_epoch()
    assert measured == [2]
    assert other.bfloat16 is True


def test_precisions_are_compared_by_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Begin and end of two steps in float32, which take 10 and 2 s, then in bfloat16: 3 and 1 s.
    clock = iter([0.0, 10.0, 10.0, 12.0, 20.0, 23.0, 30.0, 31.0])
    monkeypatch.setattr("unhear.training.segan_start.perf_counter", lambda: next(clock))
    assert bfloat16_is_faster(Generator(1), 1)


def test_the_rate_falls_over_the_last_share() -> None:
    recipe = Recipe(warm_epochs=60, adversarial_epochs=40, final_share=0.5)
    shares = [rate_share(recipe, epoch) for epoch in range(100)]
    assert shares[0] == shares[44] == 1
    assert shares[60] > shares[80] > shares[99]
    assert shares[99] == pytest.approx(0.1, rel=0.3)


def test_the_first_weights_keep_the_size_of_the_signal() -> None:
    torch.manual_seed(0)
    generator = Generator(16)
    initialise(generator)
    speech = 0.02 * torch.randn(1, WINDOW)
    with torch.no_grad():
        encoded = generator.encode(speech)
        output = generator.decode(encoded, torch.randn(1, generator.latent_channels, FRAMES))
    assert all(0.3 < float(activations.std()) < 3 for activations in encoded)
    assert 0.3 < float(output.std() / speech.std()) < 10
    groups = {group["scale"]: group["params"] for group in scaled_groups(generator)}
    assert groups.keys() == {1.0, GAIN, 1 / GAIN}
    assert groups[GAIN][0] is generator.state_dict(keep_vars=True)["enc_blocks.0.conv.weight"]
    assert sum(len(members) for members in groups.values()) == len(generator.state_dict())


def test_the_spectral_distance_hears_speech_without_emphasis() -> None:
    """A tone counts by its own loudness: emphasis, which halves or doubles it, is undone."""
    time = torch.arange(WINDOW) / RATE

    def distance(hertz: float) -> float:
        tone = 0.1 * torch.sin(2 * torch.pi * hertz * time)[None]
        return float(spectral_distance(pre_emphasis(tone), torch.zeros(1, WINDOW)))

    assert distance(1000) == pytest.approx(distance(6000), rel=0.1)
    windows = 0.1 * torch.randn(2, WINDOW)
    assert float(spectral_distance(windows, windows)) == 0


@pytest.mark.parametrize("level", [0.0, 1e-6, 1.0])
def test_the_gradient_of_the_spectral_distance_is_finite(level: float) -> None:
    enhanced = (level * torch.randn(1, WINDOW)).requires_grad_()
    loss = spectral_distance(enhanced, torch.zeros(1, WINDOW))
    (gradient,) = torch.autograd.grad(loss, enhanced)
    assert torch.isfinite(gradient).all()


def test_the_discriminator_is_blind_to_level() -> None:
    torch.manual_seed(0)
    judge = Discriminator(2)
    clean, noisy = torch.randn(2, 3, WINDOW)

    def scores(gain: float) -> Tensor:
        return judge(gain * clean, gain * noisy)

    assert scores(1).shape == (3, FRAMES)
    torch.testing.assert_close(scores(0.1), scores(1), rtol=1e-2, atol=1e-3)
    assert torch.isfinite(judge(torch.zeros(1, WINDOW), torch.zeros(1, WINDOW))).all()
