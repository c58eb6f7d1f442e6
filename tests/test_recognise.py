"""Recognisers: what needs no model loads none, what was heard once is not heard again."""

from __future__ import annotations

import csv
import json
import os
import pickle
import subprocess
import sys
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from sounds import DEMO

from unhear import recognise
from unhear.errors import InputError
from unhear.metrics import word_errors
from unhear.recognise import (
    SHORTEST,
    Recogniser,
    Remembering,
    Transcript,
    load_recogniser,
    moonshine,
    whisper,
)
from unhear.recognise.moonshine import Moonshine
from unhear.recognise.speechbrain import SpeechBrain
from unhear.recognise.sphinx import Sphinx
from unhear.recognise.whisper import Whisper

SPEECH = Path(__file__).parents[2] / "shared" / "data"
NOISE = np.random.default_rng(0).normal(size=16_000).astype(np.float32) * 0.05
EVERY = [
    *(Whisper("base"), Whisper("small", "en")),
    *(Moonshine(), Sphinx(), SpeechBrain("org/model", "en")),
]


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
    monkeypatch.setattr("unhear.recognise.whisper._engine", lambda _: fake)
    monkeypatch.setattr("unhear.recognise.store._memory", {})
    return fake


def test_a_language_is_known_before_anything_is_done(engine: FakeEngine) -> None:
    Whisper("base", "de").load()
    Whisper("base").load()
    with pytest.raises(InputError, match="knows no language english: give one of en, de"):
        Whisper("base", "english").load()


