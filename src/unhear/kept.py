"""What was computed of a long recording, kept until all of it is: stopping loses one batch.

Whoever works on one is alone at it.
"""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from filelock import FileLock, Timeout

from unhear.errors import InputError
from unhear.outputs import hidden_beside, replacing

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from jaxtyping import Float
    from torch import Tensor

DIGITS = 16  # of an identity


class Kept:
    """Keeps nothing: for what is quickly done again."""

    def get(self, batch: int) -> Float[Tensor, "chunks channels length"] | None:
        """The perturbation of a batch of chunks, if it is there."""
        return None

    def put(self, batch: int, delta: Float[Tensor, "chunks channels length"]) -> None:
        """Keep it."""

    def drop(self) -> None:
        """When it is not needed any more."""


class KeptBeside(Kept):
    """One file for each batch, in a hidden folder beside the output.

    Its name has the ``identity`` of all that decides what is computed: whoever comes with
    another one finds nothing. To be used within :func:`alone_at`.
    """

    def __init__(self, output: Path, identity: str) -> None:
        self._folder = hidden_beside(output, f"{identity}.kept")

    def get(self, batch: int) -> Float[Tensor, "chunks channels length"] | None:
        try:
            return torch.from_numpy(np.load(self._path(batch)))
        except (OSError, ValueError, EOFError):  # there is none, or a power cut emptied it
            return None

    def put(self, batch: int, delta: Float[Tensor, "chunks channels length"]) -> None:
        """Raises InputError when there is no room for it."""
        with replacing(self._path(batch)) as partial:
            self._folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.save(file, delta.numpy())

    def drop(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, batch: int) -> Path:
        return self._folder / f"{batch:05}.npy"


@contextmanager
def alone_at(output: Path) -> Generator[None]:
    """Nobody else protects a long recording into ``output`` meanwhile.

    Raises InputError where somebody does.
    """
    made = not output.parent.exists()
    lock = FileLock(hidden_beside(output, "lock"))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"another process is protecting a recording into {output}: wait for it, or name "
            "another output"
        ) from error
    except (OSError, NotImplementedError):  # whoever writes there says what is wrong with it
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps what is open
            Path(lock.lock_file).unlink()
        lock.release()
        if made:
            with suppress(OSError):  # there is something in it
                output.parent.rmdir()


def remove_leftovers(output: Path, identity: str = "") -> None:
    """What was left for this output by whoever was killed, or had another identity."""
    start = re.escape(hidden_beside(output, "").name)
    own = hidden_beside(output, f"{identity}.kept")
    for other in output.parent.iterdir() if output.parent.exists() else ():
        if re.fullmatch(rf"{start}[0-9a-f]{{{DIGITS}}}\.kept", other.name) and other != own:
            shutil.rmtree(other, ignore_errors=True)
        elif re.fullmatch(rf"{start}[0-9a-f]+\.partial", other.name):
            with suppress(OSError):
                other.unlink(missing_ok=True)


def forget_finished(outputs: Sequence[Path]) -> None:
    """Remove what is left beside outputs that are there: of whoever was killed behind that."""
    folders = dict.fromkeys(output.parent for output in outputs)
    left = [
        each.name
        for folder in folders
        for ending in ("kept", "lock")
        for each in folder.glob(f".*.{ending}")
    ]
    for output in outputs if left else ():
        if any(name.startswith(hidden_beside(output, "").name) for name in left):
            with suppress(InputError), alone_at(output):  # unless somebody is at work there
                remove_leftovers(output)
