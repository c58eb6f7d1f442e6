"""What may happen to a recording once it has left its owner. Imports nothing heavy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from jaxtyping import Float
    from torch import Tensor


def as_it_is(
    audio: Float[Tensor, "batch time"],
    rate: int,  # noqa: ARG001
) -> Float[Tensor, "batch time"]:
    """The ``back`` of whatever moves neither level nor time."""
    return audio


@dataclass(frozen=True)
class Passage:
    """One draw of what happens on the way: fixed once drawn, the same for every row and call.

    ``there`` takes the recording at the rate that the passage was drawn for and returns as many
    samples, aligned in time but for what ``back`` undoes. Gradients pass, straight through
    where it has none of its own. ``back`` takes the enhancer's output and its rate in Hz, and
    returns it in level and time as if nothing had happened. Rows hold one sample or more.
    """

    there: Callable[[Float[Tensor, "batch time"]], Float[Tensor, "batch time"]]
    back: Callable[[Float[Tensor, "batch time"], int], Float[Tensor, "batch time"]] = as_it_is


def then(first: Passage, second: Passage) -> Passage:
    """One after the other."""
    return Passage(
        lambda audio: second.there(first.there(audio)),
        lambda audio, rate: first.back(second.back(audio, rate), rate),
    )


@dataclass(frozen=True)
class Survivable(ABC):
    """A kind of passage that a protection may be asked to survive."""

    shifts: ClassVar[bool] = False  # whether it moves samples, and does nothing else to them

    name: str
    summary: str

    @abstractmethod
    def draw(self, sample_rate: int, random: torch.Generator) -> Passage:
        """One passage for recordings of ``sample_rate`` Hz.

        Everything random is drawn here, from ``random``, a generator on the CPU.
        """


def straight_through(
    value: Float[Tensor, "batch time"], surrogate: Float[Tensor, "batch time"]
) -> Float[Tensor, "batch time"]:
    """The value of one and the gradient of the other (arXiv 1308.3432, section 4)."""
    return surrogate + (value - surrogate).detach()


def uniform(low: float, high: float, random: torch.Generator) -> float:
    """One number from [low, high)."""
    import torch

    return low + (high - low) * float(torch.rand((), generator=random))
