"""Perturbation generators: the network, what attacks make of it, and how it is trained."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_training_segan import data  # noqa: F401  a fixture
from toys import Gain, Linear

from unhear.attacks import APGD, PGD, make_attack
from unhear.attacks.base import first_points
from unhear.audio import Recording, read
from unhear.budgets import AWeighted, Budget, Masked, MaxAmplitude, SignalToNoise
from unhear.channels import path_to_enhancer
from unhear.enhancers import load_enhancer
from unhear.errors import AbsentError, FailureError, InputError
from unhear.evaluation.plan import protections
from unhear.generators import BUNDLED, about_generators, generators, require_generators
from unhear.networks import generator as networks
from unhear.networks.base import NetworkEnhancer
from unhear.networks.generator import (
    PerturbationGenerator,
    digest_of_weights,
    load_generator,
)
from unhear.objective import Defeat, Heard, Objective
from unhear.protect import Protector
from unhear.targets import Distance, Target, resemblance
from unhear.together import protect_together
from unhear.training import generator as recipes
from unhear.training import run
from unhear.training.generator import Recipe, learning_rate, least_db

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from command_line import Outcome

RATE = 16_000
DEMO = Path(__file__).parent.parent / "src" / "unhear" / "assets" / "demo.wav"
SAMPLES = 640


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Suggesting(Linear):
    """y = A x, and always the same suggestion, row by row."""

    def __init__(self, matrix: torch.Tensor, suggestion: torch.Tensor) -> None:
        super().__init__(matrix)
        self.suggestion = suggestion

    def suggested(self, audio: torch.Tensor) -> torch.Tensor:
        return self.suggestion[: len(audio), : audio.shape[1]]


def objective(*enhancers: Linear | Gain) -> Objective:
    still = torch.zeros(2, SAMPLES)
    return Objective(
        [Defeat(Heard(each, []), Distance(still, "mse"), still) for each in enhancers]
    )


@pytest.fixture
def audio() -> torch.Tensor:
    return 0.1 * random(2, SAMPLES)


# The network


@pytest.fixture(scope="module")
def network() -> PerturbationGenerator:
    torch.manual_seed(0)
    return PerturbationGenerator().eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("samples", [1, 127, 513, 4000])
def test_any_length_comes_out_as_long(network: PerturbationGenerator, samples: int) -> None:
    found = network(0.1 * random(2, samples))
    assert found.shape == (2, samples)
    assert bool(found.isfinite().all())


def test_a_clip_does_not_feel_its_neighbours(network: PerturbationGenerator) -> None:
    clips = torch.stack([random(4000), 0.01 * random(4000, seed=1)])
    apart = torch.cat([network(clip[None]) for clip in clips])
    torch.testing.assert_close(network(clips), apart, rtol=1e-4, atol=1e-5)


def test_silence_stays_silent(network: PerturbationGenerator) -> None:
    assert not network(torch.zeros(1, 4000)).any()


def test_it_follows_the_sign_and_the_hop(network: PerturbationGenerator) -> None:
    """What it says is relative to the recording's own phase."""
    clip = 0.1 * random(1, 16_000)
    clip[:, :4000] = clip[:, -4000:] = 0  # so that no edge is felt
    found = network(clip)
    torch.testing.assert_close(network(-clip), -found)
    later = network(torch.roll(clip, networks.HOP, -1))[:, 3000:-3000]
    torch.testing.assert_close(
        later, torch.roll(found, networks.HOP, -1)[:, 3000:-3000], rtol=1e-3, atol=1e-4
    )


# What attacks make of it


