"""Tiny datasets in every layout; mixtures that stay what they are; known speech levels."""

from __future__ import annotations

import json
import os
import random
import sys
from itertools import pairwise
from math import exp, inf, log10
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import DEMO

from unhear import audio
from unhear.datasets import (
    Mixture,
    Noise,
    Utterance,
    active_level,
    as_recorded,
    mix_at_snr,
    mixtures,
    read_noises,
    read_speech,
)
from unhear.datasets.manifest import require_pairs
from unhear.datasets.utterance import RUN_LOCK
from unhear.errors import InputError

RATE = 16_000
DATA = Path(__file__).parents[2] / "shared" / "data"


def put(path: Path, seconds: float = 0.1, *, rate: int = RATE, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.stem))
    soundfile.write(path, 0.1 * rng.standard_normal((int(seconds * rate), channels)), rate)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def summary(utterances: list[Utterance]) -> list[tuple[str, str, str]]:
    return [(each.name, each.speaker, each.transcript) for each in utterances]


def tone(seconds: float, amplitude: float = 0.1) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * 1000 * np.arange(int(seconds * RATE)) / RATE)


# Speech


def test_a_manifest_gives_transcribed_speech_of_the_split_with_its_noisy_side(
    tmp_path: Path,
) -> None:
    for name in ("clean/a_1", "noisy/a_1", "other/b", "other/c", "other/d"):
        put(tmp_path / f"{name}.flac")
    manifest = write(
        tmp_path / "manifest.csv",
        "path,kind,split,speaker,transcript\n"
        'clean/a_1.flac,speech,test,a,"Stella, please."\n'
        "noisy/a_1.flac,noisy,test,a,noisy rows are no speech\n"
        "other/b.flac,speech,train,b,of another split\n"
        "other/c.flac,speech,test,c,\n"
        "other/d.flac,,,,nothing else is known\n",
    )
    utterances = read_speech(tmp_path)
    assert summary(utterances) == [
        ("clean/a_1", "a", "Stella, please."),
        ("other/d", "", "nothing else is known"),
    ]
    assert [each.noisy for each in utterances] == [tmp_path / "noisy/a_1.flac", None]
    assert read_speech(manifest) == utterances
    assert [each.name for each in read_speech(tmp_path, "train")] == ["other/b", "other/d"]


def test_names_that_return_in_other_folders_are_paired_by_their_folder(tmp_path: Path) -> None:
    rows = ["path,kind,transcript"]
    for name in ("p1/001", "p2/001", "p1/002"):
        for kind, folder in (("speech", "clean"), ("noisy", "noisy")):
            put(tmp_path / folder / f"{name}.wav")
            rows.append(f"{folder}/{name}.wav,{kind},hi")
    put(tmp_path / "clean/p3/001.wav")
    write(tmp_path / "manifest.csv", "\n".join([*rows, "clean/p3/001.wav,speech,hi", ""]))
    assert [each.noisy for each in read_speech(tmp_path)] == [
        tmp_path / "noisy/p1/001.wav",
        tmp_path / "noisy/p2/001.wav",
        tmp_path / "noisy/p1/002.wav",
        None,
    ]


def test_noisy_sides_that_belong_to_nothing_are_told_of(tmp_path: Path) -> None:
    """Or the clean recordings would be taken for noisy ones."""
    rows = ["path,kind,transcript"]
    for name in ("p1/001", "p2/001"):
        for kind, folder in (("speech", "wav/clean"), ("noisy", "wav/noisy")):
            put(tmp_path / folder / f"{name}.wav")
            rows.append(f"{folder}/{name}.wav,{kind},hi")
    write(tmp_path / "manifest.csv", "\n".join([*rows, ""]))
    speech = read_speech(tmp_path)
    assert len(speech) == 2  # to be mixed with noise
    with pytest.raises(InputError, match=r"belongs to .* such as wav/noisy/p1/001\.wav"):
        require_pairs(tmp_path, speech)


