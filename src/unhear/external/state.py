"""The networks that Python of the user's works with, wherever it keeps them, and weights."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEEPEST = 4  # of what is in something else


def networks(
    thing: Any, depth: int = DEEPEST
) -> Iterator[nn.Module | torch.Tensor | np.ndarray]:
    """Modules, tensors and arrays that an object has, a function has closed over or names, or
    that are in a list or dictionary of those; always in the same order.
    """
    if isinstance(thing, nn.Module | torch.Tensor | np.ndarray):
        yield thing
    elif depth:
        for each in _held(thing):
            yield from networks(each, depth - 1)


def _held(thing: Any) -> Iterable[Any]:
    match thing:
        case FunctionType():
            held = [*_closed_over(thing), *_named(thing)]
        case MethodType():
            held = [thing.__self__]
        case partial():
            held = [thing.func, *thing.args, *thing.keywords.values()]
        case list() | tuple():
            held = thing
        case dict():
            held = thing.values()
        case type() | ModuleType():
            held = ()
        case _:
            held = getattr(thing, "__dict__", {}).values()
    return held


def _closed_over(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty one
            yield cell.cell_contents


def _named(function: FunctionType) -> list[Any]:
    names = function.__code__.co_names
    return [function.__globals__[name] for name in names if name in function.__globals__]
