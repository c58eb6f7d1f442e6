"""Work on another device than the CPU gives what the CPU gives."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from pretend_device import NAME, PretendDevice
from sounds import DEMO
from torch import Tensor, nn

from unhear.attacks import Attack, make_attack
from unhear.audio import Recording, read, resample
from unhear.blackboxes.base import BlackBox
from unhear.budgets import AWeighted, Budget, Masked, MaxAmplitude, SignalToNoise
from unhear.channels import Passage, channel_names, find_channel, is_coded
from unhear.choices import Choice
from unhear.cli import app
from unhear.datasets import Mixture, Utterance
from unhear.devices import usable
from unhear.enhance import enhanced
from unhear.enhancers import find, load_enhancer
from unhear.enhancers.base import Enhancer
from unhear.errors import FailureError, InputError
from unhear.evaluation.plan import Protection
from unhear.evaluation.work import Listening, Task, make_protector
from unhear.external.adapter import External, Layout
from unhear.networks.base import NetworkEnhancer
from unhear.passages import drawn
from unhear.protect import Protector
from unhear.targets import Target
from unhear.together import protect_together

CARD = replace(find("metricgan+").card, name="gate")
SNR = SignalToNoise(25.0)
PGD = make_attack("pgd", {"steps": 3}, 0)


class Gate(NetworkEnhancer[nn.GRU]):
    """Every block of 256 samples is weighed by what a small recurrent network makes of it."""

    def enhance(self, audio):
        samples = audio.shape[1]
        blocks = nn.functional.pad(audio, (0, -samples % 256)).unflatten(1, (-1, 256))
        weights = self.network(blocks)[0][..., :1].sigmoid()
        return (blocks * weights).flatten(1)[:, :samples]


def gate(seed: int) -> Gate:
    torch.manual_seed(seed)
    return Gate(CARD, nn.GRU(256, 2, batch_first=True))


@cache
def recording(seconds: float, rate: int = 16_000, channels: int = 1) -> Recording:
    """The beginning of the demo, in every channel a little later."""
    demo = read(DEMO)
    samples = resample(demo.samples, demo.sample_rate, rate)[0]
    count = round(seconds * rate)
    return Recording(
        np.stack([samples[100 * i : 100 * i + count] for i in range(channels)]), rate
    )


def protector(
    against: tuple[Enhancer, ...],
    spare: tuple[Enhancer, ...] = (),
    attack: Attack = PGD,
    budget: Budget = SNR,
    target: Target | None = None,
) -> Protector:
    survive = (find_channel("gain"),)
    return Protector(against, target or Target("erase"), attack, budget, spare, survive)


def there(*enhancers: Enhancer) -> tuple[Enhancer, ...]:
    for each in enhancers:
        each.move_to(NAME)
    return enhancers


def as_on_the_cpu(of: Recording, **settings) -> None:
    """Protect against a network and spare another, here and there."""
    here = protector((gate(0),), (gate(1),), **settings)(of)
    with PretendDevice():
        elsewhere = protector(there(gate(0)), there(gate(1)), **settings)(of)
    assert not np.array_equal(here.samples, of.samples)
    np.testing.assert_allclose(elsewhere.samples, here.samples, atol=2**-15)


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "apgd", "least", "opt", "white-noise"])
def test_every_attack(attack: str):
    steps = {} if attack in {"fgsm", "white-noise"} else {"steps": 3}
    as_on_the_cpu(recording(0.5), attack=make_attack(attack, steps, 0))


@pytest.mark.parametrize("budget", [MaxAmplitude(0.002), Masked(0.0), AWeighted(20.0)])
def test_every_budget(budget: Budget):
    as_on_the_cpu(recording(0.5), budget=budget)


@pytest.mark.parametrize("kind", ["silence", "noise", "speech"])
def test_every_target(kind):
    spoken = recording(0.4) if kind == "speech" else None
    as_on_the_cpu(recording(0.5), target=Target(kind, spoken, 0))


@pytest.mark.parametrize("name", channel_names())
def test_every_channel(name: str):
    if is_coded(name):
        pytest.importorskip("av", reason="codecs need PyAV")
    here = passed(drawn(find_channel(name), 16_000, 0), "cpu")
    with PretendDevice():
        elsewhere = passed(drawn(find_channel(name), 16_000, 0), NAME)
    for own, expected in zip(elsewhere, here, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-5, atol=1e-5)


def passed(passage: Passage, device: str) -> tuple[Tensor, Tensor]:
    """What a recording becomes on its way and back, and a gradient of that."""
    clip = torch.from_numpy(recording(0.5).samples).float().to(device).requires_grad_()
    output = passage.back(passage.there(clip), 16_000)
    (gradient,) = torch.autograd.grad(output.square().sum(), clip)
    return output.detach().cpu(), gradient.cpu()


def test_stereo_at_another_rate_in_chunks():
    as_on_the_cpu(recording(0.5, 22_050, 2))
    long = recording(0.5).with_samples(np.tile(recording(0.5).samples, 40))
    as_on_the_cpu(long, attack=make_attack("fgsm", {}, 0))


def test_the_default_network():
    of = recording(0.5)
    here = protector((load_enhancer(),))(of)
    with PretendDevice():
        elsewhere = protector(there(load_enhancer()))(of)
    np.testing.assert_allclose(elsewhere.samples, here.samples, atol=2**-15)


def test_enhancing_takes_audio_there_and_brings_it_back():
    of = recording(0.5, channels=2)
    expected = enhanced(of, gate(0)).samples
    with PretendDevice():
        (enhancer,) = there(gate(0))
        np.testing.assert_allclose(enhanced(of, enhancer).samples, expected, atol=1e-6)
        clips = torch.from_numpy(of.samples).float()
        lengths = torch.tensor([clips.shape[1], 3000])
        ragged, own = enhancer(clips, lengths), gate(0)(clips, lengths)
    assert ragged.device.type == "cpu"
    torch.testing.assert_close(ragged, own)


def test_what_is_no_network_stays_on_the_cpu():
    black_box = BlackBox(CARD, lambda samples: samples / 2)
    function = External(CARD, torch.tanh, Layout("(batch, time)", (-1,), together=True))
    for enhancer in there(black_box, function):
        with PretendDevice():
            clip = torch.full((1, 5000), 0.5).to(NAME)
            output = enhancer(clip)
        assert enhancer.device == "cpu"
        assert output.device.type == NAME


class Windowed(nn.Module):
    """A model that makes a tensor on the CPU, wherever it is."""

    def forward(self, audio):
        return audio * torch.ones(audio.shape[-1])


def test_a_model_that_cannot_be_moved_says_so_and_stays():
    enhancer = External(CARD, Windowed(), Layout("(batch, time)", (-1,), together=True))
    with PretendDevice():
        with pytest.raises(InputError, match=r"cannot work on .*: leave --device out"):
            enhancer.move_to(NAME)
        assert enhancer.device == "cpu"
        assert bool(enhancer(torch.ones(1, 5000)).all())


def test_recordings_together(monkeypatch: pytest.MonkeyPatch):
    of = [recording(0.5), recording(0.3)]
    expected = protect_together(protector((gate(0),)), of)
    run = Thread.run

    def run_with_the_device(thread: Thread) -> None:
        with PretendDevice():  # which each thread has for itself
            run(thread)

    monkeypatch.setattr(Thread, "run", run_with_the_device)
    with PretendDevice():
        found = protect_together(protector(there(gate(0))), of)
    for own, other in zip(found, expected, strict=True):
        assert isinstance(own, Recording)
        assert isinstance(other, Recording)
        np.testing.assert_allclose(own.samples, other.samples, atol=2**-15)


def test_what_is_asked_for_goes_there():
    choice = Choice(against=["metricgan+"], spare=["segan"], device=NAME)
    listening = Listening(Path(), "base", "en", 0, dnsmos=False)
    way = Protection(("metricgan+",), PGD, "erase", SNR, spare=("segan",))
    task = Task(Mixture(Utterance("clip", DEMO, "", "words")), way, None, (), listening)
    elsewhere = replace(task, listening=replace(listening, device=NAME))
    with PretendDevice():
        made, evaluated = choice.make_protector(), make_protector(elsewhere)
        assert load_enhancer(device=NAME).device == NAME
    for each in (*made.against, *made.spare, *evaluated.against, *evaluated.spare):
        assert each.device == NAME
    assert choice.described()["device"] == NAME
    assert "device" not in task.about_protection()
    assert elsewhere.about_protection()["device"] == NAME


def test_memory_that_is_not_enough(monkeypatch: pytest.MonkeyPatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    enhancer = gate(0)
    monkeypatch.setattr(enhancer, "enhance", full)
    with pytest.raises(FailureError, match="--device cpu"):
        protector((enhancer,))(recording(0.3))
    with pytest.raises(FailureError, match="--device cpu"):
        enhanced(recording(0.3), enhancer)


def test_tensors_of_two_devices_cannot_be_mixed():
    """Else the tests above would show nothing."""
    with PretendDevice():
        audio = torch.ones(4).to(NAME)
        assert float(audio.sum()) == 4
        with pytest.raises(RuntimeError, match="two devices"):
            audio + torch.ones(4)


def test_auto_is_the_cpu_without_a_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert usable("auto") == "cpu"
    assert usable("cpu:0") == "cpu"


@pytest.mark.parametrize("name", ["nowhere", "meta", "cuda:999", "hpu"])
def test_a_device_that_is_not_there(name: str, tmp_path: Path):
    output = ["-o", str(tmp_path / "out"), "--device", name]
    for command in ("protect", str(DEMO)), ("enhance", str(DEMO)), ("evaluate", str(DEMO)):
        with pytest.raises(InputError, match=rf"device '{name}' .*: leave --device out"):
            app([*command, *output])
    assert not list(tmp_path.iterdir())
