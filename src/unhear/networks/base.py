"""What enhancers that are torch networks have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import nn

from unhear.enhancers.base import Enhancer
from unhear.networks.gru import run_frozen

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.enhancers.base import Card

Network = TypeVar("Network", bound=nn.Module)


class NetworkEnhancer(Enhancer, Generic[Network]):
    """An enhancer around a frozen network, which holds all that moves between devices."""

    def __init__(self, card: Card, network: Network) -> None:
        self.card = card
        self.network = network.eval().requires_grad_(requires_grad=False)

    def move_to(self, device: str) -> None:
        self.network.to(device)


def run(
    layers: nn.GRU | nn.LSTM, x: Float[Tensor, "batch steps ins"]
) -> Float[Tensor, "batch steps outs"]:
    """Every output of recurrent layers that start from zero."""
    frozen = not any(weight.requires_grad for weight in layers.parameters())
    if isinstance(layers, nn.GRU) and frozen and x.requires_grad and x.device.type == "cpu":
        return run_frozen(layers, x)
    # cuDNN cannot back-propagate through layers in eval mode. There is no dropout here, so
    # switching it off changes nothing but that.
    with torch.backends.cudnn.flags(enabled=False):
        return layers(x)[0]
