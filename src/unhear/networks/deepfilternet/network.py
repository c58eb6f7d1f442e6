"""DeepFilterNet3's network: one encoder, a decoder of band gains, one of filter coefficients.

Schröter et al., "DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement",
arXiv 2305.08227, in the configuration of its published model (config.ini beside the weights),
with batch normalisation folded into the convolutions as in the published ONNX graphs.

Parameters are defined in the order in which the graphs use them: ``archive`` relies on it.
Maps are (batch, channels, frames, bands or bins); every layer is causal in time.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import pad, relu

from unhear.networks.base import run
from unhear.networks.deepfilternet.frontend import BANDS, FILTERED, FrontEnd

if TYPE_CHECKING:
    from jaxtyping import Complex, Float
    from torch import Tensor

CHANNELS = 64
EMBEDDING = CHANNELS * BANDS // 4
HIDDEN = 256
ORDER = 5  # frames that a deep filter reaches over
PATH = 5  # frames that the coefficients' direct path reaches back over


class GroupedLinear(nn.Module):
    """Groups of neighbouring features, each with a matrix of its own; no bias."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(groups, inputs // groups, outputs // groups))

    def forward(self, x: Float[Tensor, "batch frames in"]) -> Float[Tensor, "batch frames out"]:
        grouped = x.unflatten(-1, (len(self.weight), -1))
        return torch.einsum("btgi,gio->btgo", grouped, self.weight).flatten(2)


class Recurrent(nn.Module):
    """A grouped layer that narrows, and GRU layers."""

    def __init__(self, layers: int, groups: int) -> None:
        super().__init__()
        self.linear = GroupedLinear(EMBEDDING, HIDDEN, groups)
        self.gru = nn.GRU(HIDDEN, HIDDEN, layers, batch_first=True)

    def forward(self, x: Float[Tensor, "batch frames in"]) -> Float[Tensor, "batch frames out"]:
        return run(self.gru, relu(self.linear(x)))


