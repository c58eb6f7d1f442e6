"""A whole recording on its way, as an adversary would have it. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unhear.audio import Recording
    from unhear.channels.base import Passage

STORED = "PCM_16"


def through(recording: Recording, passage: Passage) -> Recording:
    """The 16-bit file that comes out, of the same rate and length, every channel alike.

    ``passage`` was drawn for the recording's rate.
    """
    import torch

    from unhear.audio import Recording, as_stored

    samples = torch.from_numpy(as_stored(recording.samples, STORED)).float()
    with torch.no_grad():
        arrived = passage.there(samples).double().numpy()
    return Recording(as_stored(arrived, STORED), recording.sample_rate, STORED)
