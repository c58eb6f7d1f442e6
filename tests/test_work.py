"""What a row is about: everything that decides it, so that nothing old passes for new."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import numpy as np
import pytest
import soundfile

from unhear import audio
from unhear.attacks import FGSM, PGD, WhiteNoise
from unhear.audio import Recording
from unhear.budgets import SignalToNoise
from unhear.datasets import Mixture, Noise, Utterance
from unhear.dnsmos import Opinion
from unhear.errors import InputError
from unhear.evaluation.judge import Signals
from unhear.evaluation.plan import Listener, Plan, Protection
from unhear.evaluation.prepare import prepare, united
from unhear.evaluation.rows import identity
from unhear.evaluation.run import _shuffled
from unhear.evaluation.work import Listening, Task, _opinions, _overall, listen

LISTENER = Listener("metricgan+")
WAY = Protection(("metricgan+",), FGSM(), "silence", SignalToNoise(25.0))


@pytest.fixture
def task(tmp_path):
    for name in ("speech", "hiss", "other"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.ones(len(name) * 100), 16_000)
    utterance = Utterance("a", tmp_path / "speech.wav", "ann", "hello")
    mixture = Mixture(utterance, Noise("hiss", tmp_path / "hiss.wav"), 0.25, 8.0)
    listening = Listening(tmp_path, "base", "en", 0, dnsmos=True)
    return Task(mixture, WAY, None, (LISTENER,), listening)


def changed(task, what):
    """The task with one thing that decides its rows otherwise."""
    mixture, listening = task.mixture, task.listening
    utterance = mixture.utterance
    other = utterance.path.parent / "other.wav"
    return {
        "words": replace(
            task, mixture=replace(mixture, utterance=replace(utterance, transcript="hallo"))
        ),
        "recording": replace(
            task, mixture=replace(mixture, utterance=replace(utterance, path=other))
        ),
        "noise": replace(task, mixture=replace(mixture, noise=Noise("hiss", other))),
        "place": replace(task, mixture=replace(mixture, start=0.5)),
        "level": replace(task, mixture=replace(mixture, snr_db=4.0)),
        "attack": replace(task, protection=replace(WAY, attack=PGD(momentum=0.1))),
        "target": replace(task, protection=replace(WAY, target="erase")),
        "budget": replace(task, protection=replace(WAY, budget=SignalToNoise(30.0))),
        "together": replace(task, protection=replace(WAY, against=("metricgan+", "segan"))),
        "spare": replace(task, protection=replace(WAY, spare=("segan",))),
        "survive": replace(task, protection=replace(WAY, survive=("gain",))),
        "spoken": replace(task, spoken=utterance),
        "language": replace(task, listening=replace(listening, language="de")),
        "seed": replace(task, listening=replace(listening, seed=1)),
        "dnsmos": replace(task, listening=replace(listening, dnsmos=False)),
        "loudness": replace(task, listening=replace(listening, loudness=True)),
        "raw": replace(task, listening=replace(listening, raw=False)),
    }[what]


@pytest.mark.parametrize(
    "what",
    [
        *("words", "recording", "noise", "place", "level", "attack", "target", "budget"),
        *("spoken", "language", "seed", "dnsmos", "loudness", "raw"),
        *("together", "spare", "survive"),
    ],
)
def test_whatever_decides_a_row_is_in_its_name(task, what):
    before, after = (each.about(LISTENER) for each in (task, changed(task, what)))
    assert identity(before) != identity(after)


def test_what_happens_before_the_listener_decides_a_row_but_not_the_protection(task):
    after = Listener("metricgan+", "gain")
    assert identity(task.about(after)) != identity(task.about(LISTENER))
    assert replace(task, listeners=(after,)).output == task.output


def test_the_version_of_a_codec_decides_what_comes_through_it(task):
    assert "codecs" not in task.about(Listener("metricgan+", "gain"))
    assert task.about(Listener("metricgan+", "opus-20k"))["codecs"].startswith("PyAV ")
    prepared = replace(task, protection=replace(WAY, survive=("gain", "mulaw")))
    assert "codecs" in prepared.about_protection()
    assert "codecs" not in task.about_protection()


def test_every_protection_of_a_recording_goes_through_the_same_draw(task, monkeypatch):
    monkeypatch.setattr(audio, "read", lambda _: recording())
    monkeypatch.setattr("unhear.evaluation.work._noisy", lambda _: recording())
    through = Listener("log-mmse", "gain")
    other = replace(task, protection=replace(WAY, budget=SignalToNoise(30.0)))
    levels = [listen(each, through).arriving[0].samples.std() for each in (task, other)]
    assert levels[0] == levels[1] != recording().samples.std()
    elsewhere = replace(task, mixture=replace(task.mixture, snr_db=4.0))
    assert listen(elsewhere, through).arriving[0].samples.std() != levels[0]


def test_an_opinion_is_asked_for_once(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "unhear.evaluation.work.dnsmos",
        lambda samples: asked.append(samples) or Opinion(1.0, 2.0, samples[0]),
    )
    signals = [np.full(3, value) for value in (0.25, 0.5, 0.25)]
    assert [_overall(each.tobytes()) for each in signals] == [0.25, 0.5, 0.25]
    assert len(asked) == 2


def test_opinions_are_of_what_people_hear_and_of_what_the_listener_is_left_with(
    task, monkeypatch
):
    monkeypatch.setattr(
        "unhear.evaluation.work.dnsmos", lambda samples: Opinion(1.0, 2.0, samples.max())
    )
    noisy, protected, enhanced, left = (
        Recording(np.full((1, 8000), level), 16_000) for level in (0.0, 0.25, 0.5, 0.75)
    )
    signals = Signals(noisy, protected, enhanced, enhanced, left, left, (noisy, protected))
    found = _opinions(task, signals)
    assert found == {"dnsmos_noisy": 0, "dnsmos_protected": 0.25, "dnsmos_enhanced": 0.75}
    unwanted = replace(task, listening=replace(task.listening, dnsmos=False))
    assert all(map(isnan, _opinions(unwanted, signals).values()))


def recording():
    samples = np.random.default_rng(0).uniform(-0.2, 0.2, (1, 8000))
    return Recording(np.round(samples * 2**15) / 2**15, 16_000)


def test_the_recogniser_does_not_change_what_is_protected(task):
    heard = replace(task, listening=replace(task.listening, recogniser="tiny"))
    assert heard.output == task.output
    assert identity(heard.about(LISTENER)) != identity(task.about(LISTENER))


def test_plans_share_protections_but_not_recognisers(task):
    other = Listener("log-mmse", "opus-24k")
    elsewhere = replace(task, listeners=(LISTENER, other))
    german = replace(task, listening=replace(task.listening, language="de"))
    found = united([[task], [elsewhere], [german]])
    assert [each.listeners for each in found] == [(LISTENER, other), (LISTENER,)]


def test_a_run_that_is_stopped_has_a_fair_sample(task):
    """All that is done to a recording together, and no speaker before the next one."""
    other = replace(task, protection=replace(WAY, target="erase"))
    tasks = [
        replace(each, mixture=replace(each.mixture, utterance=spoken))
        for each in (task, other)
        for number in range(12)
        for spoken in [replace(task.mixture.utterance, name=f"{'ab'[number // 6]}/{number:02}")]
    ]
    found = [each.mixture.utterance.name for each in _shuffled(tasks)]
    assert found[::2] == found[1::2]
    assert {name[0] for name in found[:8]} == {"a", "b"}
    again = [each.mixture.utterance.name for each in _shuffled(tasks[::-1])]
    assert found == again
    assert found != sorted(found)


def test_a_target_of_speech_is_another_sentence_of_another_speaker(tmp_path, monkeypatch):
    """Neither the nearest in length, who says the same, nor the own voice."""
    lines = []
    for name, words, seconds in (
        ("ann/a", "hello", 1.0),
        ("bob/same", "Hello", 1.0),
        ("ann/own", "good bye", 1.0),
        ("bob/far", "see you", 3.0),
        ("bob/near", "so long", 1.5),
    ):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.1 * np.ones(int(seconds * 16_000)), 16_000)
        lines.append(f"{name}.wav\t{words}\n")
    (tmp_path / "transcripts.txt").write_text("".join(lines))
    monkeypatch.setattr("unhear.evaluation.prepare.dnsmos.load", lambda: None)
    plan = Plan((replace(WAY, target="speech"),), snrs_db=(), recogniser="pocketsphinx")
    pytest.importorskip("pocketsphinx")
    tasks = prepare(plan, tmp_path, None, tmp_path, print)
    spoken = {task.mixture.utterance.name: task.spoken.name for task in tasks}
    assert spoken["ann/a"] == "bob/near"
    assert all(task.listening.dnsmos for task in tasks)
    without = prepare(replace(plan, dnsmos=False), tmp_path, None, tmp_path, print)
    assert not any(task.listening.dnsmos for task in without)
    ways = (replace(WAY, attack=WhiteNoise()), WAY)
    both = Plan(ways, snrs_db=(), recogniser="pocketsphinx", loudness=True, brief_controls=True)
    for task in prepare(both, tmp_path, None, tmp_path, print):
        whole = task.protection is not ways[0]
        assert (task.listening.raw, task.listening.loudness) == (whole, whole)
    for path in (tmp_path / "bob").iterdir():
        path.unlink()
    (tmp_path / "transcripts.txt").write_text("".join(lines[::2][:2]))
    with pytest.raises(InputError, match="some of a second speaker"):
        prepare(plan, tmp_path, None, tmp_path, print)
