"""Shapes and types are checked at every call of the tests; warnings are errors."""

from __future__ import annotations

import os
import pkgutil
import sys
import typing
from importlib import import_module

import beartype  # noqa: F401  third parties first, for they must not see the switch below
import cyclopts  # noqa: F401
import filelock  # noqa: F401
import julius  # noqa: F401
import matplotlib as mpl  # noqa: F401
import pesq  # noqa: F401
import pytest
import rich.progress  # noqa: F401
import safetensors.torch  # noqa: F401
import scipy.signal  # noqa: F401
import torch.nn.utils.parametrizations
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

import unhear

# The product imports the names of its annotations for type checkers only, so that its command
# line starts fast. Here they are wanted: beartype looks them up at run time.
typing.TYPE_CHECKING = True
with install_import_hook("unhear", "beartype.beartype"):
    for module in pkgutil.walk_packages(unhear.__path__, "unhear."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
typing.TYPE_CHECKING = False

from command_line import Outcome

from unhear.cli import main
from unhear.errors import AbsentError
from unhear.weights import fetch

# Nobody waits where there is no network.
os.environ["PIP_RETRIES"] = "0"

# Speed is measured in benchmarks, never here; and a run is like the one before.
settings.register_profile(
    "unhear", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhear")

# The clips are short: a second thread only gets into the way of whatever else runs.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def fetched():
    """Fetches weights, or skips the test."""

    def fetched(source):
        try:
            return fetch(source)
        except AbsentError as error:
            pytest.skip(f"no weights: {error}")

    return fetched


@pytest.fixture
def cli(monkeypatch, capsys):
    """Calls the entry point as the shell would, in this process."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["unhear", *arguments])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return Outcome(code, *capsys.readouterr())

    return call
