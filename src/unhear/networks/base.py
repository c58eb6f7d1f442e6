"""What enhancers that are torch networks have in common."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import nn
from torch.nn.functional import pad

from unhear.enhancers.base import Enhancer
from unhear.networks.generator import generator_against
from unhear.networks.gru import run_frozen
from unhear.networks.ragged import inside, of_similar_length

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from unhear.enhancers.base import Card
    from unhear.networks.generator import PerturbationGenerator

Network = TypeVar("Network", bound=nn.Module)


class NetworkEnhancer(Enhancer, Generic[Network]):
    """An enhancer around a frozen network, which holds all that moves between devices."""

    def __init__(self, card: Card, network: Network) -> None:
        self.card = card
        self.network = network.eval().requires_grad_(requires_grad=False)

    @torch.no_grad()
    def suggested(
        self, audio: Float[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time"] | None:
        generator = self._generator
        return generator.to(audio.device)(audio) if generator else None

    @cached_property
    def _generator(self) -> PerturbationGenerator | None:
        return generator_against(self.card.name, self.network)

    def move_to(self, device: str) -> None:
        self.network.to(device)
        self.device = device

    def enhance_padded(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch time"]:
        """All clips at once, or on a CPU, which gains less from that than padding costs, those
        of similar length.
        """
        if audio.device.type != "cpu":
            return self._at_once(audio, lengths)
        groups = of_similar_length(lengths, self.samples_at_once)
        order = torch.tensor([clip for clips in groups for clip in clips])
        parts = audio.index_select(0, order).split([len(clips) for clips in groups])
        outputs: list[Tensor] = []
        for part, clips in zip(parts, groups, strict=True):
            samples = int(lengths[clips[0]])  # the first is the longest
            output = self._at_once(part[:, :samples], lengths[clips])
            outputs.append(pad(output, (0, audio.shape[1] - samples)))
        return torch.cat(outputs).index_select(0, order.argsort())

    def _at_once(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch time"]:
        if bool((lengths == audio.shape[1]).all()):
            return self.enhance(audio)
        own = inside(lengths, audio.shape[1], audio.device)
        return self.enhance_together(audio * own, lengths) * own

    def enhance_together(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch time"]:
        """Clips with zeros behind them in one pass; what comes out behind a clip is discarded.

        So it is enough, unless it is overridden, that a clip ends in zeros when it is alone,
        and that nothing behind them tells on it.
        """
        return self.enhance(audio)


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
