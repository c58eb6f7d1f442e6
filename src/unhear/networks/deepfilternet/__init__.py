"""DeepFilterNet3: band gains over the whole spectrum, complex filters over its lower part.

Schröter et al., arXiv 2305.08227; deep filtering: arXiv 2110.05588. The published real-time
model, computed over a whole recording at once and without its delay. Both stages always run:
the SNRs at which the native library would skip one lie at the ends of its estimate's range.
The post-filter and the limit of attenuation, off by default there, are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

from unhear.networks.base import NetworkEnhancer
from unhear.networks.checkpoints import locate
from unhear.networks.deepfilternet.archive import load_network
from unhear.networks.deepfilternet.frontend import FILTERED, HOP, spectrum, waveform
from unhear.networks.deepfilternet.network import ORDER, DeepFilterNetwork

if TYPE_CHECKING:
    from jaxtyping import Complex, Float
    from torch import Tensor

    from unhear.enhancers.base import Card

MODEL = "DeepFilterNet3_onnx.tar.gz"  # its public name
LOOKAHEAD = 2  # frames of both network and filter


class DeepFilterNet3(NetworkEnhancer[DeepFilterNetwork]):
    """DeepFilterNet3 with its front end, differentiable from waveform to waveform."""

    grid = HOP
    # Of more, each of its many maps (2.5 MB a second) leaves the caches, and is so large that
    # the allocator takes fresh pages for it at every call.
    seconds_at_once = 16.0

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        samples = audio.shape[1]
        hops = -(-samples // HOP) + LOOKAHEAD
        spec = spectrum(pad(audio, (0, hops * HOP - samples)))
        front_end = self.network.front_end
        gains, filters = self.network(
            front_end.erb_feature(spec), front_end.complex_feature(spec)
        )
        # What the network says at a frame is meant for the one LOOKAHEAD before.
        gains, filters = gains[:, LOOKAHEAD:], filters[:, LOOKAHEAD:]
        high = (spec[:, :-LOOKAHEAD] * front_end.per_bin(gains))[..., FILTERED:]
        low = deep_filter(spec[..., :FILTERED], filters)
        return waveform(torch.cat([low, high], dim=-1), samples)


def deep_filter(
    spec: Complex[Tensor, "batch ahead bins"],
    filters: Complex[Tensor, "batch frames bins order"],
) -> Complex[Tensor, "batch frames bins"]:
    """Each bin's sum over ORDER frames, of which LOOKAHEAD are to come; arXiv 2110.05588."""
    frames = pad(spec, (0, 0, ORDER - 1 - LOOKAHEAD, 0)).unfold(1, ORDER, 1)
    return (frames * filters).sum(-1)


def build(card: Card, model: str) -> DeepFilterNet3:
    """DeepFilterNet3 with the weights of an archive, or of the folder that holds it.

    Raises InputError when there is none or it holds another network.
    """
    return DeepFilterNet3(card, load_network(locate(model, MODEL)))
