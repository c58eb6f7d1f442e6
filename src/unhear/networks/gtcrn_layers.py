"""The blocks of GTCRN, named as in its authors' checkpoints.

Feature maps are (batch, channels, frames, bands). Nothing here looks at later frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import pad

from unhear.networks.base import run

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

BINS = 257
LINEAR, ERB = 65, 64  # low bins kept one by one; bands that the others are pooled into
CHANNELS = 16
HALF = CHANNELS // 2
BANDS = 33  # of the 129 after two strides of 2


class ErbBands(nn.Module):
    """257 bins ↔ 65 bins + 64 bands of equal width to the ear."""

    def __init__(self) -> None:
        super().__init__()
        self.erb_fc = nn.Linear(BINS - LINEAR, ERB, bias=False)
        self.ierb_fc = nn.Linear(ERB, BINS - LINEAR, bias=False)

    def merge(self, x: Float[Tensor, "b c t 257"]) -> Float[Tensor, "b c t 129"]:
        return torch.cat([x[..., :LINEAR], self.erb_fc(x[..., LINEAR:])], dim=-1)

    def split(self, x: Float[Tensor, "b c t 129"]) -> Float[Tensor, "b c t 257"]:
        return torch.cat([x[..., :LINEAR], self.ierb_fc(x[..., LINEAR:])], dim=-1)


def with_neighbours(x: Float[Tensor, "b c t f"]) -> Float[Tensor, "b three_c t f"]:
    """Subband features: each band beside the one below and the one above it."""
    return pad(x, (1, 1)).unfold(-1, 3, 1).movedim(-1, 2).flatten(1, 2)


class TemporalAttention(nn.Module):
    """TRA: one weight per channel and frame, from the energies up to that frame."""

    def __init__(self) -> None:
        super().__init__()
        self.att_gru = nn.GRU(HALF, CHANNELS, batch_first=True)
        self.att_fc = nn.Linear(CHANNELS, HALF)

    def forward(self, x: Float[Tensor, "b c t f"]) -> Float[Tensor, "b c t f"]:
        energy = x.square().mean(dim=-1).mT
        weight = torch.sigmoid(self.att_fc(run(self.att_gru, energy))).mT
        return x * weight[..., None]


class BandConv(nn.Module):
    """Convolution over 5 bands with stride 2 (or its transpose), batch norm, activation."""

    def __init__(
        self,
        conv: type[nn.Conv2d | nn.ConvTranspose2d],
        channels: tuple[int, int],
        groups: int,
        act: nn.Module,
    ) -> None:
        super().__init__()
        self.conv = conv(*channels, (1, 5), stride=(1, 2), padding=(0, 2), groups=groups)
        self.bn = nn.BatchNorm2d(channels[1])
        self.act = act

    def forward(self, x: Float[Tensor, "b c t f"]) -> Float[Tensor, "b d t g"]:
        return self.act(self.bn(self.conv(x)))


class TemporalConv(nn.Module):
    """GT-Conv: half of the channels through a causal dilated convolution, then a shuffle."""

    def __init__(self, conv: type[nn.Conv2d | nn.ConvTranspose2d], dilation: int) -> None:
        super().__init__()
        self.past = 2 * dilation  # frames
        # A transposed convolution grows its input: cutting both ends leaves it as causal.
        frames = self.past if conv is nn.ConvTranspose2d else 0
        self.point_conv1 = conv(3 * HALF, CHANNELS, 1)
        self.point_bn1 = nn.BatchNorm2d(CHANNELS)
        self.point_act = nn.PReLU()
        self.depth_conv = conv(
            CHANNELS,
            CHANNELS,
            3,
            padding=(frames, 1),
            dilation=(dilation, 1),
            groups=CHANNELS,
        )
        self.depth_bn = nn.BatchNorm2d(CHANNELS)
        self.depth_act = nn.PReLU()
        self.point_conv2 = conv(CHANNELS, HALF, 1)
        self.point_bn2 = nn.BatchNorm2d(HALF)
        self.tra = TemporalAttention()

    def forward(self, x: Float[Tensor, "b c t f"]) -> Float[Tensor, "b c t f"]:
        first, second = x.chunk(2, dim=1)
        h = self.point_act(self.point_bn1(self.point_conv1(with_neighbours(first))))
        h = pad(h, (0, 0, self.past, 0))
        h = self.depth_act(self.depth_bn(self.depth_conv(h)))
        h = self.tra(self.point_bn2(self.point_conv2(h)))
        return torch.stack([h, second], dim=2).flatten(1, 2)


class GroupedGru(nn.Module):
    """Two GRUs, each on half of the features: 16 → 16."""

    def __init__(self, *, bidirectional: bool) -> None:
        super().__init__()
        hidden = HALF // 2 if bidirectional else HALF
        self.rnn1 = nn.GRU(HALF, hidden, batch_first=True, bidirectional=bidirectional)
        self.rnn2 = nn.GRU(HALF, hidden, batch_first=True, bidirectional=bidirectional)

    def forward(self, x: Float[Tensor, "b steps c"]) -> Float[Tensor, "b steps c"]:
        first, second = x.chunk(2, dim=-1)
        return torch.cat([run(self.rnn1, first), run(self.rnn2, second)], dim=-1)


class DualPath(nn.Module):
    """DPGRNN: along the bands of each frame both ways, then along the frames of each band."""

    def __init__(self) -> None:
        super().__init__()
        self.intra_rnn = GroupedGru(bidirectional=True)
        self.intra_fc = nn.Linear(CHANNELS, CHANNELS)
        self.intra_ln = nn.LayerNorm([BANDS, CHANNELS], eps=1e-8)
        self.inter_rnn = GroupedGru(bidirectional=False)
        self.inter_fc = nn.Linear(CHANNELS, CHANNELS)
        self.inter_ln = nn.LayerNorm([BANDS, CHANNELS], eps=1e-8)

    def forward(self, x: Float[Tensor, "b c t f"]) -> Float[Tensor, "b c t f"]:
        x = x.permute(0, 2, 3, 1)
        batch = x.shape[0]
        h = self.intra_fc(self.intra_rnn(x.flatten(0, 1))).unflatten(0, (batch, -1))
        x = x + self.intra_ln(h)
        h = self.inter_fc(self.inter_rnn(x.transpose(1, 2).flatten(0, 1)))
        x = x + self.inter_ln(h.unflatten(0, (batch, -1)).transpose(1, 2))
        return x.permute(0, 3, 1, 2)
