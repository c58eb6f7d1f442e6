"""The recipe on a tiny data set of our own: it learns, resumes, and repeats itself."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from unhear.datasets import Clip, fit_length, mix_at_snr, read_manifest, select
from unhear.enhancers import load_enhancer
from unhear.errors import FailureError, InputError
from unhear.training import run
from unhear.training.discriminator import Discriminator, bark_filters
from unhear.training.metricgan import Recipe, learning_rate
from unhear.training.mixtures import SEGMENT, load_mixtures
from unhear.training.run import train_metricgan
from unhear.training.scores import scaled_pesq

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16_000
TINY = Recipe(
    warm_epochs=2,
    adversarial_epochs=2,
    discriminator_epochs=1,
    steps_per_epoch=2,
    judged_batches=1,
    free_batches=1,
    batch_size=2,
    discriminator_batch_size=4,
)


def voice(seed: int, seconds: float = 4.0) -> np.ndarray:
    """A buzz with formant-like colour that stops and starts, so that PESQ finds utterances."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = 100 + 100 * rng.random()
    buzz = sum(np.sin(2 * np.pi * k * pitch * time) / k for k in range(1, 20))
    return (0.05 * buzz * (np.sin(2 * np.pi * 3 * time + seed) > -0.3)).astype(np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(8):
        soundfile.write(folder / f"s{number}.flac", voice(number), RATE)
        rows.append((f"s{number}.flac", "speech", "train", f"speaker{number}"))
    for number in range(2):
        noise = 0.1 * rng.standard_normal(5 * RATE)
        soundfile.write(folder / f"n{number}.flac", noise, RATE)
        rows.append((f"n{number}.flac", "noise", "train", ""))
    write_manifest(folder, rows)
    return folder


def write_manifest(folder: Path, rows: list[tuple[str, ...]]) -> None:
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "kind", "split", "speaker"))
        writer.writerows(rows)


@pytest.fixture(autouse=True)
def few_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "VALIDATION_CLIPS", 2)
    monkeypatch.setattr(run, "SAVE_EVERY", 1)
    monkeypatch.setattr(run, "VALIDATE_EVERY", 1)


def test_training_writes_weights_that_load_and_repeats_itself(
    data: Path, tmp_path: Path
) -> None:
    first = train_metricgan(data, tmp_path / "a.safetensors", TINY)
    second = train_metricgan(data, tmp_path / "b.safetensors", TINY)
    a, b = load_file(first), load_file(second)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert (tmp_path / "a.safetensors.png").read_bytes().startswith(b"\x89PNG")
    load_enhancer("metricgan+", str(first))
    other = train_metricgan(data, tmp_path / "c.safetensors", replace(TINY, seed=1))
    assert not torch.equal(load_file(other)["linear1.weight"], a["linear1.weight"])


