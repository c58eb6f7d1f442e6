"""NSNet2: two GRU layers that turn log-power spectra into gains.

Braun and Tashev, "Data Augmentation and Loss Normalization for Deep Noise Suppression",
arXiv 2008.06412. Front end and weights are those of the baseline of Microsoft's DNS challenge
(github.com/microsoft/DNS-Challenge, NSNet2-baseline).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import fold, pad

from unhear.networks.base import NetworkEnhancer, run
from unhear.networks.checkpoints import locate
from unhear.networks.onnx_weights import fill, weights_in_order

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.enhancers.base import Card

WINDOW = 320  # samples, 20 ms
HOP = 160  # samples, 10 ms
BINS = WINDOW // 2 + 1

POWER_FLOOR = 1e-12
GAIN_FLOOR = 1e-4  # -80 dB

MODEL = "nsnet2-20ms-baseline.onnx"  # its public name


class GainNetwork(nn.Module):
    """log10 power → gains in (0, 1)."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.fc_in = nn.Sequential(nn.Linear(BINS, 400), nn.ReLU())
        self.gru = nn.GRU(400, 400, num_layers=2, batch_first=True)
        self.fc_out = nn.Sequential(
            *(nn.Linear(400, 600), nn.ReLU()),
            *(nn.Linear(600, 600), nn.ReLU()),
            *(nn.Linear(600, BINS), nn.Sigmoid()),
        )
        # The authors' window is symmetric, so that two halves add up to 1 within 0.5 %.
        hann = torch.hann_window(WINDOW, periodic=False, dtype=torch.float64)
        self.register_buffer("window", hann.clamp(min=0).sqrt().float(), persistent=False)

    def forward(
        self, feature: Float[Tensor, "batch frames bins"]
    ) -> Float[Tensor, "batch frames bins"]:
        return self.fc_out(run(self.gru, self.fc_in(feature)))


class NSNet2(NetworkEnhancer[GainNetwork]):
    """NSNet2 with its front end, differentiable from waveform to waveform.

    Windows begin 10 ms before the clip and end behind it, in zeros, so that two of them cover
    every sample. The authors' program begins with the clip and so fades the first 10 ms in;
    from there on the two agree.
    """

    grid = HOP

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        samples = audio.shape[-1]
        padded = pad(audio, (HOP, HOP + -samples % HOP))
        window = self.network.window
        spec = torch.fft.rfft(padded.unfold(-1, WINDOW, HOP) * window)
        power = spec.real.square() + spec.imag.square()
        # The network remembers, so it must not see the first frame, which the authors do not
        # have: that frame takes the gains of the second.
        gain = self.network(power[:, 1:].clamp(min=POWER_FLOOR).log10()).clamp(min=GAIN_FLOOR)
        gain = torch.cat([gain[:, :1], gain], dim=1)
        frames = torch.fft.irfft(spec * gain, n=WINDOW) * window
        enhanced = fold(frames.mT, (1, padded.shape[-1]), (1, WINDOW), stride=(1, HOP))
        return enhanced[:, 0, 0, HOP : HOP + samples]


def build(card: Card, weights: str) -> NSNet2:
    """NSNet2 with the weights of an ONNX file, or of a folder that holds it by its name.

    Raises InputError when there is none or it holds another network.
    """
    path = locate(weights, MODEL)
    network = GainNetwork()
    fill(network, weights_in_order(path), path, card.name)
    return NSNet2(card, network)
