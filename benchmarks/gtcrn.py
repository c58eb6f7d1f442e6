"""GTCRN, a small public enhancer to compare with; not part of the product.

Rong et al., "GTCRN: A Speech Enhancement Model Requiring Ultralow Computational Resources",
ICASSP 2024. Written for whole recordings and differentiable; layer names are those of the
authors' checkpoints (MIT), so that ``model_trained_on_vctk.tar`` and ``..._dns3.tar`` load
unchanged. Feature maps are (batch, channels, frames, bands).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import pad

from unhear.enhancers.base import Card, Enhancer
from unhear.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import Complex, Float, Int
    from torch import Tensor

WINDOW = 512  # samples, 32 ms
HOP = 256  # samples, 16 ms
BINS = WINDOW // 2 + 1
LINEAR, ERB = 65, 64  # low bins kept one by one; bands that the others are pooled into
CHANNELS = 16
BANDS = 33  # of the 129 after two strides of 2
DILATIONS = (1, 2, 5)  # frames


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
        self.att_gru = nn.GRU(CHANNELS // 2, CHANNELS, batch_first=True)
        self.att_fc = nn.Linear(CHANNELS, CHANNELS // 2)

    def forward(self, x: Float[Tensor, "b c t f"]) -> Float[Tensor, "b c t f"]:
        energy = x.square().mean(dim=-1).mT
        weight = torch.sigmoid(self.att_fc(self.att_gru(energy)[0])).mT
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
        half = CHANNELS // 2
        self.point_conv1 = conv(3 * half, CHANNELS, 1)
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
        self.point_conv2 = conv(CHANNELS, half, 1)
        self.point_bn2 = nn.BatchNorm2d(half)
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
        size = CHANNELS // 2
        hidden = size // 2 if bidirectional else size
        self.rnn1 = nn.GRU(size, hidden, batch_first=True, bidirectional=bidirectional)
        self.rnn2 = nn.GRU(size, hidden, batch_first=True, bidirectional=bidirectional)

    def forward(self, x: Float[Tensor, "b steps c"]) -> Float[Tensor, "b steps c"]:
        first, second = x.chunk(2, dim=-1)
        return torch.cat([self.rnn1(first)[0], self.rnn2(second)[0]], dim=-1)


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


class Encoder(nn.Module):
    """3 × 3 features in 129 bands → 16 channels in 33 bands, with every step on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.en_convs = nn.ModuleList(
            [
                BandConv(nn.Conv2d, (9, CHANNELS), 1, nn.PReLU()),
                BandConv(nn.Conv2d, (CHANNELS, CHANNELS), 2, nn.PReLU()),
                *(TemporalConv(nn.Conv2d, dilation) for dilation in DILATIONS),
            ]
        )

    def forward(self, x: Float[Tensor, "b 9 t 129"]) -> list[Tensor]:
        steps = [x]
        for conv in self.en_convs:
            steps.append(conv(steps[-1]))
        return steps[1:]


class Decoder(nn.Module):
    """The encoder mirrored: 16 channels in 33 bands → the two parts of a mask in 129."""

    def __init__(self) -> None:
        super().__init__()
        up = nn.ConvTranspose2d
        self.de_convs = nn.ModuleList(
            [
                *(TemporalConv(up, dilation) for dilation in reversed(DILATIONS)),
                BandConv(up, (CHANNELS, CHANNELS), 2, nn.PReLU()),
                BandConv(up, (CHANNELS, 2), 1, nn.Tanh()),
            ]
        )

    def forward(
        self, x: Float[Tensor, "b c t 33"], steps: list[Tensor]
    ) -> Float[Tensor, "b 2 t 129"]:
        for conv, step in zip(self.de_convs, reversed(steps), strict=True):
            x = conv(x + step)
        return x


class Network(nn.Module):
    """Noisy spectrum → complex mask. 48.2 k parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.erb = ErbBands()
        self.encoder = Encoder()
        self.dpgrnn1 = DualPath()
        self.dpgrnn2 = DualPath()
        self.decoder = Decoder()

    def forward(self, spec: Complex[Tensor, "b t 257"]) -> Complex[Tensor, "b t 257"]:
        mag = torch.sqrt(spec.real.square() + spec.imag.square() + 1e-12)
        feature = self.erb.merge(torch.stack([mag, spec.real, spec.imag], dim=1))
        steps = self.encoder(with_neighbours(feature))
        hidden = self.dpgrnn2(self.dpgrnn1(steps[-1]))
        mask = self.erb.split(self.decoder(hidden, steps))
        return torch.complex(mask[:, 0], mask[:, 1])


class GTCRN(Enhancer):
    """GTCRN with its front end: a centred STFT with a square-root Hann window."""

    def __init__(self, card: Card, network: Network) -> None:
        self.card = card
        self.network = network.eval().requires_grad_(requires_grad=False)

    def __call__(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time"]:
        """See :meth:`Enhancer.__call__`."""
        if lengths is not None:
            output = torch.zeros_like(audio)
            for row, samples in enumerate(lengths.tolist()):
                output[row, :samples] = self(audio[row : row + 1, :samples])[0]
            return output
        window = torch.hann_window(WINDOW, device=audio.device).sqrt()
        spec = torch.stft(audio, WINDOW, HOP, window=window, return_complex=True).mT
        enhanced = (spec * self.network(spec)).mT
        return torch.istft(enhanced, WINDOW, HOP, window=window, length=audio.shape[-1])


def load_gtcrn(checkpoint: Path) -> GTCRN:
    """GTCRN with the weights of one of its authors' checkpoints.

    Raises InputError when the file is missing or holds something else.
    """
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint} does not exist: give the folder of GTCRN's .tar files")
    network = Network()
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)["model"]
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise InputError(f"{checkpoint} is no checkpoint of GTCRN: give another") from error
    trained_on = checkpoint.stem.removeprefix("model_trained_on_")
    return GTCRN(_card(network, trained_on), network)


def _card(network: nn.Module, trained_on: str) -> Card:
    return Card(
        name=f"gtcrn-{trained_on}",
        summary="grouped convolutions and recurrent layers, complex mask",
        sample_rate=16_000,
        parameters=sum(weight.numel() for weight in network.parameters()),
        differentiable=True,
        scales=False,
        paper="Rong et al., ICASSP 2024",
        licence="MIT",
        weights=f"the authors' checkpoint trained on {trained_on}",
    )