def test_folders_that_are_links_are_looked_into(tmp_path: Path) -> None:
    for name in ("here/a", "elsewhere/b"):
        put(tmp_path / f"{name}.wav")
        write(tmp_path / f"{name}.txt", name)
    (tmp_path / "here/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "here")
    found = summary(read_speech(tmp_path / "here"))
    assert found == [("a", "", "here/a"), ("link/b", "link", "elsewhere/b")]


def test_json_lines_of_noise_need_no_transcript(tmp_path: Path) -> None:
    for name in ("a", "b", "bus"):
        put(tmp_path / f"{name}.wav")
    lines = [{"path": "a.wav", "text": "hi"}, {"path": "bus.wav", "kind": "noise"}]
    write(tmp_path / "manifest.jsonl", "\n".join(map(json.dumps, lines)))
    assert summary(read_speech(tmp_path)) == [("a", "", "hi")]
    assert [noise.path.name for noise in read_noises(tmp_path)] == ["bus.wav"]
    write(tmp_path / "manifest.jsonl", "\n".join(map(json.dumps, [*lines, {"path": "b.wav"}])))
    with pytest.raises(InputError, match=r"b\.wav in .*manifest\.jsonl has no transcript"):
        read_speech(tmp_path)


def test_json_lines_may_use_the_keys_of_nemo(tmp_path: Path) -> None:
    outside = put(tmp_path / "elsewhere" / "b.wav")
    put(tmp_path / "data" / "a.wav")
    lines = [
        {"audio_filepath": "a.wav", "text": "one\u2028two", "duration": 0.1, "speaker": 7},
        {"audio_filepath": str(outside), "text": "three", "speaker": None},
    ]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    write(tmp_path / "data" / "manifest.jsonl", text + "\n\n")
    assert summary(read_speech(tmp_path / "data")) == [
        ("a", "7", "one\u2028two"),
        (outside.with_suffix("").as_posix(), "", "three"),
    ]


@pytest.mark.parametrize("ending", ["", "_16k"])
def test_voicebank_is_read_as_it_unpacks(ending: str, tmp_path: Path) -> None:
    for name in ("p232_001", "p257_002"):
        put(tmp_path / f"clean_testset_wav{ending}" / f"{name}.wav")
        write(tmp_path / "testset_txt" / f"{name}.txt", f" said by\n{name}\n")
    noisy = put(tmp_path / "noisy_testset_wav" / "p232_001.wav")  # even if only one is 16k
    put(tmp_path / f"clean_trainset_28spk_wav{ending}" / "p226_001.wav")
    write(tmp_path / "trainset_28spk_txt" / "p226_001.txt", "to learn from")
    write(tmp_path / f"clean_testset_wav{ending}" / "._p232_001.wav", "left by a Mac")
    utterances = read_speech(tmp_path)
    assert summary(utterances) == [
        ("p232_001", "p232", "said by p232_001"),
        ("p257_002", "p257", "said by p257_002"),
    ]
    assert [each.noisy for each in utterances] == [noisy, None]
    assert summary(read_speech(tmp_path, "train")) == [("p226_001", "p226", "to learn from")]


def test_librispeech_is_read_whole_or_by_subset(tmp_path: Path) -> None:
    root = tmp_path / "LibriSpeech"
    for subset, chapter in (("test-other", "367-130732"), ("train-clean-100", "19-198")):
        folder = root / subset / chapter.replace("-", "/")
        put(folder / f"{chapter}-0000.flac")
        put(folder / f"{chapter}-0001.flac")
        text = f"{chapter}-0000 LOBSTERS AND LOBSTERS\n{chapter}-0001 WHEN IS A LOBSTER\n"
        write(folder / f"{chapter}.trans.txt", text)
    test = [
        ("367-130732-0000", "367", "LOBSTERS AND LOBSTERS"),
        ("367-130732-0001", "367", "WHEN IS A LOBSTER"),
    ]
    assert summary(read_speech(root)) == test
    assert summary(read_speech(root / "test-other")) == test
    assert [each.speaker for each in read_speech(root, "train")] == ["19", "19"]
    assert [each.speaker for each in read_speech(root / "train-clean-100")] == ["19", "19"]
    with pytest.raises(InputError, match=r"holds no speech of split dev: in a manifest"):
        read_speech(root, "dev")


def test_any_folder_takes_texts_beside_the_recordings(tmp_path: Path) -> None:
    for name in ("b.wav", "ann/a.flac", "ann/deep/c.OGG", "ann/skipped.mp3"):
        put(tmp_path / name)
        write((tmp_path / name).with_suffix(".txt"), f"words of\n {name}")
    write(tmp_path / "ann" / "skipped.txt", "\n")
    assert summary(read_speech(tmp_path)) == [
        ("ann/a", "ann", "words of ann/a.flac"),
        ("ann/deep/c", "deep", "words of ann/deep/c.OGG"),
        ("b", "", "words of b.wav"),
    ]


def test_any_folder_takes_one_list_of_transcripts(tmp_path: Path) -> None:
    put(tmp_path / "ann" / "a.wav")
    put(tmp_path / "b.wav")
    write(tmp_path / "transcripts.txt", "\ufeffann/a.wav\tto be, or not\n\nb.wav\tto be\n")
    assert summary(read_speech(tmp_path)) == [
        ("ann/a", "ann", "to be, or not"),
        ("b", "", "to be"),
    ]


BAD_SPEECH = {
    "nowhere": ({}, r"data does not exist: name a folder of speech or a manifest"),
    "empty": ({"readme.md": "no speech"}, r"data holds no speech: give a manifest, VoiceBank"),
    "no column": ({"manifest.csv": "path,kind\na.wav,speech\n"}, "lacks the column transcript"),
    "no column in one line": (
        {"manifest.jsonl": '{"path": "a.wav", "text": "hi"}\n{"text": "hi"}'},
        r"clip 2 of .*manifest\.jsonl has no path: add it",
    ),
    "no path": ({"manifest.csv": "path,transcript\n,hi\n"}, r"clip 1 of .* has no path"),
    "no file": (
        {"manifest.csv": "path,transcript\nb.wav,hi\n"},
        r"b\.wav is named in .*manifest\.csv but is not there: check the name",
    ),
    "no words": (
        {"manifest.csv": "path,transcript\na.wav,\n", "a.wav": ""},
        "none of the 1 recordings of split test in .* has a transcript",
    ),
    "other split": (
        {"manifest.csv": "path,transcript,split\na.wav,hi,train\n", "a.wav": ""},
        "holds no speech of split test: in a manifest, mark rows as test or leave out",
    ),
    "twice": (
        {"manifest.csv": "path,transcript\na.wav,hi\na.wav,ho\n", "a.wav": ""},
        "holds 2 recordings called a: keep one of them",
    ),
    "not JSON": (
        {"manifest.jsonl": '{"path": "a.wav", "text": "hi"}\n{"path"\n', "a.wav": ""},
        r"line 2 of .*manifest\.jsonl is not JSON \(.*\): write one object a line",
    ),
    "not an object": ({"manifest.jsonl": "[]"}, "line 1 of .* is no JSON object"),
    "no VoiceBank split": (
        {"clean_trainset_28spk_wav/p226_001.wav": ""},
        r"recordings of split test: unpack clean_testset_wav there",
    ),
    "no VoiceBank text": (
        {"clean_testset_wav/p232_001.wav": ""},
        r"testset_txt/p232_001\.txt cannot be read \(No such file or directory\)",
    ),
    "no FLAC": (
        {"1/2/1-2.trans.txt": "1-2-0000 HI\n"},
        r"1-2-0000\.flac is named in .*1-2\.trans\.txt but is not there",
    ),
    "no text beside": (
        {"a.wav": "", "b.wav": "", "c.wav": "", "a.txt": "hi"},
        r"2 of 3 recordings in .* have no transcript, first .*b\.wav: write .* into b\.txt",
    ),
    "no line": (
        {"a.wav": "", "b.wav": "", "transcripts.txt": "a.wav\thi"},
        r"first .*b\.wav: write what is said into a line in .*transcripts\.txt",
    ),
    "no tab": (
        {"a.wav": "", "transcripts.txt": "a.wav hi"},
        "a.wav hi is named in .* not there",
    ),
    "stray-quote": (
        {"manifest.csv": 'path,transcript\na.wav,"open the door\nb.wav,shut it\n'},
        "manifest.csv cannot be read as CSV .*stray quotation mark",
    ),
}


@pytest.mark.parametrize("case", BAD_SPEECH)
def test_speech_that_cannot_be_used_is_refused(case: str, tmp_path: Path) -> None:
    files, message = BAD_SPEECH[case]
    for name, text in files.items():
        write(tmp_path / "data" / name, text)
    with pytest.raises(InputError, match=message):
        read_speech(tmp_path / "data")


def test_a_file_that_is_no_manifest_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.wav holds no speech: give a manifest"):
        read_speech(put(tmp_path / "a.wav"))
    (tmp_path / "a.txt").write_bytes("Grüße".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.txt is not UTF-8 text: save it as UTF-8"):
        read_speech(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode there")
def test_names_that_are_no_unicode_and_odd_line_ends_are_taken(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    put(tmp_path / "c.wav").rename(path)
    (tmp_path / "transcripts.txt").write_bytes(b"b.wav\thello\xe2\x80\xa8world\n")
    put(tmp_path / "b.wav")
    path.with_suffix(".txt").write_text("coffee")
    with pytest.raises(InputError, match="caf"):  # for it has no line in the list
        read_speech(tmp_path)
    (tmp_path / "transcripts.txt").unlink()
    write(tmp_path / "b.txt", "hello\u2028world")
    assert [each.name for each in read_speech(tmp_path)] == ["b", r"caf\xe9"]


# Noise


def scenes(noises: list[Noise]) -> list[tuple[str, str]]:
    return [(noise.scene, noise.path.stem) for noise in noises]


def test_a_manifest_names_scenes_by_column_file_or_numbered_folder(tmp_path: Path) -> None:
    rows = "path,kind,split,scene\n"
    for name, scene in (
        ("berlin/tram", ""),
        ("berlin/tram2", "tram"),
        ("demand-residual/p287_001", ""),
        ("demand-residual/p287_002", ""),
    ):
        put(tmp_path / f"{name}.flac")
        rows += f"{name}.flac,noise,test,{scene}\n"
    write(tmp_path / "manifest.csv", rows + "a.wav,speech,test,\nb.wav,noise,train,\n")
    assert scenes(read_noises(tmp_path)) == [
        ("tram", "tram"),
        ("tram", "tram2"),
        ("demand-residual", "p287_001"),
        ("demand-residual", "p287_002"),
    ]


def test_demand_gives_the_first_microphone_of_the_papers_scenes(tmp_path: Path) -> None:
    for place in ("TBUS", "PSTATION_16k/PSTATION", "DKITCHEN", "TBUS_16k/TBUS"):
        for microphone in ("ch01", "ch02"):
            put(tmp_path / place / f"{microphone}.wav")
    assert set(read_noises(tmp_path)) == {
        Noise("PSTATION", tmp_path / "PSTATION_16k/PSTATION/ch01.wav"),
        Noise("TBUS", tmp_path / "TBUS/ch01.wav"),
    }
    assert scenes(read_noises(tmp_path, scenes=["DKITCHEN"])) == [("DKITCHEN", "ch01")]
    assert scenes(read_noises(tmp_path / "DKITCHEN")) == [("DKITCHEN", "ch01")]
    with pytest.raises(InputError, match="'TCAR': there is DKITCHEN, PSTATION, TBUS"):
        read_noises(tmp_path, scenes=["TBUS", "TCAR"])


def test_any_folder_names_scenes_by_sub_folder_or_file(tmp_path: Path) -> None:
    for name in ("bus/01.wav", "bus/02.wav", "café.ogg", "rain2.flac"):
        put(tmp_path / name)
    assert scenes(read_noises(tmp_path)) == [
        ("bus", "01"),
        ("bus", "02"),
        ("café", "café"),
        ("rain2", "rain2"),
    ]
    put(tmp_path / "noise" / "1.wav")
    assert scenes(read_noises(tmp_path / "noise")) == [("noise", "1")]


def test_what_an_evaluation_wrote_is_no_recording(tmp_path: Path) -> None:
    put(tmp_path / "bus" / "01.wav")
    put(tmp_path / "bus" / "run" / "protected" / "0123.wav")
    assert len(read_noises(tmp_path)) == 2
    write(tmp_path / "bus" / "run" / RUN_LOCK, "")
    assert scenes(read_noises(tmp_path)) == [("bus", "01")]


def test_noise_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist: name a folder of noise"):
        read_noises(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no noise of split test"):
        read_noises(tmp_path)
    write(tmp_path / "manifest.csv", "path\nrain.wav\n")
    with pytest.raises(InputError, match="give, with --noise, a manifest with rows of kind"):
        read_noises(tmp_path)


# Levels


def gated(on: float, off: float, times: int) -> np.ndarray:
    return np.tile(np.concatenate([tone(on), np.zeros(int(off * RATE))]), times)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_the_active_level_leaves_long_pauses_out(share: float) -> None:
    """The hangover and the envelope's own decay lengthen 10 s by about 0.4 s: 0.2 dB."""
    speech = gated(10, 10 / share - 10, 1)
    above_rms = 20 * log10(active_level(speech, RATE) / np.sqrt(np.mean(speech**2)))
    assert above_rms == pytest.approx(-10 * log10(share), abs=0.2)


def test_pauses_between_words_are_part_of_speech() -> None:
    speech = gated(0.1, 0.1, 20)
    assert active_level(speech, RATE) == pytest.approx(np.sqrt(np.mean(speech**2)), rel=0.03)


@pytest.mark.parametrize("gain_db", [-50, -12.04, 6.02])
def test_the_active_level_follows_the_gain(gain_db: float) -> None:
    """To 0.1 dB, as levels between two thresholds are interpolated."""
    speech = audio.read(DEMO).samples[0]
    louder = active_level(10 ** (gain_db / 20) * speech, RATE)
    assert 20 * log10(louder / active_level(speech, RATE)) == pytest.approx(gain_db, abs=0.1)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs recordings of VoiceBank+DEMAND")
def test_the_snrs_that_voicebank_was_mixed_at_are_found_again() -> None:
    found = []
    for mixture in as_recorded(read_speech(DATA), clips=None):
        clean, noisy = mixture.load()
        assert clean is not None
        added = (noisy.samples - clean.samples)[0]
        level = active_level(clean.samples[0], RATE)
        found.append(20 * log10(level / np.sqrt(np.mean(added**2))))
    assert found == pytest.approx([15, 10, 5, 0, 15, 10], abs=0.1)


def test_silence_has_no_level_and_a_click_has_one() -> None:
    assert active_level(np.zeros(RATE), RATE) == 0.0
    assert 0 < active_level(np.eye(1, RATE)[0], RATE) < 1


def test_the_active_level_is_that_of_the_standards_sample_by_sample_counters() -> None:
    speech = np.concatenate([audio.read(DEMO).samples[0][: RATE // 2], np.zeros(RATE // 2)])
    assert 20 * log10(active_level(speech, RATE)) == pytest.approx(
        literal_active_level_db(speech, RATE), abs=0.01
    )


def literal_active_level_db(speech: np.ndarray, rate: int) -> float:
    """ITU-T P.56, 8.1 and 8.2, written as the clauses say it."""
    g, hang_time = exp(-1 / (rate * 0.03)), round(0.2 * rate)
    thresholds = [2.0**power for power in range(-15, 0)]
    active, hangs = [0] * 15, [hang_time] * 15
    p = q = 0.0
    for sample in speech.tolist():
        p = g * p + (1 - g) * abs(sample)
        q = g * q + (1 - g) * p
        for j, threshold in enumerate(thresholds):
            if q >= threshold:
                active[j], hangs[j] = active[j] + 1, 0
            elif hangs[j] < hang_time:
                active[j], hangs[j] = active[j] + 1, hangs[j] + 1
    energy = float(np.sum(speech**2))
    points = [
        (10 * log10(energy / count), 20 * log10(threshold))
        for count, threshold in zip(active, thresholds, strict=True)
        if count
    ]
    for (level, below), (higher, above) in pairwise(points):
        margin, smaller = level - below, higher - above
        if margin > 15.9 >= smaller:
            return level + (higher - level) * (margin - 15.9) / (margin - smaller)
    raise AssertionError


def test_noise_can_be_mixed_at_a_level_of_speech() -> None:
    speech, noise = gated(2, 2, 1), np.random.default_rng(0).standard_normal(4 * RATE)
    added = mix_at_snr(speech, noise, 5.0, speech_rms=0.2) - speech
    assert 20 * log10(0.2 / np.sqrt(np.mean(added**2))) == pytest.approx(5.0, abs=1e-3)


# Mixtures


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    return [
        Utterance(f"u{i}", put(tmp_path / f"u{i}.wav", 0.1 * (i + 1)), "", "hi")
        for i in range(5)
    ]


@pytest.fixture
def noises(tmp_path: Path) -> list[Noise]:
    return [
        Noise(scene, put(tmp_path / scene / f"{i}.wav", 0.3))
        for scene in ("BUS", "CAR", "RAIN")
        for i in range(4)
    ]


def test_mixtures_are_named_and_ordered(
    utterances: list[Utterance], noises: list[Noise]
) -> None:
    made = mixtures(utterances, noises, [-4.0, 2.5], clips=3, seed=0)
    assert [each.name for each in made] == [
        "u0 in RAIN at -4 dB",
        "u0 in RAIN at 2.5 dB",
        "u2 in BUS at -4 dB",
        "u2 in BUS at 2.5 dB",
        "u4 in RAIN at -4 dB",
        "u4 in RAIN at 2.5 dB",
    ]
    every = mixtures(utterances, noises, [0.0], clips=1, seed=0, every_noise=True)
    assert [each.name for each in every] == [
        f"u0 in {s} at 0 dB" for s in ("BUS", "CAR", "RAIN")
    ]


def test_a_place_in_the_noise_depends_on_the_seed_and_the_name_alone(
    utterances: list[Utterance], noises: list[Noise]
) -> None:
    def places(made: list[Mixture]) -> set[tuple[str, Noise | None, float]]:
        return {(each.utterance.name, each.noise, each.start) for each in made}

    whole = mixtures(utterances, noises, [0.0], clips=None, seed=1)
    shuffled = random.Random(0).sample(noises, len(noises))
    some = mixtures(utterances[::-1], shuffled, [9.0, -9.0], clips=2, seed=1, longest=0.45)
    every = mixtures(utterances, noises, [0.0], clips=None, seed=1, every_noise=True)
    assert places(some) < places(whole) < places(every)
    assert len(every) == 15
    dry = [noise for noise in noises if noise.scene != "RAIN"]
    fewer = mixtures(utterances, dry, [0.0], clips=None, seed=1)
    assert {each for each in places(whole) if each[1] in dry} <= places(fewer)
    others = mixtures(utterances, noises, [0.0], clips=None, seed=2)
    assert not places(others) & places(whole)


def test_scenes_recordings_and_starts_are_drawn_equally(noises: list[Noise]) -> None:
    many = [Utterance(f"u{i}", Path("u.wav"), "", "hi") for i in range(600)]
    # A scene of four recordings is no likelier than one of a single recording.
    made = mixtures(many, noises[:5], [0.0], clips=None, seed=0)
    counts = [sum(each.noise == noise for each in made) for noise in noises[:5]]
    assert counts == pytest.approx([75, 75, 75, 75, 300], abs=40)  # 3 sigma and more
    starts = np.sort([each.start for each in made])
    assert np.abs(starts - np.linspace(0, 1, 600)).max() < 0.07


def test_a_mixture_meets_its_snr_from_the_place_drawn(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "u.wav", gated(2, 2, 1), RATE)
    noise = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE)
    soundfile.write(tmp_path / "n.wav", noise, RATE)
    utterance = Utterance("u", tmp_path / "u.wav", "", "hi")
    mixture = Mixture(utterance, Noise("hiss", tmp_path / "n.wav"), 0.5, -4.0)
    clean, noisy = mixture.load()
    assert clean is not None
    speech, added = clean.samples[0], (noisy.samples - clean.samples)[0]
    level = 20 * log10(active_level(speech, RATE) / np.sqrt(np.mean(added**2)))
    assert level == pytest.approx(-4.0, abs=0.01)
    expected = np.roll(noise, -3 * RATE // 2)  # and again from its start, being shorter
    assert np.corrcoef(added[: 3 * RATE], expected)[0, 1] > 0.999
    assert np.array_equal(noisy.samples * 2**15, np.round(noisy.samples * 2**15))


def test_a_mixture_that_would_clip_is_turned_down_with_its_clean_side(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "u.wav", tone(1, 0.5), RATE)
    put(tmp_path / "n.wav", 2)
    utterance = Utterance("u", tmp_path / "u.wav", "", "hi")
    clean, noisy = Mixture(utterance, Noise("hiss", tmp_path / "n.wav"), 0.0, -10.0).load()
    assert clean is not None
    assert np.abs(noisy.samples).max() == pytest.approx(0.99, abs=1e-4)
    assert np.abs(clean.samples).max() < 0.4
    added = (noisy.samples - clean.samples)[0]
    level = 20 * log10(active_level(clean.samples[0], RATE) / np.sqrt(np.mean(added**2)))
    assert level == pytest.approx(-10.0, abs=0.02)


def test_other_rates_and_channels_become_mono_at_16_khz(tmp_path: Path) -> None:
    path = put(tmp_path / "u.flac", 0.5, rate=44_100, channels=2)
    noise = Noise("bus", put(tmp_path / "n.wav", 0.2, rate=48_000, channels=3))
    clean, noisy = Mixture(Utterance("u", path, "", "hi"), noise, 0.9, 0.0).load()
    assert clean is not None
    assert clean.sample_rate == noisy.sample_rate == RATE
    assert clean.samples.shape == noisy.samples.shape == (1, RATE // 2)
    assert clean.subtype == noisy.subtype == "PCM_16"


def test_noisy_recordings_are_taken_as_they_are(utterances: list[Utterance]) -> None:
    alone = as_recorded(utterances, clips=2)
    assert [each.name for each in alone] == ["u0 as recorded", "u4 as recorded"]
    clean, noisy = alone[0].load()
    assert clean is None
    assert np.array_equal(noisy.samples, audio.read(utterances[0].path).samples)
    pair = Utterance("p", utterances[0].path, "", "hi", noisy=utterances[0].path)
    (made,) = as_recorded([*utterances, pair], clips=None)
    clean, noisy = made.load()
    assert clean is not None
    assert np.array_equal(clean.samples, noisy.samples)
    longer = Utterance("q", utterances[0].path, "", "hi", noisy=utterances[1].path)
    with pytest.raises(InputError, match=r"u1\.wav and .*u0\.wav differ in length"):
        as_recorded([longer], clips=None)[0].load()


def test_mixtures_that_cannot_be_made_are_refused(
    utterances: list[Utterance], noises: list[Noise], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="0 clips leave nothing to measure"):
        mixtures(utterances, noises, [0.0], clips=0, seed=0)
    with pytest.raises(InputError, match=r"none of 5 clips lasts 0\.05 s or less"):
        mixtures(utterances, noises, [0.0], clips=None, seed=0, longest=0.05)
    with pytest.raises(InputError, match="nan is no signal-to-noise ratio"):
        mixtures(utterances, noises, [0.0, float("nan")], clips=None, seed=0)
    with pytest.raises(InputError, match="no noise to mix with"):
        mixtures(utterances, [], [0.0], clips=None, seed=0)
    broken = Utterance("b", write(tmp_path / "b.wav", "RIFF"), "", "hi")
    with pytest.raises(InputError, match=r"b\.wav cannot be read as audio"):
        mixtures([broken], noises, [0.0], clips=None, seed=0, longest=10.0)
    assert mixtures([broken], noises, [0.0], clips=None, seed=0, longest=inf)
    soundfile.write(tmp_path / "zeros.wav", np.zeros(RATE), RATE)
    silent = Utterance("s", tmp_path / "zeros.wav", "", "hi")
    with pytest.raises(InputError, match=r"zeros\.wav is silent: leave it out"):
        Mixture(silent, noises[0], 0.0, 0.0).load()
    with pytest.raises(InputError, match=r"zeros\.wav is silent for 0\.1 s from 0\.5 s on"):
        Mixture(utterances[0], Noise("quiet", silent.path), 0.5, 0.0).load()