def _separable(
    inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1
) -> nn.Sequential:
    """A convolution within each group of channels, then one across channels."""
    grouped = nn.Conv2d(
        inputs,
        outputs,
        kernel,
        stride=(1, stride),
        padding=(0, kernel[1] // 2),
        groups=gcd(inputs, outputs),
        bias=False,
    )
    return nn.Sequential(grouped, nn.Conv2d(outputs, outputs, 1))


def _separable_upwards() -> nn.Sequential:
    """As ``_separable``, with twice the bands."""
    grouped = nn.ConvTranspose2d(
        CHANNELS,
        CHANNELS,
        (1, 3),
        stride=(1, 2),
        padding=(0, 1),
        output_padding=(0, 1),
        groups=CHANNELS,
        bias=False,
    )
    return nn.Sequential(grouped, nn.Conv2d(CHANNELS, CHANNELS, 1))


class Pathway(nn.Module):
    """One factor and bias per channel: a convolution to its authors, which costs far more."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(CHANNELS, 1, 1, 1))
        self.bias = nn.Parameter(torch.zeros(CHANNELS))

    def forward(self, x: Float[Tensor, "b c t f"]) -> Float[Tensor, "b c t f"]:
        return x * self.weight[:, 0] + self.bias[:, None, None]


def _after(frames: int, x: Float[Tensor, "b c t f"]) -> Float[Tensor, "b c padded f"]:
    """Zeros for the frames before the first that a causal convolution reaches back to."""
    return pad(x, (0, 0, frames, 0))


class Encoder(nn.Module):
    """Both features → what the decoders start from."""

    def __init__(self) -> None:
        super().__init__()
        self.erb0 = nn.Conv2d(1, CHANNELS, 3, padding=(0, 1))
        self.erb1 = _separable(CHANNELS, CHANNELS, (1, 3), stride=2)
        self.erb2 = _separable(CHANNELS, CHANNELS, (1, 3), stride=2)
        self.erb3 = _separable(CHANNELS, CHANNELS, (1, 3))
        self.complex0 = _separable(2, CHANNELS, (3, 3))
        self.complex1 = _separable(CHANNELS, CHANNELS, (1, 3), stride=2)
        self.complex_linear = GroupedLinear(CHANNELS * FILTERED // 2, EMBEDDING, groups=32)
        self.recurrent = Recurrent(layers=1, groups=16)
        self.linear = GroupedLinear(HIDDEN, EMBEDDING, groups=16)

    def forward(
        self, erb: Float[Tensor, "b t bands"], low: Float[Tensor, "b 2 t filtered"]
    ) -> tuple[list[Tensor], Float[Tensor, "b t embedding"], Float[Tensor, "b c t filtered"]]:
        """Four maps of the ERB feature, the embedding, one map of the complex feature.

        ``low`` is the complex feature, real parts before imaginary ones.
        """
        maps = [relu(self.erb0(_after(2, erb[:, None])))]
        for layer in (self.erb1, self.erb2, self.erb3):
            maps.append(relu(layer(maps[-1])))
        complex_map = relu(self.complex0(_after(2, low)))
        narrow = relu(self.complex1(complex_map))
        joined = _by_frame(maps[-1]) + relu(self.complex_linear(_by_frame(narrow)))
        return maps, relu(self.linear(self.recurrent(joined))), complex_map


def _by_frame(x: Float[Tensor, "b c t f"]) -> Float[Tensor, "b t features"]:
    return x.permute(0, 2, 3, 1).flatten(2)


class GainDecoder(nn.Module):
    """Embedding and ERB maps → one gain in (0, 1) per band."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = Recurrent(layers=2, groups=16)
        self.linear = GroupedLinear(HIDDEN, EMBEDDING, groups=16)
        self.path3 = Pathway()
        self.up3 = _separable(CHANNELS, CHANNELS, (1, 3))
        self.path2 = Pathway()
        self.up2 = _separable_upwards()
        self.path1 = Pathway()
        self.up1 = _separable_upwards()
        self.path0 = Pathway()
        self.out = nn.Conv2d(CHANNELS, 1, (1, 3), padding=(0, 1))

    def forward(
        self, embedding: Float[Tensor, "b t embedding"], maps: list[Tensor]
    ) -> Float[Tensor, "b t bands"]:
        x = relu(self.linear(self.recurrent(embedding)))
        x = x.unflatten(2, (BANDS // 4, CHANNELS)).permute(0, 3, 1, 2)
        x = relu(self.up3(relu(self.path3(maps[3])) + x))
        x = relu(self.up2(relu(self.path2(maps[2])) + x))
        x = relu(self.up1(relu(self.path1(maps[1])) + x))
        x = self.out(relu(self.path0(maps[0])) + x)
        return torch.sigmoid(x)[:, 0]


class FilterDecoder(nn.Module):
    """Embedding and complex map → ORDER coefficients for each of the lowest bins."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = Recurrent(layers=2, groups=8)
        self.skip = GroupedLinear(EMBEDDING, HIDDEN, groups=16)
        self.path = _separable(CHANNELS, 2 * ORDER, (PATH, 1))
        self.out = GroupedLinear(HIDDEN, FILTERED * 2 * ORDER, groups=16)

    def forward(
        self,
        embedding: Float[Tensor, "b t embedding"],
        complex_map: Float[Tensor, "b c t filtered"],
    ) -> Complex[Tensor, "b t filtered order"]:
        hidden = self.recurrent(embedding) + self.skip(embedding)
        direct = relu(self.path(_after(PATH - 1, complex_map))).permute(0, 2, 3, 1)
        both = torch.tanh(self.out(hidden)).unflatten(2, (FILTERED, 2 * ORDER)) + direct
        return torch.view_as_complex(both.unflatten(3, (ORDER, 2)).contiguous())


class DeepFilterNetwork(nn.Module):
    """Features → gains and filters; with the front end that makes the features."""

    def __init__(self) -> None:
        super().__init__()
        self.front_end = FrontEnd()
        self.encoder = Encoder()
        self.gain_decoder = GainDecoder()
        self.filter_decoder = FilterDecoder()

    def forward(
        self,
        erb: Float[Tensor, "b t bands"],
        low: Complex[Tensor, "b t filtered"],
    ) -> tuple[Float[Tensor, "b t bands"], Complex[Tensor, "b t filtered order"]]:
        stacked = torch.stack([low.real, low.imag], dim=1)
        maps, embedding, complex_map = self.encoder(erb, stacked)
        gains = self.gain_decoder(embedding, maps)
        return gains, self.filter_decoder(embedding, complex_map)
