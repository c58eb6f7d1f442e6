"""The command line: bad input ends in one sentence, odd input in the right file."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save

from unhear import commands
from unhear.attacks import ATTACKS, PGD
from unhear.audio import writer
from unhear.budgets import SignalToNoise
from unhear.channels import CHANNELS
from unhear.choices import Choice
from unhear.enhancers import attackable, registry
from unhear.errors import FailureError, InputError
from unhear.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from command_line import Outcome

RATE = 16_000
SNR_DB = 25.0  # unless told
PROTECT = ("protect", "--steps", "2", "-o")
OUT = (*PROTECT, "out.wav")
AGAINST_BOTH = ("--against", "metricgan+", "--against", "segan")


def sound(
    seconds: float = 0.5, rate: int = RATE, channels: int = 1, peak: float = 0.3
) -> np.ndarray:
    """Bursts of noise, (time, channels)."""
    samples = round(seconds * rate)
    noise = np.random.default_rng(0).normal(size=(samples, channels))
    bursts = 0.1 + np.sin(np.pi * 4 * np.arange(samples) / rate) ** 2
    audio = noise * bursts[:, None]
    return peak * audio / np.abs(audio).max()


def encoded(
    audio: np.ndarray, kind: str = "WAV", subtype: str = "PCM_16", rate: int = RATE
) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


@cache
def files() -> dict[str, bytes]:
    """What lies in the working folder of every test."""
    rounded = np.round(sound() * 2**15).astype(np.int16)
    good = encoded(rounded)
    return {
        "good.wav": good,
        "other.wav": encoded(0.5 * sound()),
        "good.flac": encoded(rounded, "FLAC"),
        "good.mp3": encoded(sound(), "MP3", "MPEG_LAYER_III"),
        "float.wav": encoded(sound(), subtype="FLOAT"),
        "folder/good.wav": good,
        "there.wav": b"old",
        "pages/out.html": b"old page",
        "empty.wav": b"",
        "cut.wav": good[:5000],
        "text.wav": b"Dear diary, today I recorded nothing.\n" * 9,
        "nan.wav": encoded(np.array([0.1, np.nan]), subtype="FLOAT"),
        "none.wav": encoded(np.zeros(0)),
        "text.pt": b"hello world\n",
        "text.safetensors": b"hello world\n",
        "list.pt": saved([1, 2, 3]),
        "other.safetensors": save({"a": torch.zeros(2)}),
    }


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")  # tables are not to be wrapped
    return tmp_path


def content_of(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def in_process_of_its_own(
    *arguments: str, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unhear", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding, "OMP_NUM_THREADS": "1"},
    )


# Bad input


def full_disk(patch: pytest.MonkeyPatch) -> None:
    class Full(writer._Disk):
        def write(self, data: Any) -> int:
            self.error = OSError(errno.ENOSPC, "No space left on device")
            return super().write(bytes(data)[: len(data) // 2])

    patch.setattr(writer, "_Disk", Full)


def read_only_disk(patch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    patch.setattr(tempfile, "TemporaryFile", refuse)


def link_to_input(_: pytest.MonkeyPatch) -> None:
    Path("link.wav").symlink_to("good.wav")


def capitals(_: pytest.MonkeyPatch) -> None:
    Path("Good.wav").write_bytes(Path("good.wav").read_bytes())


@dataclass(frozen=True)
class Bad:
    """A command line and what its one sentence must hold."""

    arguments: tuple[str, ...]
    sentence: tuple[str, ...]
    world: Callable[[pytest.MonkeyPatch], None] = field(default=lambda _: None)


BROKEN = {
    "missing.wav": "does not exist",
    "folder": "is a folder",
    "empty.wav": "is empty",
    "cut.wav": "cut short",
    "text.wav": "cannot be read as audio",
    "nan.wav": "not numbers",
    "none.wav": "no samples",
}
READERS = {
    "protect": OUT,
    "enhance": ("enhance", "-o", "out.wav"),
    "transcribe": ("transcribe",),
    "speech": (*OUT, "good.wav", "--target", "speech", "--speech"),
    "protect-among-several": (*PROTECT, "out", "good.wav"),
    "enhance-among-several": ("enhance", "-o", "out", "good.wav"),
}
BAD: dict[str, Bad] = {
    f"{command}-{name}": Bad((*arguments, name), (name, message))
    for command, arguments in READERS.items()
    for name, message in BROKEN.items()
} | {
    # outputs
    "exists": Bad((*PROTECT, "there.wav", "good.wav"), ("there.wav exists", "--force")),
    "enhance-exists": Bad(
        ("enhance", "-o", "there.wav", "good.wav"), ("there.wav exists", "--force")
    ),
    "read-only": Bad((*OUT, "good.wav"), ("may not be written to",), read_only_disk),
    "full-disk": Bad((*OUT, "good.wav"), ("out.wav could not", "No space left"), full_disk),
    "full-disk-old-file": Bad(
        (*PROTECT, "there.wav", "good.wav", "--force"), ("there.wav could not",), full_disk
    ),
    "enhance-full-disk": Bad(
        ("enhance", "-o", "out.wav", "good.wav"), ("out.wav could not",), full_disk
    ),
    "mp3-out": Bad((*PROTECT, "out.mp3", "good.wav"), ("out.mp3", "WAV or FLAC")),
    "unknown-ending": Bad((*PROTECT, "out.txt", "good.wav"), ("out.txt", "unknown ending")),
    "float-into-flac": Bad((*PROTECT, "out.flac", "float.wav"), ("out.flac", "FLOAT", ".wav")),
    "no-folder": Bad((*PROTECT, "a/b/out.wav", "good.wav"), ("a/b does not exist",)),
    "one-file-for-two": Bad((*OUT, "good.wav", "other.wav"), ("out.wav", "name a folder")),
    "same-name": Bad(
        (*PROTECT, "out", "good.wav", "folder/good.wav"), ("out/good.wav", "two inputs")
    ),
    "same-but-for-capitals": Bad(
        (*PROTECT, "out", "folder/good.wav", "Good.wav"), ("two inputs", "one by one"), capitals
    ),
    "same-stem": Bad((*PROTECT, "out", "good.wav", "good.mp3"), ("out/good.wav", "two inputs")),
    "itself": Bad((*PROTECT, "good.wav", "good.wav", "--force"), ("good.wav is an input",)),
    "itself-in-its-folder": Bad(
        (*PROTECT, ".", "good.wav", "--force"), ("good.wav is an input",)
    ),
    "itself-by-a-link": Bad(
        (*PROTECT, "link.wav", "good.wav", "--force"), ("link.wav is an input",), link_to_input
    ),
    "over-another-input": Bad(
        (*PROTECT, "folder", "folder/good.wav", "other.wav", "--force"), ("is an input",)
    ),
    # pages
    "page-exists": Bad((*OUT, "good.wav", "--report", "pages"), ("pages/out.html exists",)),
    "pages-in-a-file": Bad(
        (*OUT, "good.wav", "--report", "there.wav"), ("there.wav", "folder")
    ),
    "same-page": Bad(
        (*PROTECT, "out", "good.wav", "good.flac", "--report", "new"), ("new/good.html",)
    ),
    # choices
    "enhancer": Bad((*OUT, "good.wav", "--against", "metrcgan"), ("'metrcgan'", "metricgan+?")),
    "onnx": Bad(
        (*OUT, "good.wav", "--against", "my.onnx"), ("my.onnx is ONNX", "FILE.py:NAME")
    ),
    "enhance-with": Bad(
        ("enhance", "-o", "out.wav", "good.wav", "--with", "MetricGAN"), ("metricgan+?",)
    ),
    "spared-foe": Bad(
        (*OUT, "good.wav", "--against", "segan", "--spare", "segan"),
        ("segan cannot be defeated and spared",),
    ),
    "whose-weights": Bad(
        (*OUT, "good.wav", *AGAINST_BOTH, "--weights", "x"), ("--weights", "--against once")
    ),
    "channel": Bad((*OUT, "good.wav", "--survive", "opus24k"), ("did you mean opus-24k?",)),
    "two-after-one-option": Bad(
        (*OUT, "good.wav", "--against", "segan", "dtln"), ("dtln does not exist", "repeat")
    ),
    "enhancers-by-comma": Bad(
        (*OUT, "good.wav", "--against", "segan,dtln"), ("'segan,dtln'", "repeat the option")
    ),
    "channels-by-comma": Bad(
        (*OUT, "good.wav", "--survive", "opus-24k,gain"), ("repeat the option",)
    ),
    "spared-filter": Bad((*OUT, "good.wav", "--spare", "speex"), ("speex", "gradients")),
    "unread": Bad((*OUT, "good.wav", "--model", "tiny"), ("--transcribe", "--model")),
    "unread-german": Bad((*OUT, "good.wav", "--language", "de"), ("--transcribe",)),
    "attack": Bad((*OUT, "good.wav", "--attack", "pdg"), ("'pdg'", "did you mean pgd?")),
    "alien-setting": Bad((*OUT, "good.wav", "--alpha", "1"), ("--alpha", "pgd", "--momentum")),
    "target": Bad((*OUT, "good.wav", "--target", "music"), ("music", "silence")),
    "two-budgets": Bad((*OUT, "good.wav", "--snr", "30", "--eps", "0.01"), ("--snr", "--eps")),
    "unbounded-pgd": Bad((*OUT, "good.wav", "--unbounded"), ("pgd needs a budget",)),
    "no-speech": Bad((*OUT, "good.wav", "--target", "speech"), ("--speech FILE",)),
    "speech-for-nothing": Bad(
        (*OUT, "good.wav", "--speech", "other.wav"), ("--target speech",)
    ),
    **{
        f"{flag}={value}": Bad(
            ("protect", "-o", "out.wav", "good.wav", f"--{flag}={value}"), (f"--{flag}", value)
        )
        for flag, value in [
            ("snr", "-1"),
            ("snr", "91"),
            ("snr", "nan"),
            ("eps", "0"),
            ("eps", "-0.1"),
            ("eps", "1.5"),
            ("steps", "0"),
            ("steps", "many"),
            ("momentum", "1"),
            ("step-size", "0"),
            ("step-size", "inf"),
            ("step-size", "nan"),
            ("final-rate", "2"),
            ("start", "-1"),
            ("seed", "-1"),
            ("seed", str(2**63)),
        ]
    },
    # weights
    **{
        name: Bad((*OUT, "good.wav", "--weights", name), (name, message))
        for name, message in {
            "missing.pt": "neither a weights file",
            "no/such.pt": "neither a weights file",
            "folder": "enhance_model.ckpt",
            "text.pt": "not a weights file",
            "text.safetensors": "not a weights file",
            "list.pt": "not a plain state dict",
            "empty.wav": "not a weights file",
            "other.safetensors": "another network",
        }.items()
    },
    # the recogniser
    "recogniser": Bad(
        (*OUT, "good.wav", "--transcribe", "--model", "hearing-aid"), ("hearing-aid", "base")
    ),
    "recogniser-folder": Bad(("transcribe", "good.wav", "--model", "folder"), ("model.bin",)),
    # grammar
    "no-command": Bad(("protcet", "good.wav"), ("protcet", '"protect"')),
    "no-input": Bad(OUT, ("INPUTS",)),
    "no-output": Bad(("protect", "good.wav"), ("--output",)),
    "no-option": Bad((*OUT, "good.wav", "--stesp", "3"), ("--stesp", "--steps")),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_bad_input_ends_in_one_sentence_and_changes_nothing(
    case: Bad, cli: Callable[..., Outcome], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        case.world(patch)
        before = content_of(folder)
        outcome = cli(*case.arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("unhear: ")
    assert outcome.err.endswith("\n")
    assert len(outcome.err.splitlines()) == 1
    for part in case.sentence:
        assert part.lower() in outcome.err.lower()
    assert content_of(folder) == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_disk_that_is_really_full_leaves_nothing(folder: Path) -> None:
    """The kernel refuses files over 4 kB; nothing is replaced by fakes."""
    before = content_of(folder)
    code = (
        "import resource, sys; from unhear.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "enhance", "good.wav", "-o", "there.wav", "--force"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("unhear: there.wav could not be written")
    assert len(done.stderr.splitlines()) == 1
    assert content_of(folder) == before


# Odd but good input


@dataclass(frozen=True)
class Odd:
    """An unusual recording and what must come of it."""

    audio: np.ndarray  # (time, channels)
    rate: int = RATE
    subtype: str = "PCM_16"
    kind: str = "WAV"
    source: str = "odd.wav"
    output: str = "out.wav"  # as given
    written: str = "out.wav"
    written_subtype: str | None = None  # None: that of the source
    arguments: tuple[str, ...] = ()
    notes: str = ""


ODD: dict[str, Odd] = {
    "silence": Odd(np.zeros((RATE // 2, 1)), notes="the recording is silent"),
    "silence-eps": Odd(
        np.zeros((RATE // 2, 2)), arguments=("--eps", "0.01"), notes="the recording is silent"
    ),
    "silence-page": Odd(
        np.zeros((RATE // 2, 1)), arguments=("--report", "new"), notes="new/out.html"
    ),
    "10-ms": Odd(sound(0.01), notes="10 ms is too short"),
    "1-sample": Odd(np.full((1, 1), 0.25), notes="too short"),
    "1-sample-8-khz": Odd(np.full((1, 1), 0.25), rate=8000, notes="too short"),
    "1-sample-page": Odd(np.full((1, 1), 0.25), arguments=("--report", "new")),
    "too-faint-for-16-bits": Odd(sound(peak=2**-15), notes="it is NOT protected"),
    "too-small-an-eps": Odd(
        sound(), arguments=("--eps", "0.00001"), notes="it is NOT protected"
    ),
    "192-khz": Odd(sound(0.3, 192_000), rate=192_000),
    "44.1-khz": Odd(sound(0.3, 44_100), rate=44_100),
    "8-khz": Odd(sound(rate=8000), rate=8000),
    "11.025-khz": Odd(sound(rate=11_025), rate=11_025),
    "24-bit": Odd(sound(), subtype="PCM_24"),
    "32-bit": Odd(sound(), subtype="PCM_32"),
    "float": Odd(sound(), subtype="FLOAT"),
    "double": Odd(sound(), subtype="DOUBLE"),
    "float-over-full-scale": Odd(
        sound(peak=2.5), subtype="FLOAT", notes="beyond full scale were kept"
    ),
    "stereo": Odd(sound(channels=2)),
    "5-channels": Odd(sound(0.2, channels=5)),
    "full-scale": Odd(np.sign(sound()) * (1 - 2**-15)),
    "8-bit": Odd(sound(), subtype="PCM_U8", written_subtype="PCM_16"),
    "ogg": Odd(
        sound(), RATE, "VORBIS", "OGG", "a.ogg", "out", "out/a.wav", written_subtype="PCM_16"
    ),
    "loud-ogg": Odd(
        np.clip(sound(peak=9), -1, 1), RATE, "VORBIS", "OGG", "a.ogg",
        written_subtype="PCM_16", notes="beyond full scale were clipped",
    ),
    "mp3": Odd(
        sound(), RATE, "MPEG_LAYER_III", "MP3", "a.mp3", "out", "out/a.wav",
        written_subtype="PCM_16",
    ),
    "flac": Odd(sound(), RATE, "PCM_16", "FLAC", "a.flac", "out", "out/a.flac"),
    "flac-out": Odd(sound(), subtype="PCM_24", output="out.flac", written="out.flac"),
    "wav-of-flac": Odd(sound(), RATE, "PCM_24", "FLAC", "a.flac"),
    "upper-case": Odd(sound(), source="A.WAV", output="OUT", written="OUT/A.WAV"),
    "brackets": Odd(
        sound(), source="[bold]odd.wav", output="out", written="out/[bold]odd.wav",
        notes="[bold]odd.wav → out/[bold]odd.wav",
    ),
    "spaces-and-umlauts": Odd(
        sound(), source="mein schöner Klang.wav", output="out",
        written="out/mein schöner Klang.wav",
    ),
    "fgsm": Odd(sound(), arguments=("--attack", "fgsm")),
    "opt": Odd(sound(), arguments=("--attack", "opt", "--snr", "25")),
    "speech": Odd(sound(), arguments=("--target", "speech", "--speech", "other.wav")),
    "noise": Odd(sound(), arguments=("--target", "noise")),
    "force": Odd(sound(), output="there.wav", written="there.wav", arguments=("--force",)),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD.values(), ids=ODD)
def test_odd_input_gives_the_right_file(
    case: Odd, cli: Callable[..., Outcome], folder: Path
) -> None:
    Path(case.source).write_bytes(encoded(case.audio, case.kind, case.subtype, case.rate))
    kept = Path(case.source).read_bytes()
    steps = () if "fgsm" in case.arguments else ("--steps", "2")
    outcome = cli("protect", case.source, "-o", case.output, *steps, *case.arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert case.notes in outcome.out
    assert Path(case.source).read_bytes() == kept
    source, info = soundfile.read(case.source, always_2d=True), soundfile.info(case.source)
    written, now = soundfile.read(case.written, always_2d=True), soundfile.info(case.written)
    assert (now.samplerate, now.channels) == (info.samplerate, info.channels)
    assert now.subtype == (case.written_subtype or info.subtype)
    assert now.format == ("FLAC" if case.written.endswith(".flac") else "WAV")
    assert written[0].shape == source[0].shape
    within_budget(source[0], written[0], now.subtype)
    assert not list(folder.rglob("*.partial"))


def within_budget(source: np.ndarray, written: np.ndarray, subtype: str) -> None:
    """Every channel as re-read keeps the SNR; what is unprotected is kept to the bit."""
    if subtype == "PCM_16":  # what lossy files hold is rounded first
        source = np.clip(np.round(source * 2**15), -(2**15), 2**15 - 1) / 2**15
    for before, after in zip(source.T, written.T, strict=True):
        energy, noise = np.sum(before**2), np.sum((after - before) ** 2)
        assert noise == 0 or 10 * np.log10(energy / noise) >= SNR_DB


def test_silence_and_what_cannot_be_protected_come_back_unchanged(
    cli: Callable[..., Outcome],
) -> None:
    for samples in (np.zeros((RATE, 1)), sound(peak=2**-15)):
        Path("in.wav").write_bytes(encoded(samples))
        assert cli("protect", "in.wav", "-o", "out.wav", "--steps=2", "--force").code == 0
        assert np.array_equal(soundfile.read("in.wav")[0], soundfile.read("out.wav")[0])


def test_several_inputs_keep_their_names_in_a_new_folder(
    cli: Callable[..., Outcome],
) -> None:
    outcome = cli(*PROTECT, "new", "good.wav", "other.wav", "good.flac")
    assert (outcome.code, outcome.err) == (0, "")
    names = {path.name for path in Path("new").iterdir()}
    assert names == {"good.wav", "other.wav", "good.flac"}
    # The same samples in two formats come out as the same samples.
    assert np.array_equal(soundfile.read("new/good.wav")[0], soundfile.read("new/good.flac")[0])


def test_force_overwrites_and_the_seed_decides(cli: Callable[..., Outcome]) -> None:
    written = []
    for seed in ("3", "3", "4"):
        assert cli(*PROTECT, "there.wav", "good.wav", "--force", "--seed", seed).code == 0
        written.append(Path("there.wav").read_bytes())
    assert written[0] == written[1] != written[2]


# JSON


def strict_json(text: str) -> Any:
    """One document and nothing else; NaN and Infinity are no JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def test_what_is_done_unless_told() -> None:
    """The README's figures are of this."""
    choice = Choice()
    assert choice.against == ["metricgan+"]
    assert choice.make_budget() == SignalToNoise(25.0)
    assert choice.make_attack() == PGD(steps=100, step_size=0.2)
    assert choice.make_target() == Target("erase")


