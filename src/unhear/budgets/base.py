"""What a budget is: a ball around a recording, judged clip by clip. Imports nothing heavy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jaxtyping import Bool, Float
    from torch import Tensor

TINY = 1e-20  # keeps 0 / 0 out of the directions of zero gradients


class Budget(ABC):
    """A set of allowed perturbations, (batch, time), judged clip by clip.

    A budget that depends on the sample rate is usable from :meth:`at_rate` on.
    """

    uniform: ClassVar[bool] = False  # whether a projection makes all of a clip's smaller alike

    def at_rate(self, sample_rate: int) -> Budget:
        """The same budget for signals of this rate, in Hz."""
        return self

    def around(self, audio: Float[Tensor, "batch time"]) -> Budget:
        """The same budget, for use with these clips only; saves repeated work on them."""
        return self

    def knowing(self, parts: Iterable[Float[Tensor, "1 time"]]) -> Budget:
        """The same budget for each of these parts of a clip, judged as parts of it."""
        return self

    @abstractmethod
    def radius(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """How far a perturbation may go, in the budget's own norm."""

    @abstractmethod
    def direction(self, gradient: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """The steepest ascent of unit length in the budget's own norm."""

    @abstractmethod
    def size(self, delta: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """The budget's own norm of each clip's perturbation."""

    @abstractmethod
    def project(
        self, delta: Float[Tensor, "batch time"], audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"]:
        """The nearest allowed perturbation."""

    def holds(
        self,
        change: Float[Tensor, "batch time"],
        audio: Float[Tensor, "batch time"],
        rounding: Float[Tensor, "batch time"],
    ) -> Bool[Tensor, "batch 1"]:
        """Whether a file that differs from ``audio`` by ``change`` is within the budget.

        ``rounding`` is the part of ``change`` that the file's sample format has added.
        """
        return (self.project(change, audio) == change).all(-1, keepdim=True)


def known_rate(sample_rate: int | None) -> int:
    """The rate, in Hz. Raises InputError when there is none."""
    if sample_rate is None:
        raise InputError("this budget depends on the sample rate: use what at_rate() returns")
    return sample_rate
