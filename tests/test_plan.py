"""Plans: what a grid expands to, and what a YAML file may say."""

from __future__ import annotations

import pytest

from unhear.attacks import FGSM, OPT, PGD
from unhear.attacks.white_noise import WhiteNoise
from unhear.budgets import MaxAmplitude, SignalToNoise, Unbounded
from unhear.errors import InputError
from unhear.evaluation.plan import Listener, Plan, Protection, protections
from unhear.evaluation.plan_file import read_plan
from unhear.experiments import EXPERIMENTS, OURS, PAPERS, chosen

SNR = SignalToNoise(25.0)
DIFFERENTIABLE = ("metricgan+", "segan", "dtln", "gtcrn", "nsnet2", "deepfilternet3")


def test_a_grid_is_every_combination():
    found = protections(
        [("dtln",), ("gtcrn",)],
        ["pgd", "fgsm"],
        ["silence"],
        [SNR, MaxAmplitude(0.01)],
        {},
        seed=3,
    )
    assert len(found) == 8
    assert found[0] == Protection(("dtln",), PGD(seed=3), "silence", SNR)
    assert found[-1] == Protection(("gtcrn",), FGSM(), "silence", MaxAmplitude(0.01))


def test_each_attack_takes_the_settings_that_it_has():
    settings = {"steps": 7, "momentum": 0.5}
    pgd, opt, noise = protections(
        [("dtln",)], ["pgd", "opt", "white-noise"], ["silence"], [SNR], settings, seed=0
    )
    assert pgd.attack == PGD(steps=7, momentum=0.5)
    assert opt.attack == OPT(steps=7)
    assert noise.attack == WhiteNoise()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"attacks": ["pdg"]}, "did you mean pgd"),
        ({"targets": ["quiet"]}, "there is no target called 'quiet'"),
        ({"settings": {"alpha": 1.0}}, "--alpha does not belong to pgd"),
        ({"budgets": [Unbounded()]}, "pgd needs a budget"),
        ({"spare": ("dtln",)}, "dtln cannot be defeated and spared"),
    ],
)
def test_what_does_not_go_together_is_told(change, sentence):
    given = {"attacks": ["pgd"], "targets": ["silence"], "budgets": [SNR], "settings": {}}
    with pytest.raises(InputError, match=sentence):
        protections([("dtln",)], **given | change, seed=0)


def test_the_listener_that_was_attacked_comes_first_and_once():
    way = Protection(("dtln",), PGD(), "silence", SNR)
    plan = Plan((way,), heard_by=("gtcrn", "dtln"))
    assert plan.listeners(way) == (Listener("dtln"), Listener("gtcrn"))
    assert Plan((way,)).listeners(way) == (Listener("dtln"),)


def test_every_listener_hears_it_after_every_channel_and_after_none():
    way = Protection(("dtln",), PGD(), "silence", SNR, spare=("gtcrn",))
    found = Plan((way,), through=("opus-24k",)).listeners(way)
    assert list(map(str, found)) == [
        *("dtln", "gtcrn"),
        *("dtln after opus-24k", "gtcrn after opus-24k"),
    ]


def test_enhancers_in_an_inner_list_are_defeated_together(tmp_path):
    text = """
protections:
  - {against: [[dtln, gtcrn], nsnet2], snr: 25, spare: segan, survive: [gain, opus-24k]}
through: mp3-64k
"""
    plan = read_plan(written(tmp_path, text))
    assert [way.against for way in plan.protections] == [("dtln", "gtcrn"), ("nsnet2",)]
    assert plan.protections[0].spare == ("segan",)
    assert plan.protections[0].survive == ("gain", "opus-24k")
    assert plan.through == ("mp3-64k",)
    assert "sparing segan, surviving gain + opus-24k" in plan.protections[0].title


def written(tmp_path, text):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    return path


TEXT = """
title: Try
snrs_db: [-4, 4]
clips: 5
seed: 2
protections:
  - {against: [dtln, gtcrn], attack: [pgd, fgsm], target: silence, snr: [25, 30], steps: 9}
  - {against: dtln, attack: opt, target: speech, unbounded: true}
quick: {clips: 1}
paper: {wer: 89}
"""


