"""Enhancers of SpeechBrain, as its own interfaces of inference run them.

https://speechbrain.readthedocs.io, ``speechbrain.inference.enhancement`` and ``.separation``.
A model is a folder or repository with a ``hyperparams.yaml``, which can run any code, and a
``config.json`` that names its interface.
"""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unhear.errors import InputError
from unhear.external import hub
from unhear.external.adapter import said
from unhear.external.probe import Found
from unhear.weights import cache_folder, offline

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class Interface:
    """One of SpeechBrain's classes and how to call it."""

    module: str
    call: Callable[[Any, Tensor], Tensor]
    remark: str = ""


def _masked(model: Any, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    # Lengths are relative, and some masking networks insist on them.
    return model.enhance_batch(audio, lengths=torch.ones(len(audio), device=audio.device))


def _enhanced(model: Any, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    return model.enhance_batch(audio)


def _separated(model: Any, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    return model.separate_batch(audio)[..., 0]


INTERFACES = {
    "SpectralMaskEnhancement": Interface(
        "enhancement", _masked, ", which divides its output by its peak unless told otherwise"
    ),
    "WaveformEnhancement": Interface("enhancement", _enhanced),
    "SepformerSeparation": Interface("separation", _separated),
}


class Pretrained(nn.Module):
    """A model of SpeechBrain, which sends its input to a device of its own choice."""

    def __init__(self, model: nn.Module, call: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.model: Any = model
        self.call = call

    def forward(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        self.model.device = str(audio.device)
        return self.call(self.model, audio)


def load(name: str) -> Found:
    """The model ``speechbrain:ORG/MODEL`` of the hub, or of a local folder."""
    source = name.removeprefix("speechbrain:")
    if Path(source).is_dir():  # whole, for what SpeechBrain keeps goes by this name
        source = str(Path(source).resolve())
    if find_spec("speechbrain") is None:
        raise InputError(
            f"{name} needs SpeechBrain, which is missing: pip install speechbrain, or give "
            "TorchScript or Python of your own"
        )
    kind = interface_of(name, source, INTERFACES)
    interface = INTERFACES[kind]
    try:
        with warnings.catch_warnings(action="ignore"):  # of its own dependencies
            model = from_hparams(getattr(_module(interface.module), kind), source)
    except Exception as error:
        raise InputError(f"SpeechBrain cannot load {source}: {said(error)}") from error
    hparams = vars(model.hparams)
    if (speakers := hparams.get("num_spks", 1)) != 1:
        raise InputError(f"{name} separates {speakers} speakers: give a model that enhances")
    return Found(
        name,
        Pretrained(model, interface.call),
        f"SpeechBrain's {kind}{interface.remark}",
        source if Path(source).is_dir() else f"huggingface.co/{source}",
        hparams.get("sample_rate"),
    )


def interface_of(name: str, source: str, known: Collection[str]) -> str:
    """Which of SpeechBrain's classes a model is for, by its own account.

    Raises InputError when that is not one of those that are known here.
    """
    folder = Path(source)
    path = folder if folder.is_dir() else hub.fetch(source, "config.json", name).parent
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
        kind = config["speechbrain_interface"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{name} does not say in config.json which speechbrain_interface it is for"
        ) from error
    if kind not in known:
        raise InputError(f"{name} is for {kind}: give a model for one of {', '.join(known)}")
    return kind


def from_hparams(interface: Any, source: str) -> Any:
    """A model of one of SpeechBrain's classes, on the CPU; raises whatever SpeechBrain does."""
    # Older versions write into the working folder unless told where.
    savedir = cache_folder() / "speechbrain" / re.sub(r"[/\\:]+", "--", source.strip("/"))
    options: dict[str, Any] = {"source": source, "savedir": str(savedir)}
    if offline():
        fetching = import_module("speechbrain.utils.fetching")
        options["fetch_config"] = fetching.FetchConfig(allow_network=False)
    return interface.from_hparams(**options, run_opts={"device": "cpu"})


def _module(name: str) -> Any:
    return import_module(f"speechbrain.inference.{name}")
