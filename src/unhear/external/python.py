"""Models that Python of the user's makes: MODULE:NAME and FILE.py:NAME."""

from __future__ import annotations

import hashlib
import sys
from contextlib import contextmanager, redirect_stdout, suppress
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

OWN = "unhear_own"  # how the names of files' modules begin


def load(name: str) -> Found | Enhancer:
    """What ``name`` is, or makes when it is called without arguments.

    Raises InputError for what is missing and, with their type and text, for errors that the
    user's code raises.
    """
    place = name.rpartition(":")[0]
    if not place.endswith(".py"):
        return _defined(name, _module(place))
    path = Path(place).expanduser().resolve()
    if not path.is_file():
        raise InputError(f"{place} does not exist: check the name of the file")
    with _by_itself(path.parent):
        return _defined(name, _file(place, path))


def _defined(name: str, module: ModuleType) -> Found | Enhancer:
    place, _, attribute = name.rpartition(":")
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


def _file(place: str, path: Path) -> ModuleType:
    own = hashlib.sha256(str(path).encode()).hexdigest()[:8]  # many are called model.py
    spec = cast("ModuleSpec", spec_from_file_location(f"{OWN}_{path.stem}_{own}", path))
    module = sys.modules[spec.name] = module_from_spec(spec)
    with _users_code(place):
        cast("Loader", spec.loader).exec_module(module)
    return module


def _search(folder: Path) -> None:
    """There first, wherever it was looked before."""
    with suppress(ValueError):
        sys.path.remove(str(folder))
    sys.path.insert(0, str(folder))


@contextmanager
def _by_itself(folder: Path) -> Generator[None]:
    """What is imported from the folder is forgotten in the end, though not by who has imported
    it: two enhancers may each have a `utils.py` beside them.
    """
    before = set(sys.modules)
    _search(folder)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if not name.startswith(OWN) and _lies_in(folder, sys.modules[name]):
                del sys.modules[name]


def _lies_in(folder: Path, module: ModuleType) -> bool:
    """Whether it does, and is not installed there, as in a virtual environment."""
    file = getattr(module, "__file__", None) or next(
        iter(getattr(module, "__path__", ())), None
    )
    return bool(file) and Path(file).is_relative_to(folder) and "site-packages" not in file


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
        with redirect_stdout(sys.stderr):  # what it prints is no part of our output
            yield
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise
        raise InputError(f"{name} cannot be loaded, for it raised {said(error)}") from error
