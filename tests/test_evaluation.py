"""`unhear evaluate` and `unhear reproduce` from the command line, as a user has them."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from importlib import resources
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile

from unhear.datasets import mixtures, read_noises, read_speech
from unhear.datasets.utterance import RUN_LOCK
from unhear.recognise import moonshine

ASSETS = resources.files("unhear") / "assets"
RATE = 16_000

needs_sphinx = pytest.mark.skipif(
    find_spec("pocketsphinx") is None, reason="pocketsphinx is not installed"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def write_data(folder):
    """Two short clips of two speakers with what they say, and a noise."""
    with resources.as_file(ASSETS / "demo.wav") as path:
        speech, rate = soundfile.read(path)
    assert rate == RATE
    lines = []
    for name, words, start in (("a/one", "the money should", 0.4), ("b/two", "on monday", 1.6)):
        path = folder / "speech" / f"{name}.wav"
        path.parent.mkdir(parents=True)
        begin = int(start * RATE)
        soundfile.write(path, speech[begin : begin + int(0.8 * RATE)], RATE)
        lines.append(f"{name}.wav\t{words}\n")
    (folder / "speech" / "transcripts.txt").write_text("".join(lines))
    (folder / "noise").mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE)
    soundfile.write(folder / "noise" / "hiss.wav", noise, RATE)
    return folder


def command(data, run, *more):
    return [
        *(sys.executable, "-m", "unhear", "evaluate", str(data / "speech")),
        *("--noise", str(data / "noise"), "--output", str(run), "--model", "pocketsphinx"),
        *("--target", "silence", "--mix", "8", *more),
    ]


GRID = ("--attack", "fgsm", "--attack", "white-noise", "--heard-by", "log-mmse")


def unhear(words, *, cache, check=True):
    """Without a network: what is not bundled or in the cache is left out."""
    environment = os.environ | {"UNHEAR_OFFLINE": "1", "UNHEAR_WEIGHTS": str(cache)}
    return subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=240, check=check
    )


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    done = unhear(command(data, folder / "run", *GRID), cache=folder)
    return folder / "run", done


@needs_sphinx
def test_a_row_for_each_combination(finished):
    run, done = finished
    rows = [json.loads(line) for line in (run / "rows.jsonl").read_text().splitlines()]
    cells = {
        (
            row["about"]["clip"],
            row["about"]["snr_db"],
            row["about"]["attack"]["name"],
            row["about"]["heard_by"],
        )
        for row in rows
    }
    assert len(rows) == len(cells) == 2 * 2 * 2
    assert "left out: " in done.stderr
    for row in rows:
        assert row["figures"]["snr_db"] == pytest.approx(25, abs=0.05)
        assert row["about"]["recogniser"].startswith("pocketsphinx")
        assert set(row["heard"]) >= {"noisy", "protected", "enhanced_protected_normalised"}
        assert soundfile.info(run / row["protected"]).subtype == "PCM_16"


@needs_sphinx
def test_figures_are_those_of_the_written_files(finished, data):
    """Counted here from the file and the mixture, by other means."""
    run, _ = finished
    made = mixtures(
        read_speech(data / "speech"),
        read_noises(data / "noise"),
        (8.0,),
        clips=None,
        seed=0,
    )
    noisy = {(each.utterance.name, each.snr_db): each.load()[1].samples[0] for each in made}
    for row in map(json.loads, (run / "rows.jsonl").read_text().splitlines()):
        original = noisy[row["about"]["clip"], row["about"]["snr_db"]]
        added = soundfile.read(run / row["protected"])[0] - original
        assert row["figures"]["peak"] == np.abs(added).max()
        ratio = np.sum((original - original.mean()) ** 2) / np.sum(added**2)
        assert row["figures"]["snr_db"] == pytest.approx(10 * np.log10(ratio))


@needs_sphinx
def test_several_recognisers_read_the_same_files(data, tmp_path, fetched):
    pytest.importorskip("onnxruntime")
    cache = fetched(moonshine.SOURCE).parent
    more = ("--model", "moonshine", "--attack", "fgsm", "--limit", "1")
    done = unhear(command(data, tmp_path, *more), cache=cache)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    names = ["moonshine base", "pocketsphinx en-us"]
    assert sorted(row["about"]["recogniser"].split(", ")[0] for row in rows) == names
    assert len({row["protected"] for row in rows}) == 1
    assert all(f"## Results, read by {name}" in done.stdout for name in names)
    page = (tmp_path / "report.html").read_text()
    assert all(f"Every protection, read by {name}" in page for name in names)


@needs_sphinx
def test_a_report_to_look_at(finished):
    run, done = finished
    page = (run / "report.html").read_text()
    text = (run / "report.md").read_text()
    for shown in (page, text, done.stdout):
        assert "metricgan+" in shown
    assert "<audio" in page
    assert "DE in points" in page
    assert "weights of metricgan+" in text
    assert str(run / "report.html") in done.stdout.replace("\n", "")


@needs_sphinx
def test_the_report_tells_what_protecting_took(finished):
    run, _ = finished
    rows = [json.loads(line) for line in (run / "seconds.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * 2
    _, _, table = (run / "report.md").read_text().partition("## What protecting took\n\n")
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()[2:4]]
    for (way, against, recordings, audio, pace), name in zip(
        lines, ("fgsm", "white-noise"), strict=True
    ):
        own = [row for row in rows if row["about"]["attack"]["name"] == name]
        assert way.startswith(name)
        assert (against, recordings, audio) == ("metricgan+", "2", "2")  # 1.6 s
        assert float(pace) == pytest.approx(sum(row["seconds"] for row in own) / 1.6, abs=0.006)


@needs_sphinx
def test_killed_again_and_again_the_rows_are_the_same(finished, data, tmp_path):
    """However often it is stopped: nothing lost, nothing done twice, the same bytes."""
    run = tmp_path / "run"
    words = command(data, run, *GRID)
    chance = random.Random(0)
    for _ in range(3):
        environment = os.environ | {"UNHEAR_OFFLINE": "1", "UNHEAR_WEIGHTS": str(tmp_path)}
        with subprocess.Popen(
            words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            before = size(run)
            while process.poll() is None and size(run) == before:
                time.sleep(0.02)
            time.sleep(chance.random())
            process.send_signal(signal.SIGKILL)
    unhear([*words, "--jobs", "1"], cache=tmp_path)
    assert (run / "rows.jsonl").read_bytes() == (finished[0] / "rows.jsonl").read_bytes()
    # A second run finds everything done, and leaves every byte as it is.
    times = {path: path.stat().st_mtime_ns for path in (run / "protected").iterdir()}
    unhear(words, cache=tmp_path)
    assert (run / "rows.jsonl").read_bytes() == (finished[0] / "rows.jsonl").read_bytes()
    assert {path: path.stat().st_mtime_ns for path in times} == times


def size(run):
    path = run / "rows.jsonl"
    return path.stat().st_size if path.exists() else 0


@needs_sphinx
def test_what_fails_by_itself_keeps_nobody_from_the_report(data, tmp_path):
    speech = shutil.copytree(data / "speech", tmp_path / "speech")
    soundfile.write(speech / "b" / "two.wav", np.zeros(RATE), RATE)
    words = command(data, tmp_path / "run", "--attack", "fgsm")
    words[words.index(str(data / "speech"))] = str(speech)
    done = unhear(words, cache=tmp_path, check=False)
    assert done.returncode == 2  # the user can mend it
    assert "b/two in hiss at 8 dB, fgsm silence" in done.stderr
    assert "is silent: leave it out" in done.stderr
    assert len((tmp_path / "run" / "rows.jsonl").read_text().splitlines()) == 1
    assert (tmp_path / "run" / "report.html").exists()


@needs_sphinx
def test_a_folder_in_use_is_left_alone(data, finished):
    from filelock import FileLock

    with FileLock(finished[0] / RUN_LOCK):
        done = unhear(command(data, finished[0], *GRID), cache=finished[0].parent, check=False)
        shown = unhear(
            [*command(data, finished[0], *GRID), "--so-far"], cache=finished[0].parent
        )
        others = [*command(data, finished[0], "--attack", "pgd"), "--so-far"]
        nothing = unhear(others, cache=finished[0].parent, check=False)
    assert done.returncode == nothing.returncode == 2
    assert "has rows, but none of these choices" in nothing.stderr
    assert "another process is working in" in done.stderr
    assert shown.stdout == finished[1].stdout


@needs_sphinx
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("report.md", "report.md would be overwritten"),
        ("rows.jsonl", "rows.jsonl holds no rows of an evaluation"),
    ],
)
def test_what_is_something_else_is_left_alone(data, tmp_path, name, sentence):
    (tmp_path / name).write_text("dear diary")
    done = unhear(command(data, tmp_path, "--attack", "fgsm"), cache=tmp_path, check=False)
    assert done.returncode == 2
    assert f"{sentence}: name another folder" in done.stderr
    assert (tmp_path / name).read_text() == "dear diary"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--against", "rnnoise"), "has no gradients to attack"),
        (("--against", "metrican+"), "did you mean metricgan+"),
        (("--scene", "TBUS"), "TBUS"),
        (("--as-recorded",), "--as-recorded takes no noise"),
        (("--so-far",), "nothing is done yet"),
        (("--plan", "some.yaml"), "--plan says it all"),
    ],
)
@needs_sphinx
def test_bad_choices_are_told_before_the_work(data, tmp_path, more, sentence):
    done = unhear(command(data, tmp_path / "run", *more), cache=tmp_path, check=False)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not (tmp_path / "run" / "rows.jsonl").exists()


@needs_sphinx
def test_speech_alone_needs_noise_or_to_be_taken_as_it_is(data, tmp_path):
    words = [
        *(sys.executable, "-m", "unhear", "evaluate", str(data / "speech")),
        *("-o", str(tmp_path / "run"), "--model", "pocketsphinx", "--attack", "fgsm"),
    ]
    done = unhear(words, cache=tmp_path, check=False)
    assert done.returncode == 2
    assert "--noise" in done.stderr
    done = unhear([*words, "--as-recorded", "--limit", "1", "--json"], cache=tmp_path)
    document = json.loads(done.stdout)
    assert document["headlines"][0]["value"].endswith("%")
    rows = (tmp_path / "run" / "rows.jsonl").read_text().splitlines()
    assert json.loads(rows[0])["about"]["snr_db"] is None
