"""A perturbation below the recording's own masking threshold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from unhear.budgets.base import TINY, Budget, known_rate
from unhear.budgets.energy import shrunk
from unhear.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jaxtyping import Bool, Float
    from torch import Tensor

    from unhear.budgets.frames import Frames

PER_CENT = 95  # of a clip's time-frequency bins that have to be below the threshold
ROUNDS = 2  # of a projection: each further one leaves less to shrink, and costs two transforms


@dataclass(frozen=True)
class Masked(Budget):
    """|D| is at most the masking threshold in at least 95 % of a clip's time-frequency bins.

    D is the spectrum of the perturbation and the threshold that of psychoacoustic model 1
    (:mod:`unhear.budgets.masking`), ``margin_db`` stricter, or louder where that is negative.
    The model judges every bin as if it were alone. A perturbation that fills them all is heard
    at a margin of 0: hearing adds up what falls into one critical band.

    The budget's norm is the 95th percentile of |D| over the threshold, so that the radius is 1
    for every clip. ``sample_rate``, in Hz, comes from :meth:`at_rate`; ``limits`` are the
    greatest |D|, from :meth:`around`, without which there is no size and no direction.
    ``loudest`` is the power of a clip's loudest bin, where it is known of a longer clip, from
    :meth:`knowing`: the model takes that bin to be heard at a certain level.
    """

    margin_db: float = 0.0
    sample_rate: int | None = None
    loudest: float | None = None
    limits: Float[Tensor, "batch frames bins"] | None = field(
        default=None, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not -40 <= self.margin_db <= 60:
            raise InputError(
                f"a masking margin of {self.margin_db} dB is out of range: give -40 to 60"
            )

    def __str__(self) -> str:
        sign = "−" if self.margin_db > 0 else "+"
        margin = f" {sign} {abs(self.margin_db):g} dB" if self.margin_db else ""
        return f"under the masking threshold{margin}"

    def at_rate(self, sample_rate: int) -> Masked:
        return replace(self, sample_rate=sample_rate, limits=None)

    def around(self, audio: Float[Tensor, "batch time"]) -> Masked:
        from unhear.budgets.masking import masking_thresholds

        # Single precision and in place, for a whole recording has two bins a sample.
        rate = known_rate(self.sample_rate)
        limits = masking_thresholds(audio.float(), rate, self.loudest).sqrt_()
        return replace(self, limits=limits.mul_(10 ** (-self.margin_db / 20)))

    def knowing(self, parts: Iterable[Float[Tensor, "1 time"]]) -> Masked:
        return replace(self, loudest=max(float(self._frames().loudest(each)) for each in parts))

    def radius(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """1 for every clip."""
        return audio.new_ones(len(audio), 1)

    def direction(self, gradient: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """In every bin the gradient's phase and the threshold's magnitude.

        That is steepest among spectra below the threshold; no signal has just this spectrum,
        and the nearest that there is (least squares) is taken to unit size.
        """
        limits = self._limits()
        gradient = gradient / (gradient.abs().amax(-1, keepdim=True) + TINY)

        def full(spectra: Tensor, block: slice) -> Tensor:
            return spectra * (limits[:, block] / (spectra.abs() + TINY))

        step = self._frames().changed(gradient, full)
        return step / (self.size(step) + TINY)

    def size(self, delta: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """The 95th percentile of |D| over the threshold; it scales as a norm does."""
        ratios = self._ratios(delta)
        rank = -(-PER_CENT * ratios.shape[-1] // 100)
        return ratios.kthvalue(rank, keepdim=True).values.to(delta)

    def project(
        self, delta: Float[Tensor, "batch time"], audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"]:
        """Cut every bin to its limit; what the overlap of windows undoes, shrink."""
        if self.limits is None:
            return self.around(audio).project(delta, audio)
        limits = self.limits

        def cut(spectra: Tensor, block: slice) -> Tensor:
            return spectra * (limits[:, block] / (spectra.abs() + TINY)).clamp(max=1)

        for _ in range(ROUNDS):
            delta = self._frames().changed(delta, cut)
        return shrunk(delta, self.size(delta), self.radius(audio))

    def holds(
        self,
        change: Float[Tensor, "batch time"],
        audio: Float[Tensor, "batch time"],
        rounding: Float[Tensor, "batch time"],
    ) -> Bool[Tensor, "batch 1"]:
        """95 % of the bins are within their limits, of those where rounding alone is."""
        if self.limits is None:
            return self.around(audio).holds(change, audio, rounding)
        counted = self._ratios(rounding) <= 1
        below = counted & (self._ratios(change) <= 1)
        return (100 * below.sum(-1) >= PER_CENT * counted.sum(-1))[:, None]

    def share_above(self, delta: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
        """The share of each clip's bins that are above their limits."""
        return (self._ratios(delta) > 1).to(delta).mean(-1, keepdim=True)

    def _ratios(self, delta: Float[Tensor, "batch time"]) -> Float[Tensor, "batch all"]:
        import torch

        limits = self._limits()
        ratios = [
            spectra.abs().float() / (limits[:, block] + TINY)
            for block, spectra in self._frames().spectra(delta)
        ]
        return torch.cat(ratios, 1).flatten(1)

    def _frames(self) -> Frames:
        from unhear.budgets.frames import Frames

        return Frames.at_rate(known_rate(self.sample_rate))

    def _limits(self) -> Float[Tensor, "batch frames bins"]:
        if self.limits is None:
            raise InputError("masking depends on the recording: use what around() returns")
        return self.limits
