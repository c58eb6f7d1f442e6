"""Any model from waveform to waveform, as an Enhancer. Knows nothing of where it came from."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import pad

from unhear.enhancers.base import Enhancer
from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float
    from torch import Tensor

    from unhear.enhancers.base import Card

SHORTEST = 0.25  # seconds; shorter clips are zero-padded to this and cut back
TOLERANCE = 1024  # samples, or a tenth if that is more: models pad or cut to whole frames


@dataclass(frozen=True)
class Layout:
    """The shape in which a model takes clips, and whether it takes several at once."""

    name: str
    leading: tuple[int, ...]  # dimensions before time; -1: the clips
    together: bool

    def __call__(
        self, model: Callable[[Tensor], Any], audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch samples"]:
        """What the model gives, as (batch, samples); raises whatever the model raises."""
        # What is no module cannot be moved: it stays on the CPU, and gradients pass.
        arriving = audio if isinstance(model, nn.Module) else audio.cpu()
        groups = [arriving] if self.together else arriving.split(1)
        # cuDNN cannot back-propagate through recurrent layers in eval mode, and TorchScript's
        # optimiser has wrong derivatives, such as that of the modulus of a spectrum.
        unoptimised = torch.jit.optimized_execution(False)  # pyright: ignore[reportPrivateImportUsage]
        quiet = redirect_stdout(sys.stderr)  # what a model prints is no part of our output
        with torch.backends.cudnn.flags(enabled=False), unoptimised, quiet:
            outputs = [
                # A copy, for some models work in place.
                _waveforms(
                    model(each.clone().reshape(*self.leading, each.shape[-1])), len(each)
                )
                for each in groups
            ]
        return torch.cat(outputs).to(audio)


def _waveforms(output: Any, clips: int) -> Float[Tensor, "clips samples"]:
    if not isinstance(output, torch.Tensor):
        raise InputError(
            f"what it returns is of type {type(output).__name__}: wrap it so that it returns "
            "one tensor, the waveform"
        )
    if not output.is_floating_point():
        raise InputError(
            f"what it returns is {output.dtype}: wrap it so that it returns the waveform as "
            "float32 in [-1, 1]"
        )
    return output.reshape(clips, -1)


class External(Enhancer):
    """A model that somebody brought; it shall not delay what it enhances."""

    def __init__(self, card: Card, model: Callable[[Tensor], Any], layout: Layout) -> None:
        self.card = card
        self.model = model
        self.layout = layout
        # Nobody knows its hop; most are 10 ms, or a power of two up to 512 samples.
        self.likely_grid = lcm(card.sample_rate // 100, 512)

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """Raises InputError when the model fails, or gives what is no waveform as long."""
        samples = audio.shape[-1]
        missing = max(0, int(SHORTEST * self.card.sample_rate) - samples)
        return self._output(_with_finite_gradient(pad(audio, (0, missing))))[:, :samples]

    def _output(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        try:
            output = self.layout(self.model, audio)
        except (Exception, SystemExit) as error:
            raise InputError(
                f"{self.card.name} cannot enhance {audio.shape[-1]:,} samples: {said(error)}"
            ) from error
        if wrong := misfit(output, audio):
            raise InputError(f"{self.card.name} cannot be used: {wrong}")
        if not bool(torch.isfinite(output).all()):
            raise InputError(f"{self.card.name} gives infinite samples, or NaN")
        return pad(output, (0, audio.shape[-1] - output.shape[-1]))

    def move_to(self, device: str) -> None:
        """Raises InputError when the model cannot work there, and leaves it where it was."""
        model, before = self.model, self.device
        if not isinstance(model, nn.Module):
            return
        model.to(device)
        self.device = device
        try:
            self(torch.zeros(1, int(SHORTEST * self.card.sample_rate)))
        except InputError as error:
            model.to(before)
            self.device = before
            raise InputError(
                f"{self.card.name} cannot work on the device {device!r}, perhaps because it "
                f"has made tensors of its own elsewhere ({error}): leave --device out"
            ) from error

    def reseed(self, seed: int) -> None:
        torch.manual_seed(seed)  # models that draw at all draw from torch's own generator


def misfit(
    output: Float[Tensor, "batch samples"], audio: Float[Tensor, "batch time"]
) -> str | None:
    """Why an output is not as long as what went in, unless it nearly is."""
    given, expected = output.shape[-1], audio.shape[-1]
    if abs(given - expected) <= max(TOLERANCE, expected // 10):
        return None
    return f"it gives {given:,} samples for {expected:,}"


def said(error: BaseException) -> str:
    """The type and the telling line of somebody else's error."""
    if isinstance(error, InputError):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if "TorchScript" in lines[0]:  # a traceback, which ends in the error
        return lines[-1]
    return f"{type(error).__name__}: {lines[0]}"


def _with_finite_gradient(audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Many models have no derivative in digital silence: there, nothing pushes."""
    if audio.requires_grad:
        audio = audio.view_as(audio)
        audio.register_hook(lambda gradient: gradient.nan_to_num(0, 0, 0))
    return audio
