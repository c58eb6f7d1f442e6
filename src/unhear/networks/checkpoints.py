"""The user's weights: where they are and whether they fit. Never unpickles objects."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from unhear.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

CONTAINERS = ("model", "state_dict")  # where checkpoints of a training keep the weights


def locate(weights: str, checkpoint: str) -> Path:
    """The file meant by a file name, a folder holding ``checkpoint``, or a cached hub model.

    Raises InputError when there is no such file.
    """
    path = Path(weights).expanduser()
    if path.is_dir():
        path = path / checkpoint
    if path.is_file():
        return path
    if cached := _in_hub_cache(weights, checkpoint):
        return cached
    raise InputError(
        f"{weights} is neither a weights file nor a model in the local hub cache: "
        f"name a file, a folder with {checkpoint}, or ORGANISATION/MODEL"
    )


def _in_hub_cache(model: str, checkpoint: str) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:  # it comes with the recogniser; without it there is no such cache
        return None
    try:
        found = try_to_load_from_cache(model, checkpoint)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def load_into(network: nn.Module, path: Path, name: str) -> None:
    """Load a state dict into ``network``, whose keys and shapes it must match exactly.

    Raises InputError when the file is missing, unreadable or made for another network.
    """
    load_state(network, read_state(path), path, name)


def load_state(network: nn.Module, state: dict[str, Tensor], path: Path, name: str) -> None:
    """Load what came out of ``path`` into ``network``; raises InputError unless all fits."""
    wanted = {key: value.shape for key, value in network.state_dict().items()}
    given = {key: value.shape for key, value in state.items()}
    if given != wanted:
        different = sorted(wanted.keys() ^ given.keys()) or sorted(
            key for key in wanted if wanted[key] != given[key]
        )
        raise InputError(
            f"{path} holds the weights of another network than {name} "
            f"(it differs in {len(different)} tensors, such as {different[0]}): "
            "name the weights that belong to it"
        )
    network.load_state_dict(state)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a file; raises InputError when it is missing or unreadable."""
    if not path.is_file():
        raise InputError(f"the weights {path} do not exist: check the name")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what is no pickle raises nearly anything
        raise InputError(
            f"{path} is not a weights file: give safetensors or a PyTorch state dict"
        ) from error
    if not isinstance(state, dict):
        raise _no_state_dict(path)
    for container in CONTAINERS:
        if isinstance(state.get(container), dict):
            state = state[container]
    if not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items()):
        raise _no_state_dict(path)
    return state


def _no_state_dict(path: Path) -> InputError:
    return InputError(
        f"{path} is not a plain state dict: save the network's state_dict() alone"
    )
