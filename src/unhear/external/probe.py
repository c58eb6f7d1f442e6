"""Finds out on a moment of noise how a model wants to be called and what it can do."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unhear.enhancers.base import Card
from unhear.errors import InputError
from unhear.external.adapter import SHORTEST, External, Layout, misfit, said
from unhear.external.state import networks

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float
    from torch import Tensor

LOUDNESS = 0.03  # rms of the noise; full scale is 1
SAME = 1e-5  # of the peak, of what is computed twice
LAYOUTS = (
    Layout("(batch, time)", (-1,), together=True),
    Layout("(batch, 1, time)", (-1, 1), together=True),
    Layout("(time,)", (), together=False),
    Layout("(1, time)", (-1,), together=False),
    Layout("(1, 1, time)", (-1, 1), together=False),
)


@dataclass(frozen=True)
class Found:
    """A model as it was loaded."""

    name: str  # as the user gave it
    model: Callable[[Tensor], Any]
    summary: str
    weights: str  # where they come from
    rate: int | None = None  # Hz, where the model states it


def adapted(found: Found, rate: int) -> External:
    """The model as an Enhancer at ``rate`` Hz, after a probe of both.

    Raises InputError when it fails, when clips in a batch cannot be told apart even one by
    one, when it remembers earlier clips, or when its output is not a finite waveform about as
    long as the input.
    """
    parameters = frozen(found.model)
    short, long = _noise(int(SHORTEST * rate)), _noise(int(1.6 * SHORTEST * rate) + 33)
    layout = _layout(found, short)
    card = Card(
        name=found.name,
        summary=found.summary,
        sample_rate=rate,
        parameters=parameters,
        differentiable=False,
        scales=False,
        paper="",
        licence="yours",
        weights=found.weights,
    )
    enhancer = External(card, found.model, layout)
    with torch.no_grad():
        enhancer.reseed(0)
        reference = enhancer.enhance(short)
        _require_any_length(enhancer, short, long)
        _require_no_memory(enhancer, short, reference)
        scales = _alike(enhancer.enhance(short / 2), reference / 2)
    enhancer.card = replace(card, differentiable=_has_gradient(enhancer, short), scales=scales)
    return enhancer


def frozen(model: object) -> int | None:
    """Stop the training of a module, or of those that a function works with, on the CPU; the
    number of their parameters, None where there are none.
    """
    modules = [each for each in networks(model) if isinstance(each, nn.Module)]
    for module in modules:
        module.to("cpu")
        with suppress(NotImplementedError):  # an exported program stays as it was exported
            module.eval()
    parameters = {id(each): each for module in modules for each in module.parameters()}
    for parameter in parameters.values():
        parameter.requires_grad_(False)
    return sum(each.numel() for each in parameters.values()) or None


def _noise(samples: int) -> Float[Tensor, "clips samples"]:
    return LOUDNESS * torch.randn(2, samples, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def _layout(found: Found, noise: Float[Tensor, "clips time"]) -> Layout:
    reasons: dict[str, str] = {}
    for layout in LAYOUTS:
        try:
            wrong = _misfit(layout, found.model, noise)
        except InputError as error:
            raise InputError(f"{found.name} cannot be used: {error}") from error
        except (Exception, SystemExit) as error:  # noqa: BLE001  raised by somebody else's code
            wrong = said(error)
        if wrong is None:
            return layout
        reasons.setdefault(wrong, layout.name)
    told = "; ".join(f"{name}: {wrong}" for wrong, name in list(reasons.items())[:2])
    raise InputError(f"{found.name} takes audio in no shape that was tried; {told}")


def _misfit(
    layout: Layout, model: Callable[[Tensor], Any], noise: Float[Tensor, "clips time"]
) -> str | None:
    """What is wrong with the output, if anything; clips of a batch must not know each other."""
    output = layout(model, noise)
    if wrong := misfit(output, noise):
        return wrong
    if not bool(torch.isfinite(output).all()):
        raise InputError("it gives infinite samples, or NaN, for quiet noise")
    if layout.together:
        alone = torch.cat([layout(model, clip[None]) for clip in noise])
        if alone.shape != output.shape or not _alike(alone, output):
            return "clips in a batch change each other"
    return None


def _require_any_length(
    enhancer: External, short: Float[Tensor, "clips time"], long: Float[Tensor, "clips longer"]
) -> None:
    try:
        enhancer.enhance(long)
    except InputError as error:
        raise InputError(
            f"{error}; {short.shape[-1]:,} went well, so it may have been traced or exported "
            "for one length, or take whole frames only: use torch.jit.script, export with a "
            "dynamic time dimension, or let it pad its input itself"
        ) from error


def _require_no_memory(
    enhancer: External,
    clips: Float[Tensor, "clips time"],
    before: Float[Tensor, "clips time"],
) -> None:
    """Raise InputError where others in between change what becomes of the same clips."""
    enhancer.reseed(0)
    if not _alike(enhancer.enhance(clips), before, within=SAME):
        raise InputError(
            f"{enhancer.card.name} gives something else for the same clip once it has heard "
            "another: let it begin anew at every call, and draw from torch alone"
        )


def _has_gradient(enhancer: External, noise: Float[Tensor, "clips time"]) -> bool:
    audio = noise.clone().requires_grad_()
    try:
        loss = (enhancer.enhance(audio) * noise.flip(0)).sum()
        (gradient,) = torch.autograd.grad(loss, audio)
    except Exception:  # noqa: BLE001  such as NumPy refusing a tensor with gradients
        return False
    return bool(gradient.any())


def _alike(
    one: Float[Tensor, "clips time"], other: Float[Tensor, "clips time"], within: float = 1e-3
) -> bool:
    """Within a share of the peak."""
    return bool((one - other).abs().max() <= within * other.abs().max())
