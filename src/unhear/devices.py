"""Where torch can compute, and what is said when it cannot."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from unhear.errors import FailureError, InputError

if TYPE_CHECKING:
    from collections.abc import Generator

AUTO = "auto"  # a GPU that CUDA or ROCm reaches, if there is one


def usable(name: str) -> str:
    """The device of that name, or the one that ``auto`` stands for here.

    Raises InputError when nothing can be computed there.
    """
    if name == AUTO:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.ones(1).to(name).square().cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise InputError(
            f"nothing can be computed on the device {name!r} ({reason}): leave --device out, "
            "or give auto, cpu, cuda or cuda:1"
        ) from error
    return "cpu" if torch.device(name).type == "cpu" else name


@contextmanager
def enough_memory() -> Generator[None]:
    """Raise FailureError, with what can be done, when a device's memory is not enough."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise FailureError(
            "the memory of the device is not enough: let fewer --jobs share it, or give "
            "--device cpu"
        ) from error
