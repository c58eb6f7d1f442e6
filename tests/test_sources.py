"""Recordings piece by piece: every piece is what the whole would have given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from unhear import sources
from unhear.audio import Recording, as_stored, fitted, read, resample, write, writing
from unhear.errors import InputError
from unhear.sources import InMemory, open_source

RATE = 16_000


def noise(channels: int = 2, samples: int = 40_000, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).normal(size=(channels, samples))


@settings(deadline=None, max_examples=40)
@given(
    rates=st.sampled_from(
        [(48_000, 16_000), (44_100, 16_000), (16_000, 48_000), (11_025, 16_000), (8000, 16_000)]
    ),
    start=st.floats(0, 2.5),
    length=st.floats(0.001, 1.5),
)
def test_a_piece_is_a_piece_of_the_resampled_whole(
    rates: tuple[int, int], start: float, length: float
) -> None:
    own, rate = rates
    recording = Recording(noise(1, 2 * own + 17), own, "DOUBLE")
    whole = resample(recording.samples, own, rate)
    begin, end = round(start * rate), round(start * rate) + max(1, round(length * rate))
    piece = InMemory(recording).resampled(begin, end, rate)
    assert piece.shape == (1, end - begin)
    assert np.abs(piece - fitted(whole[:, begin:], end - begin)).max() < 1e-9


def test_the_whole_is_resampled_as_ever() -> None:
    recording = Recording(as_stored(noise(), "PCM_16"), 48_000)
    whole = resample(recording.samples, 48_000, RATE)
    assert np.array_equal(InMemory(recording).resampled(0, whole.shape[1], RATE), whole)


@pytest.mark.parametrize(
    ("name", "kind", "subtype"),
    [
        ("a.wav", "WAV", "PCM_16"),
        ("a.wav", "WAV", "PCM_U8"),
        ("a.wav", "WAV", "FLOAT"),
        ("a.flac", "FLAC", "PCM_24"),
        ("a.mp3", "MP3", "MPEG_LAYER_III"),
        ("a.ogg", "OGG", "VORBIS"),
    ],
)
def test_pieces_of_a_file_are_what_reading_it_gives(
    name: str, kind: str, subtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "BLOCK", 7000)
    path = tmp_path / name
    soundfile.write(path, noise().T, RATE, format=kind, subtype=subtype)
    whole = read(path)
    stored = as_stored(whole.samples, whole.subtype)
    with open_source(path) as file:
        assert (file.sample_rate, file.subtype) == (RATE, whole.subtype)
        assert file.samples == whole.samples.shape[1]
        assert file.peak == np.abs(whole.samples).max()
        for start, stop in [(0, 5000), (12_345, 30_000), (29_000, 40_000), (100, 101)]:
            part = file.part(start, stop)
            # libsndfile's MP3 differs by 6e-8 with how much is read at once: it may round away.
            tolerance = 2**-15 if kind == "MP3" else 0
            assert np.abs(part - stored[:, start:stop]).max() <= tolerance


def test_silent_channels_and_the_loudest_part_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "BLOCK", 2 * RATE)
    samples = noise(samples=5 * RATE + 100)
    samples[1] = 0
    samples[0, 3 * RATE : 4 * RATE] *= 4
    samples[0, 4 * RATE : 5 * RATE] *= 2
    write(Recording(samples, RATE), tmp_path / "a.wav")
    with open_source(tmp_path / "a.wav") as file:
        assert file.sounding.tolist() == [True, False]
        assert file.loudest(0.5) == (3 * RATE, 3 * RATE + RATE // 2)
        assert file.loudest(2.0) == (3 * RATE, 5 * RATE)
        assert file.loudest(0.5, grid=10_000) == (40_000, 48_000)
        assert file.loudest(9.0) == (0, 5 * RATE + 100)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((0, 1)), "holds no samples"),
        (np.r_[np.zeros(9000), np.nan, 0][:, None], "first at sample 9000, channel 1"),
    ],
)
def test_what_is_wrong_is_found_before_any_work(
    content: np.ndarray, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "BLOCK", 4000)
    soundfile.write(tmp_path / "a.wav", content, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=message), open_source(tmp_path / "a.wav"):
        pass


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_file_written_in_pieces_is_the_file_written_at_once(
    name: str, tmp_path: Path
) -> None:
    samples = noise()
    write(Recording(samples, RATE), tmp_path / "whole" / name)
    with writing(tmp_path / "pieces" / name, RATE, 2, "PCM_16") as append:
        for start in range(0, 40_000, 7000):
            append(samples[:, start : start + 7000])
    pair = [(tmp_path / each / name).read_bytes() for each in ("whole", "pieces")]
    assert pair[0] == pair[1]


def test_a_file_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    def give_up() -> None:
        with writing(tmp_path / "a.wav", RATE, 2, "PCM_16") as append:
            append(noise())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        give_up()
    assert not list(tmp_path.iterdir())
