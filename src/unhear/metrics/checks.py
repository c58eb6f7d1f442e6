"""What every comparison of two signals asks first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unhear.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float


def same_length(
    first: Float[np.ndarray, " time"], second: Float[np.ndarray, " other"]
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " other"]]:
    """Both in double precision. Raises InputError when their lengths differ."""
    if first.shape != second.shape:
        raise InputError(
            f"signals of {first.size} and {second.size} samples cannot be compared: cut both "
            "to one length"
        )
    return np.asarray(first, np.float64), np.asarray(second, np.float64)
