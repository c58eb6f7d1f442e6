"""Models that Python of the user's makes: MODULE:NAME and FILE.py:NAME."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from inspect import Parameter, isclass, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from unhear.enhancers.base import Enhancer
from unhear.errors import InputError
from unhear.external.adapter import said
from unhear.external.probe import Found

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def load(name: str) -> Found | Enhancer:
    """What ``name`` is, or makes when it is called without arguments.

    Raises InputError for what is missing and, with their type and text, for errors that the
    user's code raises.
    """
    place, _, attribute = name.rpartition(":")
    module = _file(place) if place.endswith(".py") else _module(place)
    if not hasattr(module, attribute):
        raise InputError(f"{place} has no {attribute}: give the name of what it defines")
    model = _made(name, getattr(module, attribute))
    if isinstance(model, Enhancer):
        if not hasattr(model, "card"):
            raise InputError(f"{name} has no card: give it one, unhear.enhancers.base.Card")
        return model
    return Found(name, model, "your own (Python)", str(module.__file__ or place))


def _module(place: str) -> ModuleType:
    # As with python -m, what lies in the working folder can be imported.
    _search(Path.cwd())
    try:
        with _users_code(place):
            return import_module(place)
    except ModuleNotFoundError as error:
        raise InputError(
            f"there is no module {place} here, and none is installed: check the name"
        ) from error


def _file(place: str) -> ModuleType:
    path = Path(place).expanduser().resolve()
    if not path.is_file():
        raise InputError(f"{place} does not exist: check the name of the file")
    _search(path.parent)
    spec = cast("ModuleSpec", spec_from_file_location(f"unhear_own_{path.stem}", path))
    module = sys.modules[spec.name] = module_from_spec(spec)
    with _users_code(place):
        cast("Loader", spec.loader).exec_module(module)
    return module


def _search(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _made(name: str, thing: Any) -> Callable[..., Any] | Enhancer:
    if isinstance(thing, nn.Module | Enhancer):
        return thing
    required = _required(name, thing)
    if required == 1 and not isclass(thing):
        return thing
    if required:
        raise InputError(
            f"{name} can be called neither with the audio alone nor without arguments: give a "
            "function that can"
        )
    with _users_code(name):
        made = thing()
    if not callable(made):
        raise InputError(f"{name}() gives {type(made).__name__}: let it return a model")
    return made


def _required(name: str, thing: Any) -> int:
    """How many arguments a call needs; those who will not tell are taken to need the audio."""
    if not callable(thing):
        raise InputError(
            f"{name} is of type {type(thing).__name__}: give a model or a function"
        )
    try:
        parameters = signature(thing).parameters.values()
    except ValueError:
        return 1
    free = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return sum(p.default is Parameter.empty and p.kind not in free for p in parameters)


@contextmanager
def _users_code(name: str) -> Generator[None]:
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise
        raise InputError(f"{name} cannot be loaded, for it raised {said(error)}") from error
