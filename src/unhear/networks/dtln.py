"""DTLN: two masks one after the other, on the spectrum and on a learned transform.

Westhausen and Meyer, "Dual-Signal Transformation LSTM Network for Real-Time Noise
Suppression", arXiv 2005.07551. Front end and weights are those of the authors' repository
(github.com/breizhn/DTLN, pretrained_model).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import fold, pad

from unhear.errors import InputError
from unhear.networks.base import NetworkEnhancer, run
from unhear.networks.onnx_weights import fill, weights_in_order

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unhear.enhancers.base import Card

BLOCK = 512  # samples, 32 ms
SHIFT = 128  # samples, 8 ms
BINS = BLOCK // 2 + 1
LEARNED = 256  # channels of the learned transform
UNITS = 128

MODELS = ("model_1.onnx", "model_2.onnx")  # their public names


class SeparationCore(nn.Module):
    """Features → mask in (0, 1), by two LSTM layers and a dense one."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, UNITS, num_layers=2, batch_first=True)
        self.dense = nn.Linear(UNITS, features)

    def forward(
        self, feature: Float[Tensor, "batch frames features"]
    ) -> Float[Tensor, "batch frames features"]:
        return torch.sigmoid(self.dense(run(self.lstm, feature)))


class LearnedStage(nn.Module):
    """The second mask, on a learned transform of each block."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv1d(BLOCK, LEARNED, 1, bias=False)
        self.norm = nn.LayerNorm(LEARNED, eps=1e-7)
        self.core = SeparationCore(LEARNED)
        self.decoder = nn.Conv1d(LEARNED, BLOCK, 1, bias=False)

    def forward(
        self, blocks: Float[Tensor, "batch frames block"]
    ) -> Float[Tensor, "batch frames block"]:
        encoded = _across(self.encoder, blocks)
        mask = self.core(self.norm(encoded))
        return _across(self.decoder, mask * encoded)


def _across(
    layer: nn.Conv1d, x: Float[Tensor, "batch frames ins"]
) -> Float[Tensor, "batch frames outs"]:
    """A convolution of one frame as the product with a matrix that it is: far quicker."""
    return torch.nn.functional.linear(x, layer.weight[:, :, 0])


class DualNetwork(nn.Module):
    """Blocks of the noisy signal → blocks to be overlapped and added."""

    def __init__(self) -> None:
        super().__init__()
        self.spectral = SeparationCore(BINS)
        self.learned = LearnedStage()

    def forward(
        self, blocks: Float[Tensor, "batch frames block"]
    ) -> Float[Tensor, "batch frames block"]:
        spec = torch.fft.rfft(blocks)
        magnitude = torch.sqrt(spec.real.square() + spec.imag.square() + 1e-14)
        masked = torch.fft.irfft(self.spectral(magnitude) * spec, n=BLOCK)
        return self.learned(masked)


class DTLN(NetworkEnhancer[DualNetwork]):
    """DTLN with its front end, differentiable from waveform to waveform.

    The authors' real-time program begins with an empty block and is 384 samples late. Here as
    many zeros go before the clip and behind it, and the delay is cut off, as their program for
    whole files does: every sample is the sum of four blocks.
    """

    grid = SHIFT

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        samples, margin = audio.shape[-1], BLOCK - SHIFT
        padded = pad(audio, (margin, margin + -samples % SHIFT))
        blocks = self.network(padded.unfold(-1, BLOCK, SHIFT))
        enhanced = fold(blocks.mT, (1, padded.shape[-1]), (1, BLOCK), stride=(1, SHIFT))
        return enhanced[:, 0, 0, margin : margin + samples]


def build(card: Card, weights: str) -> DTLN:
    """DTLN with the weights of a folder that holds its two ONNX files by their names.

    Raises InputError when one is missing or holds another network.
    """
    first, second = (_file(Path(weights).expanduser(), name) for name in MODELS)
    network = DualNetwork()
    fill(network.spectral, weights_in_order(first), first, card.name)
    fill(network.learned, _with_both_biases(weights_in_order(second)), second, card.name)
    return DTLN(card, network)


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise InputError(
            f"{folder} is no folder with {name}: name one that has {' and '.join(MODELS)}"
        )
    return folder / name


def _with_both_biases(weights: list[Tensor]) -> list[Tensor]:
    """The second file has its LSTMs written out, with one bias each where torch adds two."""
    pairs = ((w, torch.zeros_like(w)) if w.shape == (4 * UNITS,) else (w,) for w in weights)
    return [each for pair in pairs for each in pair]