def test_all_are_those_with_gradients_that_are_not_spared() -> None:
    choice = Choice(against=["all", "own.pt"], spare=["gtcrn"])
    against = choice.described()["against"]
    assert against == [*(name for name in attackable() if name != "gtcrn"), "own.pt"]
    assert {"metricgan+", "segan", "dtln"} <= set(against)
    assert "rnnoise" not in against


def test_protect_json_is_one_document(cli: Callable[..., Outcome]) -> None:
    Path("silent.wav").write_bytes(encoded(np.zeros((RATE // 2, 2))))
    outcome = cli(*PROTECT, "new", "good.wav", "silent.wav", "--json", "--snr", "30")
    assert (outcome.code, outcome.err) == (0, "")
    first, silent = strict_json(outcome.out)["files"]
    assert set(first) == {
        "source", "output", "sample_rate", "channels", "seconds", "attack_seconds",
        "settings", "figures", "transcripts", "heard_by", "notes", "report",
    }  # fmt: skip
    assert (first["source"], first["output"]) == ("good.wav", "new/good.wav")
    assert (first["sample_rate"], first["channels"], first["seconds"]) == (RATE, 1, 0.5)
    assert first["figures"]["snr_db"] >= 30
    assert first["settings"]["attack"]["steps"] == 2
    assert "30" in first["settings"]["budget"]
    assert first["transcripts"] is first["report"] is None
    assert first["notes"] == []
    assert silent["figures"]["snr_db"] is None
    assert "silent" in silent["notes"][0]


def test_every_enhancer_and_channel_is_told_of(cli: Callable[..., Outcome]) -> None:
    ways = ("--against", "metricgan+", "--spare", "segan", "--survive", "mulaw", "--seed", "1")
    outcome = cli(*OUT, "good.wav", *ways, "--json")
    [file] = strict_json(outcome.out)["files"]
    heard = [(each["enhancer"], each["spared"], each["through"]) for each in file["heard_by"]]
    assert heard == [
        ("metricgan+", False, None),
        ("segan", True, None),
        ("metricgan+", False, "mulaw"),
        ("segan", True, "mulaw"),
    ]
    assert file["figures"] == file["heard_by"][0]["figures"]
    levels = {each["figures"]["level_change_db"] for each in file["heard_by"]}
    assert len(levels) == 4
    assert file["settings"]["survive"] == ["mulaw"]
    told = cli(*PROTECT, "again.wav", "good.wav", *ways, "--report", "pages").out
    page = Path("pages/again.html").read_text("utf-8")
    for text in (told, page):
        assert "spared segan, mulaw" in text
        assert "metricgan+, mulaw" in text


@pytest.mark.parametrize(
    ("budget", "figure", "holds"),
    [
        (("--masked", "0"), "share_unmasked", lambda share: share <= 0.06),
        (("--a-weighted", "20"), "a_weighted_snr_db", lambda level: 19.9 <= level < 40),
    ],
)
def test_budgets_of_the_ear(
    cli: Callable[..., Outcome],
    budget: tuple[str, str],
    figure: str,
    holds: Callable[[float], bool],
) -> None:
    outcome = cli(*OUT, "good.wav", *budget, "--json")
    [file] = strict_json(outcome.out)["files"]
    assert holds(file["figures"][figure])


def test_both_of_two_enhancers_lose_level(cli: Callable[..., Outcome]) -> None:
    silence = ("--target", "silence", "--steps", "10", "--snr", "20", "--json")
    outcome = cli("protect", "good.wav", "-o", "out.wav", *AGAINST_BOTH, *silence)
    [file] = strict_json(outcome.out)["files"]
    assert [each["enhancer"] for each in file["heard_by"]] == ["metricgan+", "segan"]
    for each in file["heard_by"]:
        assert each["figures"]["level_change_db"] < -1


def test_json_of_the_other_commands(
    cli: Callable[..., Outcome], recogniser: list[np.ndarray]
) -> None:
    enhanced = cli("enhance", "good.wav", "-o", "out.wav", "--json")
    assert strict_json(enhanced.out) == {
        "with": "metricgan+",
        "raw": False,
        "files": [{"source": "good.wav", "output": "out.wav"}],
    }
    transcribed = cli("transcribe", "good.wav", "--json")
    assert strict_json(transcribed.out)["files"] == [
        {"source": "good.wav", "text": "[music] 8000", "language": "de"}
    ]


# enhance


def test_enhance_normalises_the_peak_unless_told(cli: Callable[..., Outcome]) -> None:
    Path("in.wav").write_bytes(encoded(sound(rate=44_100, channels=2), rate=44_100))
    assert cli("enhance", "in.wav", "-o", "loud.wav").out == "in.wav → loud.wav\n"
    assert cli("enhance", "in.wav", "-o", "raw.wav", "--raw").code == 0
    loud, raw = (soundfile.read(name)[0] for name in ("loud.wav", "raw.wav"))
    step = 2**-15
    assert (np.abs(loud).max(0) >= 1 - step).all()
    assert (np.abs(raw).max(0) < 0.9).all()
    # Three roundings lie between them: of either file, and of the peak read from the raw one.
    assert np.abs(raw - loud * np.abs(raw).max(0)).max() <= 1.5 * step
    assert len(np.unique(loud)) > 2 * len(np.unique(raw))  # scaled before it was rounded
    for name in ("loud.wav", "raw.wav"):
        info = soundfile.info(name)
        assert (info.samplerate, info.channels, info.subtype) == (RATE, 2, "PCM_16")
        assert info.frames == RATE // 2


def test_enhance_of_silence_is_silence(cli: Callable[..., Outcome]) -> None:
    Path("in.wav").write_bytes(encoded(np.zeros((1000, 1))))
    assert cli("enhance", "in.wav", "-o", "out.wav").code == 0
    assert not soundfile.read("out.wav")[0].any()


def test_enhance_of_floats_into_flac(cli: Callable[..., Outcome]) -> None:
    """What is written is 16 bits, so FLAC can hold it, whatever came in."""
    assert cli("enhance", "float.wav", "-o", "out.flac").code == 0
    assert soundfile.info("out.flac").subtype == "PCM_16"


def test_what_is_enhanced_does_not_hang_on_the_files_before(
    cli: Callable[..., Outcome],
) -> None:
    for number, files in enumerate((["good.wav", "other.wav"], ["other.wav"])):
        assert cli("enhance", *files, "-o", f"out{number}/", "--with", "segan").code == 0
    assert Path("out0/other.wav").read_bytes() == Path("out1/other.wav").read_bytes()


def test_a_file_that_could_not_be_measured_is_there(
    cli: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise InputError("the ear is full: empty it")

    monkeypatch.setattr("unhear.files.measure", refuse)
    outcome = cli(*OUT, "good.wav")
    assert outcome.code == 2
    assert "out.wav is written, but was not measured: the ear is full" in outcome.err
    assert soundfile.info("out.wav").frames == soundfile.info("good.wav").frames


# Recognition, by a fake that writes down how many samples it was given


@pytest.fixture
def recogniser(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    heard: list[np.ndarray] = []

    class Engine:
        supported_languages = ("de", "en")

        def transcribe(self, audio: np.ndarray, **options: Any) -> tuple[Any, Any]:
            heard.append(audio)
            text = SimpleNamespace(text=f"[music] {audio.size}")
            return [text], SimpleNamespace(language=options["language"] or "de")

    engine = Engine()
    engine.supported_languages = ["de", "en"]  # type: ignore[assignment]
    monkeypatch.setattr("unhear.recognise.whisper._engine", lambda _: engine)
    monkeypatch.setattr("unhear.recognise.store._memory", {})
    return heard


def test_transcribe_prints_the_words(
    cli: Callable[..., Outcome], recogniser: list[np.ndarray]
) -> None:
    assert cli("transcribe", "good.wav").out == "[music] 8000\n"
    several = cli("transcribe", "good.wav", "other.wav").out
    assert several == "good.wav: [music] 8000\nother.wav: [music] 8000\n"
    assert len(recogniser) == 2  # good.wav was remembered


def test_transcribe_resamples_and_mixes_down(
    cli: Callable[..., Outcome], recogniser: list[np.ndarray]
) -> None:
    Path("in.wav").write_bytes(encoded(sound(0.5, 48_000, 2), rate=48_000))
    assert cli("transcribe", "in.wav").out == "[music] 8000\n"
    assert recogniser[0].shape == (8000,)


def test_an_unknown_language_is_refused(
    cli: Callable[..., Outcome], recogniser: list[np.ndarray]
) -> None:
    outcome = cli("transcribe", "good.wav", "--language", "tlh")
    assert (outcome.code, len(outcome.err.splitlines())) == (2, 1)
    assert "no language tlh" in outcome.err


def test_protect_shows_what_is_heard(
    cli: Callable[..., Outcome], recogniser: list[np.ndarray]
) -> None:
    outcome = cli(*OUT, "good.wav", "--transcribe")
    assert outcome.code == 0
    labels = [
        "recording",
        "protected recording",
        "enhanced recording",
        "enhanced, peak-normalised",
        "enhanced protected",
        "enhanced protected, peak-normalised",
    ]
    lines = [line.strip() for line in outcome.out.splitlines()]
    for label in labels:
        assert any(line.split("“")[0].strip() == label for line in lines), label
    # A recogniser's brackets are text, not markup.
    assert sum("“[music] 8000”" in line for line in lines) == len(labels)
    for label in ("perturbation SNR", "RPR", "PESQ", "STOI"):
        assert any(line.startswith(label) for line in lines)


def test_protect_json_holds_what_is_heard(
    cli: Callable[..., Outcome], recogniser: list[np.ndarray]
) -> None:
    outcome = cli(*OUT, "good.wav", "--transcribe", "--json")
    texts = strict_json(outcome.out)["files"][0]["transcripts"]
    assert set(texts) == {
        "noisy", "protected", "enhanced", "enhanced_normalised", "enhanced_protected",
        "enhanced_protected_normalised",
    }  # fmt: skip
    assert set(texts.values()) == {"[music] 8000"}


def test_report_writes_a_page_for_each_recording(
    cli: Callable[..., Outcome], recogniser: list[np.ndarray]
) -> None:
    outcome = cli(
        *PROTECT, "new", "good.wav", "other.wav", "--report", "new/pages", "--transcribe"
    )
    assert (outcome.code, outcome.err) == (0, "")
    for name in ("good", "other"):
        assert f"page: new/pages/{name}.html\n" in outcome.out
        page = Path(f"new/pages/{name}.html").read_text("utf-8")
        assert f"{name}.wav, protected" in page
        assert page.count("data:audio/wav") == 4
        assert "[music] 8000" in page


def test_force_overwrites_a_page(cli: Callable[..., Outcome]) -> None:
    outcome = cli(*OUT, "good.wav", "--report", "pages", "--force", "--json")
    assert strict_json(outcome.out)["files"][0]["report"] == "pages/out.html"
    assert Path("pages/out.html").read_bytes() != b"old page"


@pytest.mark.parametrize("odd", [np.zeros((RATE // 2, 1)), np.full((1, 1), 0.25)])
def test_a_page_about_nothing_says_so(odd: np.ndarray, cli: Callable[..., Outcome]) -> None:
    Path("in.wav").write_bytes(encoded(odd))
    assert cli(*OUT, "in.wav", "--report", "new").code == 0
    page = Path("new/out.html").read_text("utf-8")
    assert "inf dB below" not in page
    assert "nan dB" not in page
    assert ("The recording is silent" if not odd.any() else "is too short") in page


def test_who_goes_on_is_told_which_pages_are_missing(cli: Callable[..., Outcome]) -> None:
    """As when the first run was stopped between a file and its page."""
    outcome = cli(
        "protect", "good.wav", "-o", "there.wav", "--skip-existing", "--report", "new"
    )
    assert outcome.code == 0
    told = "there.wav is left as it is, without a page: remove it to have both made"
    assert outcome.err == f"unhear: {told}\n"


def test_noise_is_added_for_enhancers_without_gradients(cli: Callable[..., Outcome]) -> None:
    ways = ("--against", "log-mmse", "--attack", "white-noise", "--json")
    outcome = cli("protect", "good.wav", "-o", "out.wav", *ways)
    (file,) = strict_json(outcome.out)["files"]
    assert file["figures"]["snr_db"] == pytest.approx(25, abs=0.1)


# Listings and help


def test_listings(cli: Callable[..., Outcome]) -> None:
    for command, names in (
        ("enhancers", registry()),
        ("attacks", ATTACKS),
        ("channels", CHANNELS),
    ):
        assert [card["name"] for card in strict_json(cli(command, "--json").out)] == [*names]
        lines = cli(command).out.split("\n\n")[0].splitlines()
        assert [line for line in lines if not line.startswith(" ")] == [*names]


def test_every_setting_of_every_attack_is_a_flag(cli: Callable[..., Outcome]) -> None:
    shown = cli("protect", "--help").out
    for card in strict_json(cli("attacks", "--json").out):
        for name in card:
            if name.startswith("--"):
                assert name in shown


def test_help_and_version(cli: Callable[..., Outcome]) -> None:
    shown = cli("--help")
    assert (shown.code, shown.err) == (0, "")
    for command in (
        "protect",
        "enhance",
        "transcribe",
        "enhancers",
        "attacks",
        "channels",
        "train",
    ):
        assert command in shown.out
    assert cli("--version").out.strip()
    assert cli().out == shown.out


IMPORTED = """
import sys
from unhear.cli import main
try:
    main()
finally:
    heavy = {"torch", "numpy", "matplotlib", "scipy", "soundfile", "faster_whisper"}
    print(sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments", ["--help", "--version", "enhancers", "attacks", "protect --help", "protcet"]
)
def test_quick_answers_import_nothing_heavy(arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "[]"
    assert done.returncode == (2 if arguments == "protcet" else 0)


# Failures that are not the user's


def test_debug_shows_the_traceback() -> None:
    plain = in_process_of_its_own("protect", "good.wav", "-o", "there.wav", "--against", "x")
    assert (plain.returncode, len(plain.stderr.splitlines())) == (2, 1)
    debug = in_process_of_its_own(
        "protect", "good.wav", "-o", "there.wav", "--against", "x", "--debug"
    )
    assert debug.returncode != 0
    assert debug.stderr.startswith("Traceback")
    assert debug.stderr.splitlines()[-1].startswith("unhear.errors.InputError: ")


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (
            FailureError("the cable\nis out: plug it in"),
            1,
            "unhear: the cable is out: plug it in",
        ),
        (
            ZeroDivisionError("by zero"),
            1,
            "unhear: something went wrong (ZeroDivisionError: by",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_failures_have_their_own_exit_codes(
    error: BaseException,
    code: int,
    sentence: str,
    cli: Callable[..., Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(commands, "enhance_files", fail)
    outcome = cli("enhance", "good.wav", "-o", "out.wav")
    assert outcome.code == code
    assert outcome.err.startswith(sentence)
    assert len(outcome.err.splitlines()) == bool(sentence)


def test_a_terminal_without_unicode_gets_its_answer() -> None:
    """Greek letters and arrows are printed, but not every encoding has them."""
    assert in_process_of_its_own("attacks", encoding="ascii").returncode == 0
    done = in_process_of_its_own("enhance", "good.wav", "-o", "out.wav", encoding="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("good.wav ")
