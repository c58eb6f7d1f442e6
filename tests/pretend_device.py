"""A device that this machine does not have: the CPU does its work, and mixing them is refused.

It is called ``meta``, since torch knows that name everywhere, but its tensors have values.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

NAME = "meta"
INDICES_FROM_ANYWHERE = {  # as on a real device
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
}


class Elsewhere(torch.Tensor):
    """A tensor on the device; ``own`` holds its values."""

    own: torch.Tensor
    __torch_function__: ClassVar = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, own: torch.Tensor) -> Self:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            own.shape,
            strides=own.stride(),
            storage_offset=own.storage_offset(),
            dtype=own.dtype,
            device=torch.device(NAME),
        )

    def __init__(self, own: torch.Tensor) -> None:
        self.own = own

    @classmethod
    def __torch_dispatch__(cls, function, _types, args=(), kwargs=None):
        return computed(function, args, kwargs or {})


class PretendDevice(TorchDispatchMode):
    """Within it, tensors can be moved to the device and made there."""

    def __torch_dispatch__(self, function, _types, args=(), kwargs=None):
        return computed(function, args, kwargs or {})


def computed(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What the CPU makes of it, where it belongs."""
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
    there, wanted = any(isinstance(each, Elsewhere) for each in tensors), kwargs.get("device")
    if wanted is None:
        _refuse_mixtures(function, tensors)
        told = kwargs
    else:
        there, told = torch.device(wanted).type == NAME, kwargs | {"device": "cpu"}
    outputs = function(*tree_map(_own, args), **tree_map(_own, told))
    if not there:
        return outputs
    outputs = tree_map(_put_there, outputs)
    if wanted is not None:
        return outputs
    return return_and_correct_aliasing(function, args, kwargs, outputs)


def _refuse_mixtures(function: Any, tensors: list[torch.Tensor]) -> None:
    strangers = [each for each in tensors if each.dim() and not isinstance(each, Elsewhere)]
    mixed = 0 < len(strangers) < len([each for each in tensors if each.dim()])
    if mixed and function not in INDICES_FROM_ANYWHERE:
        raise RuntimeError(f"{function} got tensors of two devices")


def _own(value: Any) -> Any:
    return value.own if isinstance(value, Elsewhere) else value


def _put_there(value: Any) -> Any:
    """A wrapper does not tell that its values are to be conjugated, so that is done at once."""
    if not isinstance(value, torch.Tensor):
        return value
    return Elsewhere(value.resolve_conj().resolve_neg())