@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    killed_after: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_file(train_metricgan(data, tmp_path / "whole.safetensors", TINY))
    epochs = run.Training.run_epoch

    def killed(training: run.Training) -> dict[str, float]:
        if training.epoch == killed_after:
            raise KeyboardInterrupt
        return epochs(training)

    output = tmp_path / "resumed.safetensors"
    monkeypatch.setattr(run.Training, "run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        train_metricgan(data, output, TINY)
    assert not output.exists()
    monkeypatch.setattr(run.Training, "run_epoch", epochs)
    resumed = load_file(train_metricgan(data, output, TINY))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_going_on_with_another_recipe_is_refused(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.safetensors"
    train_metricgan(data, output, TINY)
    with pytest.raises(InputError, match=r"exists: name another file or pass --force"):
        train_metricgan(data, output, TINY)
    with pytest.raises(InputError, match=r"made with another batch_size"):
        train_metricgan(data, output, replace(TINY, batch_size=3), force=True)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ({"adversarial_epochs": 1}, "ckpt has 4 epochs behind it"),
        ({"warm_epochs": 1, "adversarial_epochs": 5}, "past the end of 1 warm epochs: give 2 "),
        ({"warm_epochs": 5}, "past the end of 2 warm epochs"),
    ],
)
def test_a_stage_that_is_over_cannot_be_made_shorter_or_longer(
    lengths: dict[str, int], message: str, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "a.safetensors"
    train_metricgan(data, output, TINY)
    with pytest.raises(InputError, match=message):
        train_metricgan(data, output, replace(TINY, **lengths), force=True)
    train_metricgan(data, output, replace(TINY, adversarial_epochs=3), force=True)


def test_a_training_that_diverges_keeps_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverged(training: run.Training) -> dict[str, float]:
        training.epoch += 1
        next(training.averaged.parameters()).data[0] = float("nan")
        return {"supervised": 1.0}

    monkeypatch.setattr(run.Training, "run_epoch", diverged)
    with pytest.raises(FailureError, match="diverged in epoch 1: begin anew"):
        train_metricgan(data, tmp_path / "a.safetensors", TINY)
    assert not list(tmp_path.glob("a.*"))


def test_a_recording_that_cannot_be_used_is_named(data: Path, tmp_path: Path) -> None:
    damaged = np.full(RATE, np.nan, np.float32)
    soundfile.write(data / "n1.wav", damaged, RATE, "FLOAT")
    (data / "n1.wav").rename(data / "n1.flac")
    with pytest.raises(InputError, match=r"n1\.flac holds samples that are not numbers"):
        train_metricgan(data, tmp_path / "a.safetensors", TINY)
    (data / "n1.flac").unlink()
    with pytest.raises(InputError, match=r"n1\.flac does not exist"):
        train_metricgan(data, tmp_path / "a.safetensors", TINY)


def test_clips_without_a_speaker_are_no_speaker_to_hold_out(data: Path) -> None:
    manifest = data / "manifest.csv"
    rows = [line.split(",") for line in manifest.read_text().splitlines()[1:]]
    more = [(f"s{number}.flac", "speech", "train", "") for number in range(5)]
    write_manifest(data, [*map(tuple, rows), *more])
    train, valid = load_mixtures(read_manifest(data), seed=0)
    assert len(valid.speech) == 2  # of eight speakers
    assert len(train.speech) == 6 + 5


def test_going_on_with_other_recordings_is_refused(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.safetensors"
    train_metricgan(data, output, TINY)
    soundfile.write(data / "s1.flac", voice(100), RATE)
    with pytest.raises(InputError, match=r"ckpt was made with other recordings: give the same"):
        train_metricgan(data, output, TINY, force=True)


@pytest.mark.parametrize("name", ["s1.flac", "n1.flac"])
def test_silent_recordings_are_refused(data: Path, name: str) -> None:
    sound = voice(0)
    silent = sound * 0 if name.startswith("s") else np.append(sound, np.zeros(sound.size))
    soundfile.write(data / name, silent, RATE)
    with pytest.raises(InputError, match=f"{name} is silent: take it out"):
        load_mixtures(read_manifest(data), 0)


def test_nothing_is_drawn_from_a_silent_stretch(data: Path) -> None:
    for number in range(8):
        sound = np.append(voice(number, 0.5), np.zeros(9 * RATE, np.float32))
        soundfile.write(data / f"s{number}.flac", sound, RATE)
    clean, noisy = load_mixtures(read_manifest(data), 0)[0].batch(0, 0, 16)
    assert np.isfinite(noisy).all()
    assert clean.any(axis=1).all()


def test_mixtures_depend_on_their_place_alone_and_hold_speakers_out(data: Path) -> None:
    train, valid = load_mixtures(read_manifest(data), seed=0)
    assert len(train.speech) + len(valid.speech) == 8
    assert len(valid.speech) > 0
    clean, noisy = train.batch(0, 7, 3)
    again, _ = train.batch(0, 7, 3)
    assert clean.shape == noisy.shape == (3, SEGMENT)
    assert np.array_equal(clean, again)
    assert not np.array_equal(clean, train.batch(0, 8, 3)[0])
    assert not np.array_equal(clean, train.batch(1, 7, 3)[0])
    assert np.abs(noisy).max() <= 1
    noise = noisy - clean
    snr = 10 * np.log10((clean**2).sum(1) / (noise**2).sum(1))
    assert (snr > -6).all()
    assert (snr < 21).all()


@pytest.mark.parametrize("snr_db", [-8.0, 0.0, 12.5])
def test_mixing_meets_the_snr_and_leaves_the_speech_alone(snr_db: float) -> None:
    rng = np.random.default_rng(0)
    speech, noise = rng.standard_normal(5000) * 0.1, rng.standard_normal(5000)
    added = mix_at_snr(speech, noise, snr_db) - speech
    assert 10 * np.log10((speech**2).sum() / (added**2).sum()) == pytest.approx(
        snr_db, abs=1e-3
    )
    assert np.corrcoef(added, noise)[0, 1] == pytest.approx(1)


def test_silent_noise_cannot_be_mixed() -> None:
    with pytest.raises(InputError, match="all zeros"):
        mix_at_snr(np.ones(10), np.zeros(10), 0.0)


def test_short_noise_is_repeated() -> None:
    assert fit_length(np.arange(3.0), 7, offset=2).tolist() == [2, 0, 1, 2, 0, 1, 2]


def test_manifests_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no manifest\.csv"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,kind\na.wav,speech\n")
    with pytest.raises(InputError, match="lacks the column split"):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match="names no noise of split train"):
        select([Clip(tmp_path, "speech", "train", "", "")], "noise", "train")


def test_training_data_at_another_rate_is_refused(data: Path) -> None:
    soundfile.write(data / "s0.flac", voice(0), 8000)
    with pytest.raises(InputError, match=r"s0\.flac is at 8000 Hz"):
        load_mixtures(read_manifest(data), 0)


def test_the_learning_rate_falls_as_documented() -> None:
    recipe = Recipe(warm_epochs=10, adversarial_epochs=100, learning_rate=1e-3)
    rates = [learning_rate(recipe, epoch) for epoch in range(110)]
    assert rates[0] == recipe.warm_learning_rate
    assert rates[10] == rates[84] == pytest.approx(1e-3)
    assert rates[84] > rates[97] > rates[109]
    assert rates[109] == pytest.approx(1e-4, rel=0.5)


def test_pesq_is_scaled_to_one_and_undefined_for_silence() -> None:
    clean = voice(1)
    assert scaled_pesq(clean, clean) == pytest.approx((4.644 + 0.5) / 5, abs=0.01)
    assert np.isnan(scaled_pesq(np.zeros_like(clean), clean))


def test_the_discriminator_knows_clean_speech_and_is_blind_to_level() -> None:
    torch.manual_seed(0)
    judge = Discriminator().eval()
    clean = torch.rand(2, 100, 257)
    worse = clean + 0.5 * torch.rand(2, 100, 257)
    perfect = judge(clean, clean)
    torch.testing.assert_close(perfect[0], perfect[1])
    assert (judge(worse, clean) != perfect).all()
    halved = [torch.log1p(0.5 * torch.expm1(feature)) for feature in (worse, clean)]
    torch.testing.assert_close(judge(*halved), judge(worse, clean), rtol=1e-3, atol=1e-4)


def test_bark_filters_are_narrow_below_and_wide_above() -> None:
    widths = (bark_filters() > 0).sum(0)
    assert widths[0] < widths[-2]
    assert (bark_filters().sum(1)[2:-2] > 0.99).all()
