"""How SEGAN's generator sets out: its first weights, the size of its steps, its precision."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unhear.networks.segan import FRAMES, WINDOW, Generator

if TYPE_CHECKING:
    from torch import Tensor

GAIN = 30.0  # brings pre-emphasised speech (rms 0.02) to about 1 inside the network
SCALES = {  # of the parameters that make the gain and take it back
    "enc_blocks.0.conv.weight": GAIN,
    "dec_blocks.4.deconv.weight": 1 / GAIN,
    "dec_blocks.4.deconv.bias": 1 / GAIN,
}
WORTHWHILE = 0.9  # of the time of a float32 step: bfloat16 must stay below


@torch.no_grad()
def initialise(generator: Generator) -> None:
    """He's normal weights and zero biases, with a gain inside the network.

    Pre-emphasised speech is so faint that biases and z would drown it otherwise.
    """
    for module in generator.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            overlap = module.stride[0] if isinstance(module, nn.ConvTranspose1d) else 1
            terms = module.in_channels * module.kernel_size[0] / overlap
            nn.init.normal_(module.weight, std=(2 / terms) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    parameters = dict(generator.named_parameters())
    for name, scale in SCALES.items():
        parameters[name].mul_(scale)


def scaled_groups(generator: Generator) -> list[dict[str, Any]]:
    """Parameters for Adam, whose steps know no scale, with the ``scale`` of their rate."""
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in generator.named_parameters():
        groups.setdefault(SCALES.get(name, 1.0), []).append(parameter)
    return [{"params": members, "scale": scale} for scale, members in groups.items()]


def bfloat16_is_faster(generator: Generator, windows: int) -> bool:
    """Whether a step in bfloat16 takes clearly less time on this processor."""
    seconds = {
        chosen: _seconds(generator, windows, bfloat16=chosen) for chosen in (False, True)
    }
    return seconds[True] < WORTHWHILE * seconds[False]


def _seconds(generator: Generator, windows: int, *, bfloat16: bool) -> float:
    """The faster of two steps: the first one also warms up."""
    noisy = torch.randn(windows, WINDOW) / GAIN
    z = torch.randn(windows, generator.latent_channels, FRAMES)
    times: list[float] = []
    for _ in range(2):
        begin = perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            enhanced = generator(noisy, z)
        enhanced.float().square().mean().backward()
        times.append(perf_counter() - begin)
    return min(times)