def test_yaml_says_the_same_as_python(tmp_path):
    path = written(tmp_path, TEXT)
    plan = read_plan(path)
    assert (plan.title, plan.snrs_db, plan.clips) == ("Try", (-4.0, 4.0), 5)
    assert len(plan.protections) == 9
    assert plan.protections[0] == Protection(("dtln",), PGD(steps=9, seed=2), "silence", SNR)
    assert plan.protections[-1] == Protection(("dtln",), OPT(), "speech", Unbounded())
    assert read_plan(path, quick=True).clips == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("clips: 3", "needs protections"),
        ("protections: [dtln]", "'dtln' is no protection"),
        ("protections: [{against: dtln}]", "one of snr, eps, masked"),
        ("protections: [{against: dtln, snr: 25}]\nclip: 3", "no key 'clip'"),
        ("protections: [{against: dtln, snr: 25}]\nclips: many", "clips cannot be 'many'"),
        ("protections: [{against: dtln, snr: 25}]\nclips: .inf", "clips cannot be inf"),
        ("protections: [{against: dtln, snr: 25, seed: 3}]", "has no seed of its own"),
        ("protections: [{against: dtln, unbounded: false}]", "`unbounded: true`"),
        ("protections: [{against: [], snr: 25}]", "is no protection"),
        ("protections: [{against: dtln, snr: loud}]", "snr cannot be 'loud'"),
        ("protections: [{against: dtln, snr: 25, steps: 2.5}]", "steps cannot be 2.5"),
        ("protections: [{against: dtln, snr: 25, sound: 2}]", "--sound does not belong"),
        ("protections: [{against: dtln, snr: 25}]\nevery_noise: 'no'", "every_noise cannot be"),
        ("- 1", "holds no plan"),
        ("a: [", "cannot be read as YAML"),
    ],
)
def test_a_bad_file_is_told_with_its_name(tmp_path, text, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        read_plan(written(tmp_path, text))
    assert "plan.yaml" in str(caught.value)


def test_numbers_that_yaml_takes_for_texts(tmp_path):
    text = "protections: [{against: dtln, attack: opt, unbounded: true, alpha: 1e-3}]"
    (way,) = read_plan(written(tmp_path, text)).protections
    assert way.attack == OPT(alpha=0.001)


def test_titles_tell_protections_apart():
    ways = [
        Protection(("dtln",), PGD(momentum=momentum), "silence", SNR) for momentum in (0.1, 0.8)
    ]
    assert ways[0].title == "pgd silence, SNR ≥ 25 dB, 100 steps, momentum 0.1"
    assert ways[1].title == "pgd silence, SNR ≥ 25 dB, 100 steps"


def test_noise_has_no_target():
    found = protections([("dtln",)], ["white-noise"], ["silence", "erase"], [SNR], {}, seed=0)
    assert len(found) == 1


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read as YAML"):
        read_plan(tmp_path / "none.yaml")


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", [each.name for each in PAPERS])
def test_the_papers_experiments_are_plans(name, quick):
    plan = EXPERIMENTS[name].plan(quick=quick)
    assert {"metricgan+", "segan"} <= {name for way in plan.protections for name in way.against}
    assert (plan.clips or 0) >= (1 if quick else 40)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", [each.name for each in OURS])
def test_our_experiments_are_plans_with_a_control(name, quick):
    plan = EXPERIMENTS[name].plan(quick=quick)
    assert len({type(way.attack) for way in plan.protections}) == 2
    budgets = {way.budget for way in plan.protections if isinstance(way.attack, WhiteNoise)}
    assert budgets == {way.budget for way in plan.protections}
    assert (plan.clips or 0) >= (1 if quick else 40)


def test_a_friend_is_everyone_once():
    ways = [way for way in EXPERIMENTS["friends"].plan(quick=False).protections if way.spare]
    assert [way.spare for way in ways] == [(name,) for name in DIFFERENTIABLE]
    for way in ways:
        assert {*way.against, *way.spare} == {*DIFFERENTIABLE}


def test_experiments_by_name():
    assert [each.name for each in chosen("all")] == ["fig3", "fig4", "table1", "table2"]
    assert chosen("fig4")[0].path == chosen("fig3")[0].path
    with pytest.raises(InputError, match="there is no experiment called 'fig5'"):
        chosen("fig5")
