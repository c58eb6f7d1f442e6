"""A network that says at once, in one pass, what would take an attack many gradients.

The idea is AdvGAN's (Xiao et al., arXiv 1801.02610): not the perturbation of one recording is
optimised, but a network that makes one of any recording. Here it is a stack of dilated
convolutions over time, and there is no discriminator, for budgets say what may be changed.

Enhancers listen to magnitudes. What comes out is therefore relative to the phase of each bin of
the recording's spectrum: its real part changes the magnitude, its imaginary part the phase.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from torch import nn
from torch.nn.functional import gelu

from unhear.errors import FailureError, InputError
from unhear.generators import generators
from unhear.networks.checkpoints import load_state, read_state
from unhear.networks.contents import content
from unhear.networks.spectra import spectrum, waveform

if TYPE_CHECKING:
    from pathlib import Path

    from jaxtyping import Float
    from torch import Tensor

DIGITS = 16  # of a digest

SAMPLE_RATE = 16_000  # Hz
WINDOW = 512  # samples, 32 ms
HOP = 128  # samples, 8 ms
BINS = WINDOW // 2 + 1
CHANNELS = 160
DILATIONS = (1, 2, 4, 8, 1, 2)
TYPICAL_DB = -27.0  # rms of a recording, to full scale

TINY = 1e-9
FAINTEST = 1e-3  # magnitude, to the clip's rms, below which bins look alike


class Block(nn.Module):
    """A residual of three frames, so many frames apart."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.over_time = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.mixed = nn.Conv1d(channels, channels, 1)

    def forward(
        self, x: Float[Tensor, "batch channels frames"]
    ) -> Float[Tensor, "batch channels frames"]:
        return x + self.mixed(gelu(self.over_time(self.norm(x.mT).mT)))


class PerturbationGenerator(nn.Module):
    """Recordings at 16 kHz → perturbations of no particular size. 743,011 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(BINS + 1, CHANNELS)
        self.blocks = nn.ModuleList(Block(CHANNELS, dilation) for dilation in DILATIONS)
        self.norm = nn.LayerNorm(CHANNELS)
        self.last = nn.Linear(CHANNELS, 2 * BINS)
        self.exponent = nn.Parameter(torch.full((BINS,), 0.5))
        nn.init.normal_(self.last.weight, std=0.02)

    def forward(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """Of each clip by itself; silence stays silent."""
        window = torch.hann_window(WINDOW, device=audio.device)
        spec = spectrum(audio, window, HOP)
        magnitude = spec.abs() + TINY
        level = audio.square().mean(-1).sqrt()[:, None, None] + TINY
        x = self.first(_features(magnitude, level)).mT
        for block in self.blocks:
            x = block(x)
        real, imaginary = self.last(self.norm(x.mT)).split(BINS, dim=-1)
        strength = (magnitude / level).pow(self.exponent.clamp(0, 1))
        relative = torch.complex(real, imaginary)
        found = relative * (spec / magnitude) * strength
        return waveform(found, window, HOP, audio.shape[-1])


def _features(
    magnitude: Float[Tensor, "batch frames bins"], level: Float[Tensor, "batch 1 1"]
) -> Float[Tensor, "batch frames features"]:
    """Log magnitudes relative to the clip's level, and that level: it matters to enhancers."""
    relative = torch.log(magnitude / level + FAINTEST) / 3
    loudness = (20 * torch.log10(level) - TYPICAL_DB) / 10
    return torch.cat([relative, loudness.expand(-1, relative.shape[1], 1)], -1)


def load_generator(path: Path) -> tuple[PerturbationGenerator, str]:
    """A trained one, frozen, and the digest of the weights that it was trained against.

    Raises InputError when the file holds something else.
    """
    generator = PerturbationGenerator()
    state = {name: each.float() for name, each in read_state(path).items()}
    load_state(generator, state, path, "a perturbation generator")
    with safe_open(path, framework="pt") as file:
        against = (file.metadata() or {}).get("digest", "")
    return generator.eval().requires_grad_(requires_grad=False), against


def generator_against(name: str, network: nn.Module) -> PerturbationGenerator | None:
    """That of the enhancer of that name, if its weights are those that it was trained against:
    others it does not know.

    Raises FailureError when it is damaged.
    """
    path = generators().get(name)
    if path is None:
        return None
    try:
        generator, against = load_generator(path)
    except InputError as error:
        raise FailureError(
            f"the generator against {name} ({path}) is damaged: remove it, if it is your "
            "own, or install Unhear again"
        ) from error
    return generator if against == digest_of_weights(network) else None


def digest_of_weights(network: nn.Module) -> str:
    """First digits of the SHA-256 of all weights, byte by byte."""
    return hashlib.sha256(content(network)).hexdigest()[:DIGITS]
