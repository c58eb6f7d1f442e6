"""The network that learns to tell clean from enhanced speech."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import weight_norm

from unhear.networks.segan import KERNEL, LAYERS, STRIDE

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

SLOPE = 0.2
FLOOR = 1e-4  # of the level by which a window is divided: silence stays silent


class Discriminator(nn.Module):
    """(judged, noisy) windows → scores, 1 for clean speech and 0 for enhanced.

    Strided convolutions as in the encoder of the generator, as in SEGAN. Where that one has
    batch norm and linear layers for one score per window, ours has weight norm, which needs no
    statistics of small batches, and one score per frame (of 64 ms), which teaches more per
    window. Both windows are divided by the level of the noisy one: loud clips weigh no more.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = [2, *(width * 2**layer for layer in range(LAYERS))]
        self.layers = nn.ModuleList(_convolution(*pair) for pair in pairwise(channels))
        self.score = weight_norm(nn.Conv1d(channels[-1], 1, 3, padding=1))

    def forward(
        self, judged: Float[Tensor, "windows time"], noisy: Float[Tensor, "windows time"]
    ) -> Float[Tensor, "windows frames"]:
        level = noisy.square().mean(1, keepdim=True).sqrt() + FLOOR
        x = torch.stack([judged, noisy], dim=1) / level[:, None]
        for layer in self.layers:
            x = leaky_relu(layer(x), SLOPE)
        return self.score(x)[:, 0]


def _convolution(ins: int, outs: int) -> nn.Module:
    layer = nn.Conv1d(ins, outs, KERNEL, STRIDE, padding=KERNEL // 2)
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    return weight_norm(layer)
