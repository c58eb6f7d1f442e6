"""Where torch can compute."""

from __future__ import annotations

import torch

from unhear.errors import InputError

AUTO = "auto"  # a GPU that CUDA or ROCm reaches, if there is one


def usable(name: str) -> str:
    """The device of that name, or the one that ``auto`` stands for.

    Raises InputError when nothing can be computed there.
    """
    if name == AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.ones(1).to(name).square().cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"nothing can be computed on the device {name!r} ({reason}): leave --device out, "
            "or give auto, cpu, cuda or cuda:1"
        ) from error
    return name
