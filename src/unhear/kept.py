"""What was computed of a long recording, kept until all of it is: stopping loses one batch."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import torch

from unhear.outputs import hidden_beside, replacing

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import Float
    from torch import Tensor


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
    another one finds nothing, and removes what others have left for the same output.
    """

    def __init__(self, output: Path, identity: str) -> None:
        self._folder = hidden_beside(output, f"{identity}.kept")
        start = re.escape(hidden_beside(output, "").name)
        digits = f"[0-9a-f]{{{len(identity)}}}"
        for other in output.parent.iterdir() if output.parent.exists() else ():
            if re.fullmatch(rf"{start}{digits}\.kept", other.name) and other != self._folder:
                shutil.rmtree(other, ignore_errors=True)
            elif re.fullmatch(rf"{start}[0-9a-f]+\.partial", other.name):  # of who was killed
                other.unlink(missing_ok=True)

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
