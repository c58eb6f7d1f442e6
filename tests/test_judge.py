"""What an adversary gets, and the figures taken from it."""

from __future__ import annotations

from math import inf, isnan, log

import numpy as np
import pytest
from sounds import VOICE
from toys import Gain

from unhear import metrics
from unhear.audio import Recording, as_stored, resample
from unhear.channels import Passage
from unhear.enhance import loudness_normalised, peak_normalised
from unhear.evaluation.judge import Transcripts, hear, measure, transcribe
from unhear.metrics import snr_db
from unhear.recognise import Recogniser, Transcript

RATE = 16_000
NAMES = (
    "noisy",
    "protected",
    "enhanced",
    "enhanced_normalised",
    "enhanced_protected",
    "enhanced_protected_normalised",
)


def recording(seed: int, channels: int = 1) -> Recording:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, RATE))
    return Recording(np.round(samples * 32768) / 32768, RATE)


def test_the_volume_is_turned_up_before_rounding() -> None:
    """A faint output, once at full scale, is as fine as 16 bits can hold: about 98 dB."""
    noisy = recording(0)
    signals = hear(noisy, noisy, Gain(1e-4))
    scaled = noisy.samples / np.abs(noisy.samples).max()
    rounding = (signals.enhanced_normalised.samples - scaled).ravel()
    assert snr_db(scaled.ravel(), rounding) > 80
    assert len(np.unique(signals.enhanced.samples)) < 10  # the raw file has next to nothing


def test_output_beyond_full_scale_is_not_clipped_before_it_is_turned_down() -> None:
    noisy = recording(0)
    signals = hear(noisy, noisy, Gain(10.0))
    scaled = noisy.samples / np.abs(noisy.samples).max()
    np.testing.assert_allclose(signals.enhanced_normalised.samples, scaled, atol=2**-15)


def test_loudness_is_that_of_broadcasts() -> None:
    """BS.1770: a full-scale sine of 997 Hz in one channel has -3.01 LUFS."""
    sine = np.sin(2 * np.pi * 997 * np.arange(2 * RATE) / RATE)
    for level in (1.0, 1e-3):
        loud = loudness_normalised(Recording(level * sine[None], RATE))
        peak = np.abs(loud.samples).max()
        assert 20 * np.log10(peak) == pytest.approx(-23 + 3.01, abs=0.15)
    silence = Recording(np.zeros((1, RATE)), RATE)
    assert not loudness_normalised(silence).samples.any()
    short = Recording(0.1 * sine[None, : RATE // 10], RATE)
    np.testing.assert_array_equal(
        loudness_normalised(short).samples, peak_normalised(short).samples
    )


def test_a_passage_changes_what_is_enhanced_and_not_the_files() -> None:
    noisy = recording(0)
    protected = noisy.with_samples(np.round(noisy.samples * 0.9 * 32768) / 32768)
    passage = Passage(lambda audio: audio / 2)
    signals = hear(noisy, protected, Gain(0.5), passage, loudness=True)
    assert signals.noisy is noisy
    assert signals.enhanced_protected_loud is not None
    np.testing.assert_allclose(signals.enhanced.samples, noisy.samples / 4, atol=2**-15)
    figures, direct = measure(signals), measure(hear(noisy, protected, Gain(0.5)))
    assert figures.snr_db == direct.snr_db
    # The channel's own half is no gain of the enhancer's.
    assert figures.gain_db == pytest.approx(direct.gain_db, abs=0.01)
    assert measure(signals, vars(direct)) == figures


def test_figures_of_a_known_perturbation() -> None:
    noisy = recording(0, channels=2)
    protected = noisy.with_samples(np.round(noisy.samples * 0.9 * 32768) / 32768)
    figures = measure(hear(noisy, protected, Gain(0.5)))
    assert figures.snr_db == pytest.approx(20, abs=0.01)
    assert figures.level_change_db == pytest.approx(20 * np.log10(0.9), abs=0.01)
    assert figures.gain_db == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert figures.peak == pytest.approx(0.05, abs=0.001)


def voice_at_48_khz() -> tuple[Recording, Recording]:
    """Sound below 8 kHz alone, and the same with noise 20 dB below it."""
    hiss, added = np.random.default_rng(0).normal(size=(2, VOICE.size))
    speech = resample((VOICE + 1e-3 * hiss)[None], RATE, 48_000)
    added = resample(added[None], RATE, 48_000)
    added *= 0.1 * np.linalg.norm(speech) / np.linalg.norm(added)
    noisy = Recording(as_stored(speech, "PCM_16"), 48_000)
    return noisy, noisy.with_samples(as_stored(speech + added, "PCM_16"))


def test_figures_are_of_the_signals_that_they_are_said_to_be_of() -> None:
    noisy, protected = voice_at_48_khz()
    figures = measure(hear(noisy, protected, Gain(0.5)))
    before, after = (resample(each.samples, 48_000, RATE)[0] for each in (noisy, protected))
    full_scale = float(np.linalg.norm(after - before))
    steps = 2**15 * full_scale
    assert figures.gain_db == pytest.approx(-6.02, abs=0.1)
    assert figures.rpr == pytest.approx(log(steps / 2) / log(steps), rel=1e-3)
    assert figures.rpr_unit == pytest.approx(log(full_scale / 2) / log(full_scale), rel=1e-3)
    assert figures.si_sdr_db == pytest.approx(20, abs=0.2)
    segmental = metrics.segmental_snr_db(before, after - before)
    assert figures.segmental_snr_db == pytest.approx(segmental, abs=0.01)
    found = {}
    for name in ("pesq_wb", "pesq_nb", "stoi", "estoi"):
        found[name] = getattr(metrics, name)(before, after)
        assert getattr(figures, name) == pytest.approx(found[name], abs=1e-3), name
    assert len({round(each, 3) for each in found.values()}) == 4  # none is taken for another


class Listening(Recogniser):
    """Notes how many samples it gets."""

    name = identity = "listening"

    def __init__(self) -> None:
        self.heard: list[int] = []

    def load(self) -> None:
        pass

    def transcribe(self, audio: np.ndarray, language: str | None = None) -> Transcript:
        self.heard.append(len(audio))
        return Transcript("", "en")


def test_recognisers_hear_16_khz() -> None:
    recogniser = Listening()
    transcribe(hear(*voice_at_48_khz(), Gain(0.5)), recogniser)
    assert set(recogniser.heard) == {VOICE.size}


def test_an_unchanged_recording_has_no_perturbation() -> None:
    figures = measure(hear(recording(0), recording(0), Gain(1.0)))
    assert figures.snr_db == inf
    assert figures.peak == 0
    assert isnan(figures.rpr)


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ("the cat sat down", "The cat sat down.", 0.0),
        ("the cat sat down", "the cat", 50.0),
        ("the cat", "a dog ran off with his bone", 100.0),
    ],
)
def test_lost_words_are_counted_at_one_level(before: str, after: str, lost: float) -> None:
    texts = dict.fromkeys(NAMES, "something else altogether")
    texts |= {"enhanced_normalised": before, "enhanced_protected_normalised": after}
    assert Transcripts(texts, "en").words_lost == pytest.approx(lost)