def test_a_model_in_a_folder_is_known_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unhear.recognise.speechbrain.version", str)
    identities: set[str] = set()
    for content in ("one", "two"):
        (tmp_path / "model.ckpt").write_text(content)
        recognise.speechbrain._digest.cache_clear()
        identities.add(SpeechBrain(str(tmp_path)).identity)
    assert len(identities) == 2


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all engines were there, without any."""
    for name in ("moonshine", "sphinx", "speechbrain"):
        monkeypatch.setattr(
            f"unhear.recognise.{name}.version", lambda package: f"{package} 1.2"
        )


# All of them


@pytest.mark.usefixtures("installed")
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
@pytest.mark.parametrize("recogniser", EVERY)
def test_silent_or_short_audio_has_no_words_and_loads_no_model(
    recogniser: Recogniser, audio: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    def load(*_: str) -> None:
        pytest.fail("a model was loaded")

    for name in (
        "whisper._engine",
        "moonshine._model",
        "sphinx._decoder",
        "speechbrain._model",
    ):
        monkeypatch.setattr(f"unhear.recognise.{name}", load)
    assert recogniser.transcribe(audio).text == ""
    assert Remembering(recogniser).transcribe(audio, "en") == Transcript("", "en")


def test_the_language_of_silence_is_the_one_that_is_given():
    assert Whisper("base").transcribe(np.zeros(9)) == Transcript("", "")
    assert Whisper("base", "de").transcribe(np.zeros(9)) == Transcript("", "de")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("recogniser", EVERY)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_numbers_are_refused(bad: float, recogniser: Recogniser):
    audio = NOISE.copy()
    audio[100] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        recogniser.transcribe(audio)


@pytest.mark.usefixtures("installed")
def test_recognisers_are_values(tmp_path: Path):
    """They can be compared and sent to other processes, and none is taken for another."""
    others = [Whisper("base", "de"), Whisper("tiny"), SpeechBrain("org/other", "en")]
    for each in (*EVERY, *others):
        kept = Remembering(each, tmp_path / "kept.sqlite")
        assert pickle.loads(pickle.dumps(kept)) == kept
        assert hash(kept) == hash(Remembering(each, tmp_path / "kept.sqlite"))
        assert (kept.name, kept.identity) == (each.name, each.identity)
    assert len({each.identity for each in (*EVERY, *others)}) == len(EVERY) + len(others)


def test_names_say_engine_and_model(tmp_path: Path):
    assert load_recogniser().name == "whisper base"
    assert Moonshine().name == "moonshine base"
    assert Sphinx().name == "pocketsphinx en-us"
    assert SpeechBrain("org/model").name == "speechbrain org/model"
    (tmp_path / "model.bin").write_bytes(b"abc")  # whose SHA-256 is well known
    assert load_recogniser(str(tmp_path)).name == f"whisper {tmp_path.name} ba7816bf"


@pytest.mark.parametrize(
    ("model", "module", "remedy"),
    [
        ("base", "faster_whisper", r"'unhear\[transcribe\]', or give pocketsphinx"),
        ("small", "faster_whisper", r"comes with 'unhear\[sphinx\]'"),
        ("moonshine", "onnxruntime", r"pip install 'unhear\[moonshine\]'"),
        ("pocketsphinx", "pocketsphinx", r"pip install 'unhear\[sphinx\]'"),
        ("speechbrain:org/model", "speechbrain", "pip install speechbrain"),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(
    model: str, module: str, remedy: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"missing: .*{remedy}"):
        load_recogniser(model)


def test_an_unknown_model_is_refused_at_once(tmp_path: Path):
    known = (
        "give base, moonshine, pocketsphinx, speechbrain:ORG/MODEL, a folder .* or one of tiny"
    )
    with pytest.raises(InputError, match=f"no recogniser nonsense: {known}"):
        load_recogniser("nonsense")
    with pytest.raises(InputError, match=r"has no model\.bin"):
        load_recogniser(str(tmp_path))
    with pytest.raises(InputError, match="not of the form speechbrain:ORG/MODEL"):
        load_recogniser("speechbrain:model")


# Whisper


def test_segments_are_joined_and_stripped(engine: FakeEngine):
    assert Whisper("fake").transcribe(NOISE) == Transcript("16000 samples", "de")
    assert engine.calls[0]["temperature"] == 0.0
    assert engine.calls[0]["beam_size"] == 5
    assert engine.calls[0]["vad_filter"] is False
    assert engine.calls[0]["condition_on_previous_text"] is False


def test_the_same_content_is_recognised_once(engine: FakeEngine):
    heard = load_recogniser("org/fake").transcribe(NOISE)
    again = load_recogniser("org/fake").transcribe
    assert again(NOISE.copy()) == heard
    assert again(NOISE.astype(np.float64)) == heard
    assert again(np.repeat(NOISE, 2)[::2]) == heard
    assert len(engine.calls) == 1


def test_other_content_language_or_model_is_recognised_anew(engine: FakeEngine):
    load_recogniser("org/fake").transcribe(NOISE)
    load_recogniser("org/fake").transcribe(NOISE[:-1])
    load_recogniser("org/fake").transcribe(NOISE, "en")
    load_recogniser("org/fake", "en").transcribe(NOISE)
    load_recogniser("org/other").transcribe(NOISE)
    assert len(engine.calls) == 5


def test_the_language_of_the_call_goes_first(engine: FakeEngine):
    assert Whisper("fake", "en").transcribe(NOISE).language == "en"
    assert Whisper("fake", "en").transcribe(NOISE, "de").language == "de"
    assert [call["language"] for call in engine.calls] == ["en", "de"]


def test_an_unknown_language_is_refused(engine: FakeEngine):
    with pytest.raises(InputError, match="knows no language xx: give one of en, de"):
        Whisper("fake", "xx").transcribe(NOISE)
    assert engine.calls == []


def test_a_broken_model_is_one_sentence(tmp_path: Path):
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        load_recogniser(str(tmp_path)).transcribe(NOISE)
    assert "\n" not in str(caught.value)


READ = """
import sys, soundfile
from unhear.recognise import load_recogniser
audio = soundfile.read(sys.argv[1], dtype="float32")[0]
print(load_recogniser("base", "en").transcribe(audio).text)
"""


@pytest.fixture(scope="module")
def readings(fetched) -> list[str]:
    """What Whisper base reads from a clear sentence, in two processes of one thread."""
    fetched(whisper.SOURCE)
    clip = SPEECH / spoken["path"] if (spoken := _shortest_spoken_clip()) else DEMO
    read = [sys.executable, "-c", READ, str(clip)]
    start = partial(subprocess.Popen, stdout=subprocess.PIPE, text=True)
    both = [start(read, env=os.environ | {"OMP_NUM_THREADS": "1"}) for _ in range(2)]
    return [process.communicate()[0].strip() for process in both]


def test_whisper_base_reads_clear_speech(readings: list[str]):
    if not (clip := _shortest_spoken_clip()):
        pytest.skip(f"no speech in {SPEECH}")
    assert word_errors(clip["transcript"], readings[0]).rate <= 20


def test_whisper_base_writes_the_same_words_in_another_process(readings: list[str]):
    assert readings[0]
    assert readings[0] == readings[1]


def _shortest_spoken_clip() -> dict[str, str] | None:
    if not (SPEECH / "manifest.csv").is_file():
        return None
    with (SPEECH / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "speech"]
    spoken = [row for row in rows if len(row["transcript"].split()) >= 8]
    return min(spoken, key=lambda row: float(row["duration_s"]))


# Moonshine


def test_moonshine_knows_english_only():
    pytest.importorskip("onnxruntime")
    with pytest.raises(InputError, match="moonshine knows no language de: give en"):
        load_recogniser("moonshine", "de")
    with pytest.raises(InputError, match="no language de"):
        load_recogniser("moonshine").transcribe(NOISE, "de")


def test_tokens_stand_behind_their_lengths():
    long = b"x" * 300  # 300 = 2 * 128 + 44
    content = b"\x03<s>\x01a" + bytes([128 + 44, 2]) + long + b"\x02\xe2\x96"
    assert moonshine.read_tokens(content) == [b"<s>", b"a", long, b"\xe2\x96"]


@pytest.mark.parametrize("seconds", [0.5, 30, 30.5, 95])
def test_long_recordings_are_cut_where_they_are_quiet(seconds: float):
    samples = np.random.default_rng(0).normal(size=int(seconds * 16_000)).astype(np.float32)
    quiet = 27 * 16_000
    samples[quiet : quiet + 640] *= 0.01
    pieces = moonshine.pieces(samples)
    np.testing.assert_array_equal(np.concatenate(pieces), samples)
    assert all(25 * 16_000 <= piece.size <= 30 * 16_000 for piece in pieces[:-1])
    assert pieces[-1].size <= 30 * 16_000
    if len(pieces) > 1:
        assert quiet <= pieces[0].size <= quiet + 640


def test_a_rest_that_is_too_short_for_a_word_is_left_out(monkeypatch: pytest.MonkeyPatch):
    heard: list[int] = []

    def read(_model: object, piece: np.ndarray) -> str:
        heard.append(piece.size)
        return "words"

    monkeypatch.setattr(moonshine, "_model", lambda: None)
    monkeypatch.setattr(moonshine, "_read", read)
    samples = np.random.default_rng(0).normal(size=480_100).astype(np.float32)
    samples[479_680:] = 0  # a fade-out: the quietest place is the very end
    assert moonshine._listen(samples, "en").text == "words"
    assert heard == [479_680]


class FakeSessions:
    """An encoder that hears the last sample of a clip, and a decoder that says what follows the
    last token: that plus as much as was heard, and of which it sees what is kept.
    """

    def __init__(self, ends_after: int) -> None:
        self.ends_after, self.steps = ends_after, 0

    def model(self) -> Any:
        tokens = [f"▁{index}".encode() for index in range(60)]
        return moonshine._Model(SimpleNamespace(run=self.encode), self, tokens)

    def get_inputs(self) -> list[Any]:
        names = ("past_key_values.0.decoder.key", "past_key_values.0.encoder.key")
        shape = ["batch", 8, "steps", 52]
        return [SimpleNamespace(name=name, shape=shape) for name in names]

    def encode(self, _: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [given["input_values"][:, None, -1:]]

    def run(self, _: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert given["use_cache_branch"].tolist() == [self.steps > 0]
        heard = given["encoder_hidden_states"].item()
        own, others = (given[each.name] for each in self.get_inputs())
        assert own.shape == others.shape == (1, 8, 1, 52)
        assert own.max() == self.steps  # of the last step
        assert others.max() == (heard if self.steps else 0)  # of the first step
        self.steps += 1
        logits = np.zeros((1, 1, 60), np.float32)
        following = int(given["input_ids"].item() + heard)
        logits[..., 2 if self.steps > self.ends_after else following] = 1
        later = np.full_like(others, heard if self.steps == 1 else -1)
        return [logits, np.full_like(own, self.steps), later]


@pytest.mark.parametrize(("ends_after", "text"), [(2, "4 7"), (0, ""), (99, "4 7 10 13 16 19")])
def test_moonshine_takes_the_likeliest_token_until_the_end_or_6_5_a_second(
    ends_after: int, text: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(moonshine, "_model", FakeSessions(ends_after).model)
    assert Moonshine().transcribe(np.full(16_000, 3.0)) == Transcript(text, "en")


def test_moonshine_reads_the_demo(fetched: Any):
    pytest.importorskip("onnxruntime")
    fetched(moonshine.SOURCE)
    audio = soundfile.read(DEMO, dtype="float32")[0]
    heard = Moonshine().transcribe(audio)
    assert word_errors(DEMO.with_suffix(".txt").read_text("utf-8"), heard.text).rate <= 40
    Moonshine().transcribe(4 * NOISE)
    assert Moonshine().transcribe(audio) == heard  # whatever it heard before


# PocketSphinx


def test_pocketsphinx_knows_english_only():
    pytest.importorskip("pocketsphinx")
    with pytest.raises(InputError, match="pocketsphinx knows no language de: give en"):
        load_recogniser("pocketsphinx", "de")
    with pytest.raises(InputError, match="no language de"):
        load_recogniser("pocketsphinx").transcribe(NOISE, "de")


def test_pocketsphinx_gives_16_bits_and_starts_afresh(monkeypatch: pytest.MonkeyPatch):
    calls: list[Any] = []

    class Decoder:
        def __getattr__(self, name: str) -> Any:
            return lambda *given, **options: calls.append((name, *given))

    monkeypatch.setattr("unhear.recognise.sphinx._decoder", Decoder)
    audio = np.tile([0.0, 0.5, -1.0, 1.0, 1.6 / 32768], 400)
    assert Sphinx().transcribe(audio) == Transcript("", "en")  # no hypothesis, no words
    names = [name for name, *_ in calls]
    assert names == ["reinit_feat", "start_utt", "process_raw", "end_utt", "hyp"]
    samples = np.frombuffer(calls[2][1], np.int16)[:5]
    np.testing.assert_array_equal(samples, [0, 16384, -32768, 32767, 2])


def test_pocketsphinx_hears_the_same_whatever_it_heard_before():
    pytest.importorskip("pocketsphinx")
    audio = soundfile.read(DEMO, 12_000, start=32_000, dtype="float32")[0]
    heard = Sphinx().transcribe(audio)
    assert heard.text
    Sphinx().transcribe(4 * NOISE[:4_000])
    assert Sphinx().transcribe(audio) == heard


def test_pocketsphinx_reads_half_of_clear_speech():
    pytest.importorskip("pocketsphinx")
    if not (clip := _shortest_spoken_clip()):
        pytest.skip(f"no speech in {SPEECH}")
    audio = soundfile.read(SPEECH / clip["path"], dtype="float32")[0]
    assert word_errors(clip["transcript"], Sphinx().transcribe(audio).text).rate <= 60


# SpeechBrain


class FakeASR:
    """The part of SpeechBrain's interfaces that is used, as its documentation has it."""

    def __init__(self, source: str) -> None:
        self.hparams = SimpleNamespace(sample_rate=8000 if source.endswith("8k") else 16_000)

    @classmethod
    def from_hparams(cls, source: str, **options: Any) -> FakeASR:
        assert options["run_opts"] == {"device": "cpu"}
        if source.endswith("damaged"):
            raise ValueError("Need hparams['tokenizer']")
        return cls(source)

    def transcribe_batch(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor
    ) -> tuple[list[str], Any]:
        assert wavs.dtype == torch.float32
        assert wav_lens.tolist() == [1.0]
        if wavs.shape[1] > 16_000:
            raise RuntimeError("too long")
        return [f"{wavs.shape[1]} SAMPLES "], None


