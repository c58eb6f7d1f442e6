"""What is in a network, byte by byte, to be told apart by it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def content(thing: nn.Module | torch.Tensor | np.ndarray) -> bytes:
    """The weights of a module, or the numbers of a tensor or array, byte by byte."""
    if isinstance(thing, np.ndarray):
        return b"" if thing.dtype.hasobject else thing.tobytes()
    if isinstance(thing, nn.Module):
        kept = thing.state_dict().values()  # with settings, of quantised layers
        return b"".join(content(each) for each in kept if isinstance(each, torch.Tensor))
    plain = thing.dequantize() if thing.is_quantized else thing
    return plain.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