@pytest.mark.parametrize("own", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_suggestion_goes_back_as_a_gradient_does(own: int, channels: int) -> None:
    """Of all small steps it is the one after which what arrives has most of it."""
    enhancer = Suggesting(torch.eye(SAMPLES), random(6, SAMPLES, seed=3))
    heard = Heard(enhancer, path_to_enhancer(channels, own, RATE, mono=channels > 1))
    audio = 0.1 * random(channels, own * SAMPLES // RATE, seed=4)
    audio = audio[:, : own * 512 // RATE]
    found = heard.suggested(audio)
    assert found is not None
    step = random(*audio.shape, seed=5)
    arrives = heard.arriving(audio + step) - heard.arriving(audio)
    wanted = enhancer.suggested(arrives)
    torch.testing.assert_close(
        (found * step).sum(), (wanted * arrives).sum(), rtol=1e-3, atol=1e-3
    )


def test_every_enhancer_has_as_much_of_a_say(audio: torch.Tensor) -> None:
    """However loud its generator is."""
    ones, others = random(2, SAMPLES, seed=1), random(2, SAMPLES, seed=2)
    enhancers = [Suggesting(torch.eye(SAMPLES), each) for each in (ones, 100 * others)]
    found = objective(*enhancers).suggested(audio)
    units = [each / each.norm(dim=-1, keepdim=True) for each in (ones, others)]
    torch.testing.assert_close(found, units[0] + units[1])
    with pytest.raises(InputError, match="no generator was trained against gain"):
        objective(*enhancers, Gain(1.0)).suggested(audio)


BUDGETS = [SignalToNoise(25.0), MaxAmplitude(0.002), Masked(10.0), AWeighted(25.0)]


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
def test_the_generator_fills_the_budget_in_its_own_shape(
    audio: torch.Tensor, budget: Budget
) -> None:
    budget = budget.at_rate(RATE).around(audio)
    suggestion = random(2, SAMPLES, seed=1)
    goal = objective(Suggesting(torch.eye(SAMPLES), suggestion))
    delta = make_attack("generator", {})(audio, goal, budget)
    filled = budget.size(delta) / budget.radius(audio)
    assert bool(((filled > 0.7) & (filled < 1 + 1e-4)).all())
    likeness = torch.nn.functional.cosine_similarity(delta, suggestion)
    least = {MaxAmplitude: 0.9, Masked: 0.5}.get(type(budget), 0.999)
    assert bool((likeness > least).all())


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_random_and_a_learned_start_are_within_the_budget(
    audio: torch.Tensor, budget: Budget, share: float
) -> None:
    budget = budget.at_rate(RATE).around(audio)
    goal = objective(Suggesting(torch.eye(SAMPLES), random(2, SAMPLES, seed=1)))
    first, second = first_points(audio, goal, budget, (0.5, share), [0, 1])
    assert not torch.equal(first, second)
    for delta in (first, second):
        assert bool((budget.size(delta) < (1 + 1e-4) * budget.radius(audio)).all())
    [alone] = first_points(audio, goal, budget, (0.0, share), [0])
    assert bool((budget.size(alone) < share * (1 + 1e-4) * budget.radius(audio)).all())


@pytest.mark.parametrize("attack", [PGD(steps=1), APGD(steps=2)])
def test_a_learned_start_is_where_an_attack_begins(
    attack: PGD | APGD, audio: torch.Tensor
) -> None:
    """With silence wanted of y = x, the best perturbation is towards -x: that is suggested."""
    still = partial(type(attack), steps=attack.steps, start=0.0)
    budget, goal = SignalToNoise(20.0), objective(Suggesting(torch.eye(SAMPLES), -audio))
    delta = still(learned_start=1.0)(audio, goal, budget)
    best = -audio * budget.radius(audio) / audio.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(delta, best, rtol=1e-3, atol=1e-6)
    wrong = objective(Suggesting(torch.eye(SAMPLES), random(2, SAMPLES, seed=1)))
    elsewhere = still(step_size=0.01, learned_start=1.0)(audio, wrong, budget)
    assert bool((torch.nn.functional.cosine_similarity(elsewhere, best) < 0.5).all())


def test_silence_is_started_from_silence(audio: torch.Tensor) -> None:
    goal = objective(Suggesting(torch.eye(SAMPLES), torch.zeros(2, SAMPLES)))
    assert not make_attack("generator", {})(
        torch.zeros_like(audio), goal, SignalToNoise(25.0)
    ).any()


@pytest.mark.parametrize("name", ["generator", "pgd", "apgd"])
def test_without_a_generator_there_is_no_learned_start(name: str, audio: torch.Tensor) -> None:
    settings = {} if name == "generator" else {"learned_start": 1.0}
    with pytest.raises(InputError, match="no generator was trained against gain"):
        make_attack(name, settings)(audio, objective(Gain(1.0)), SignalToNoise(25.0))


# The bundled ones

NAMES = sorted(path.stem for path in BUNDLED.glob("*.safetensors"))


def loaded(name: str) -> NetworkEnhancer:
    try:
        enhancer = load_enhancer(name)
    except AbsentError as error:
        pytest.skip(f"no weights: {error}")
    assert isinstance(enhancer, NetworkEnhancer)
    return enhancer


def left(enhancer: NetworkEnhancer, noisy: Recording, protected: Recording) -> float:
    clips = [torch.from_numpy(each.samples).float() for each in (protected, noisy)]
    with torch.no_grad():
        return float(resemblance(*map(enhancer, clips), RATE))


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_generator_does_more_than_noise_and_helps(name: str) -> None:
    enhancer, noisy = loaded(name), read(DEMO)

    def after(attack: str, **settings: float) -> float:
        made = make_attack(attack, settings)
        way = Protector((enhancer,), Target("erase"), made, SignalToNoise(25.0))
        return left(enhancer, noisy, way(noisy))

    assert after("generator") < after("white-noise") - 0.05
    few = {"steps": 2, "step_size": 0.5}
    assert after("pgd", **few, learned_start=1.0) < after("pgd", **few) - 0.05


def test_the_default_enhancer_has_one() -> None:
    assert "metricgan+" in NAMES


def test_other_weights_have_no_generator() -> None:
    enhancer = load_enhancer("metricgan+")
    assert isinstance(enhancer, NetworkEnhancer)
    next(enhancer.network.parameters()).add_(1e-3)
    assert enhancer.suggested(random(1, 4000)) is None


def test_together_begin_as_alone() -> None:
    noisy = read(DEMO)
    recordings = [
        noisy.with_samples(noisy.samples[:, begin : begin + 6000]) for begin in (0, 9000)
    ]
    way = Protector(
        (load_enhancer("metricgan+"),),
        Target("erase"),
        PGD(steps=1, learned_start=1.0),
        SignalToNoise(25.0),
    )
    for alone, beside in zip(
        map(way, recordings), protect_together(way, recordings), strict=True
    ):
        assert isinstance(beside, Recording)
        torch.testing.assert_close(
            *map(torch.from_numpy, (beside.samples, alone.samples)), atol=1e-5, rtol=0
        )


def test_a_damaged_one_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "metricgan+.safetensors")
    monkeypatch.setattr("unhear.generators.BUNDLED", tmp_path)
    enhancer = load_enhancer("metricgan+")
    with pytest.raises(FailureError, match=r"the generator against metricgan\+ .* is damaged"):
        enhancer.suggested(random(1, 4000))


def test_the_users_own_come_first_and_tell_rows_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNHEAR_WEIGHTS", str(tmp_path))
    names, learned = ["metricgan+"], make_attack("pgd", {"learned_start": 1.0})
    bundled = about_generators(learned, names)
    own = tmp_path / "generators" / "metricgan+.safetensors"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    assert generators()["metricgan+"] == own
    assert bundled["generators"]
    assert about_generators(learned, names) != bundled
    assert about_generators(make_attack("pgd", {}), names) == {}


@pytest.mark.parametrize("name", ["rnnoise", "mine.pt", "/somewhere/dtln"])
def test_what_has_none_is_refused_before_the_work(name: str) -> None:
    with pytest.raises(InputError, match=f"no generator was trained against {name}"):
        require_generators(make_attack("generator", {}), ["metricgan+", name])
    require_generators(make_attack("pgd", {}), [name])


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="another network than a perturbation generator"):
        load_generator(path)


# The command line


def test_protecting_without_gradients(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    output = tmp_path / "protected.wav"
    assert cli("protect", str(DEMO), "-o", str(output), "--attack", "generator").code == 0
    assert not (read(output).samples == read(DEMO).samples).all()


@pytest.mark.parametrize(
    "more", [("--target", "silence"), ("--spare", "segan"), ("--survive", "pcm16")]
)
def test_a_generator_is_asked_for_nothing_else(
    more: tuple[str, ...], cli: Callable[..., Outcome], tmp_path: Path
) -> None:
    given = ("protect", str(DEMO), "-o", str(tmp_path / "o.wav"), "--attack", "generator")
    outcome = cli(*given, *more)
    assert outcome.code == 2
    assert "has learnt to erase and nothing else" in outcome.err


def test_a_grid_has_a_generator_once() -> None:
    found = protections(
        [("metricgan+",)],
        ["generator"],
        ["silence", "erase"],
        [SignalToNoise(25.0)],
        {},
        seed=0,
        spare=("segan",),
    )
    assert [(each.target, each.spare) for each in found] == [("erase", ())]
    with pytest.raises(InputError, match="no generator was trained against segan"):
        protections([("segan",)], ["generator"], ["erase"], [SignalToNoise(25.0)], {}, seed=0)


def test_what_has_no_generator_is_named(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("def build(audio):\n    return audio\n")
    given = ("protect", str(DEMO), "-o", str(tmp_path / "o.wav"), "--against", f"{own}:build")
    outcome = cli(*given, "--attack", "generator")
    assert outcome.code == 2
    assert "no generator was trained against" in outcome.err


# Training

SHORT = partial(Recipe, warm_epochs=1, adversarial_epochs=2, steps_per_epoch=2, batch_size=2)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clips to validate on, no processes, no pictures."""
    monkeypatch.setattr(run, "VALIDATION_CLIPS", 2)
    monkeypatch.setattr(run, "SAVE_EVERY", 1)
    monkeypatch.setattr(run, "worker_pool", ThreadPoolExecutor)
    monkeypatch.setattr(run, "draw_curves", lambda *_: None)
    monkeypatch.setattr(recipes, "Recipe", SHORT)


def flags(data: Path, output: Path, *more: str) -> Sequence[str]:  # noqa: F811
    return ("train", "generator", "--data", str(data), "-o", str(output), *more)


@pytest.mark.usefixtures("small")
def test_a_killed_training_goes_on(
    data: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cli: Callable[..., Outcome],
) -> None:
    whole, resumed = tmp_path / "whole.safetensors", tmp_path / "resumed.safetensors"
    assert cli(*flags(data, whole, "--against", "metricgan+")).code == 0
    epochs = recipes.Training.run_epoch

    def killed(training: recipes.Training) -> dict[str, float]:
        if training.epoch == 2:
            raise KeyboardInterrupt
        return epochs(training)

    monkeypatch.setattr(recipes.Training, "run_epoch", killed)
    assert cli(*flags(data, resumed, "--against", "metricgan+")).code == 130
    monkeypatch.setattr(recipes.Training, "run_epoch", epochs)
    assert cli(*flags(data, resumed, "--against", "metricgan+")).code == 0
    ends = [load_file(path) for path in (whole, resumed)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    enhancer = load_enhancer("metricgan+")
    assert isinstance(enhancer, NetworkEnhancer)
    assert load_generator(whole)[1] == digest_of_weights(enhancer.network)


@pytest.mark.usefixtures("small")
def test_a_training_does_not_go_on_with_other_lengths(
    data: Path,  # noqa: F811
    tmp_path: Path,
    cli: Callable[..., Outcome],
) -> None:
    """Its rate and its budgets hang on them from the first step on."""
    output = tmp_path / "x.safetensors"
    given = flags(data, output, "--against", "metricgan+", "--warm-epochs", "1")
    assert cli(*given, "--adversarial-epochs", "0").code == 0
    outcome = cli(*given, "--adversarial-epochs", "1", "--force")
    assert outcome.code == 2
    assert "was made with another adversarial_epochs" in outcome.err


@pytest.mark.usefixtures("small")
def test_training_lowers_the_loss(
    data: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On one batch again and again, so that chance has no part in it."""
    from unhear.datasets import read_manifest
    from unhear.training.mixtures import load_mixtures

    mixtures, _ = load_mixtures(read_manifest(data), 0)
    with ThreadPoolExecutor(1) as pool:
        training = recipes.Training(
            SHORT("metricgan+", steps_per_epoch=15, rising=1), mixtures, pool
        )
    monkeypatch.setattr(mixtures.__class__, "batch", _the_same(mixtures.batch(0, 0, 2)))
    monkeypatch.setattr(training, "_budgets", lambda _: torch.full((2, 1), 14.0))
    losses = [training.run_epoch()["loss"] for _ in range(2)]
    assert losses[1] < losses[0] - 0.2


def _the_same(batch: object) -> Callable[..., object]:
    return lambda *_: batch


def test_budgets_shrink_and_the_rate_rises_and_falls() -> None:
    recipe = Recipe("metricgan+")
    assert least_db(recipe, 0) == recipe.first_db
    assert least_db(recipe, 1250) == (recipe.first_db + recipe.final_db) / 2
    assert {least_db(recipe, step) for step in (2500, 4999)} == {recipe.final_db}
    rates = [learning_rate(recipe, step) for step in (0, 99, 4999)]
    assert rates[0] == pytest.approx(recipe.learning_rate / 100)
    assert rates[1] == pytest.approx(recipe.learning_rate, rel=0.01)
    assert rates[2] == pytest.approx(recipe.learning_rate / 50, rel=0.01)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "trained --against an enhancer"),
        (("--against", "rnnoise"), "rnnoise has no gradients"),
        (("--against", "nonsense"), "there is no enhancer"),
    ],
)
@pytest.mark.usefixtures("small")
def test_what_nothing_can_be_trained_against_is_named(
    more: Sequence[str],
    said: str,
    data: Path,  # noqa: F811
    tmp_path: Path,
    cli: Callable[..., Outcome],
) -> None:
    outcome = cli(*flags(data, tmp_path / "x.safetensors", *more))
    assert outcome.code == 2
    assert said in outcome.err