@pytest.fixture
def speechbrain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in for SpeechBrain; makes the folder of a model of some interface."""
    for name in ("speechbrain", "speechbrain.inference.ASR"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
        vars(module)["EncoderASR"] = vars(module)["EncoderDecoderASR"] = FakeASR

    def recogniser(interface: str, name: str = "model") -> Recogniser:
        (tmp_path / name).mkdir()
        config = json.dumps({"speechbrain_interface": interface} if interface else {})
        (tmp_path / name / "config.json").write_text(config)
        return load_recogniser(f"speechbrain:{tmp_path / name}", "en")

    return recogniser


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("interface", ["EncoderASR", "EncoderDecoderASR"])
def test_speechbrain(interface: str, speechbrain: Any):
    recogniser = speechbrain(interface)
    recogniser.load()
    assert recogniser.transcribe(NOISE) == Transcript("16000 SAMPLES", "en")
    with pytest.raises(InputError, match="cannot recognise 32,000 samples: RuntimeError: too"):
        recogniser.transcribe(np.tile(NOISE, 2))


@pytest.mark.parametrize(
    ("interface", "name", "sentence"),
    [
        ("SpectralMaskEnhancement", "enhancer", "give a model for one of EncoderDecoderASR"),
        ("", "blank", "speechbrain_interface"),
        ("EncoderASR", "8k", "is for 8000 Hz: give a model for 16000 Hz"),
        ("EncoderASR", "damaged", "ValueError: Need hparams"),
    ],
)
def test_speechbrain_that_is_no_recogniser(
    interface: str, name: str, sentence: str, speechbrain: Any
):
    with pytest.raises(InputError, match=sentence):
        speechbrain(interface, name).load()
