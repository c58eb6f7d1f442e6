"""Models in files: TorchScript, which unpickles no objects; exported programs, which may."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile, is_zipfile

import torch

from unhear.enhancers.external import Form, form_of_file
from unhear.errors import InputError
from unhear.external.adapter import said
from unhear.external.probe import Found

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.export import ExportedProgram

MARKS = {"torchscript": "constants.pkl", "exported": "archive_format"}  # what only these hold
TRAINING = {  # place of the argument that says so
    torch.ops.aten.dropout.default: 2,
    torch.ops.aten.batch_norm.default: 5,
}
REMEDIES = {
    "torchscript": "is no TorchScript file: save the model with torch.jit.save",
    "exported": "is no exported program: save it with torch.export.save",
}


def load(name: str) -> Found:
    """The model in a file of the user's."""
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(f"the enhancer {name} does not exist: check the name of the file")
    return load_as(name, path, str(path))


def load_as(name: str, path: Path, weights: str) -> Found:
    """The model in a file by its ending; raises InputError, which calls it ``name``."""
    form = require_form(name, path.name)
    if not _holds(path, MARKS[form]):
        raise InputError(f"{name} {REMEDIES[form]}, or name the Python that makes it")
    loaders: dict[Form, Callable[..., Found]]
    loaders = {"torchscript": _torchscript, "exported": _exported}
    try:
        # TorchScript is said to be deprecated at every load; the user cannot help it here.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            return loaders[form](name, path, weights)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name} cannot be loaded ({said(error)}): save it again") from error


def require_form(name: str, file: str) -> Form:
    """The form of a file by its ending; raises InputError, which calls it ``name``."""
    form = form_of_file(file)
    if form is None:
        raise InputError(f"{name} has no known ending: give a .pt of TorchScript or a .pt2")
    return form


def _holds(path: Path, member: str) -> bool:
    if not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return any(name.split("/")[1:] == [member] for name in archive.namelist())


def _torchscript(name: str, path: Path, weights: str) -> Found:
    return Found(
        name, torch.jit.load(path, map_location="cpu"), "your own (TorchScript)", weights
    )


def _exported(name: str, path: Path, weights: str) -> Found:
    program = torch.export.load(path)
    if _in_training(program):
        raise InputError(
            f"{name} was exported in training: call its eval() before torch.export.export"
        )
    if fixed := _fixed_length(program):
        raise InputError(
            f"{name} was exported for exactly {fixed:,} samples: export it with a dynamic time "
            "dimension, as by dynamic_shapes=({0: Dim.DYNAMIC, 1: Dim.DYNAMIC},)"
        )
    return Found(name, program.module(), "your own (exported program)", weights)


def _in_training(program: ExportedProgram) -> bool:
    """Whether layers are told so that behave otherwise then."""
    return any(
        len(node.args) > place and node.args[place] is True
        for node in program.graph.nodes
        if (place := TRAINING.get(node.target)) is not None
    )


def _fixed_length(program: ExportedProgram) -> int | None:
    """The only length of audio that it takes, if it is bound to one."""
    (audio, *_) = program.graph_signature.user_inputs
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    length = values[audio].shape[-1]
    return length if isinstance(length, int) else None
