"""Clips of different lengths in one batch, each computed as if it were alone.

Every clip has zeros behind its end. All that is returned here passes gradients on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import fold, pad

if TYPE_CHECKING:
    from jaxtyping import Bool, Complex, Float, Int
    from torch import Tensor

LEAST_FILLED = 0.8  # of the longest clip of a group: what is padded is computed for nothing


def inside(
    lengths: Int[Tensor, " batch"], steps: int, device: torch.device
) -> Bool[Tensor, "batch steps"]:
    """Where the clips are, and not the padding behind them."""
    return torch.arange(steps, device=device) < lengths.to(device)[:, None]


def of_similar_length(lengths: Int[Tensor, " batch"], most: float) -> list[list[int]]:
    """The clips in groups, the longest first, of at most ``most`` samples with their padding.

    A clip that is longer makes a group of its own.
    """
    samples: list[int] = lengths.tolist()
    groups: list[list[int]] = []
    for clip in sorted(range(len(samples)), key=lambda each: -samples[each]):
        longest = samples[groups[-1][0]] if groups else 0
        fits = bool(groups) and (len(groups[-1]) + 1) * longest <= most
        if fits and samples[clip] >= LEAST_FILLED * longest:
            groups[-1].append(clip)
        else:
            groups.append([clip])
    return groups


def mirrored(
    audio: Float[Tensor, "batch time"], ends: Int[Tensor, " batch"], margin: int
) -> Float[Tensor, "batch padded"]:
    """``margin`` samples mirrored at each clip's beginning and at its end.

    A clip that ends within the batch has zeros behind that. ``ends`` must exceed ``margin``.
    """
    padded = pad(pad(audio, (margin, 0), mode="reflect"), (0, margin))
    step = torch.arange(margin, device=audio.device)
    behind = margin + ends.to(audio.device)[:, None] + step
    return padded.scatter(1, behind, padded.gather(1, behind - 2 - 2 * step))


def turned(
    x: Float[Tensor, "batch steps channels"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch steps channels"]:
    """The steps of each clip in reverse; those behind its end stay where they are."""
    step, last = torch.arange(x.shape[1], device=x.device), lengths.to(x.device)[:, None] - 1
    source = torch.where(step <= last, last - step, step)
    return x.gather(1, source[..., None].expand_as(x))


def inverse_stft(
    spec: Complex[Tensor, "batch frames bins"],
    frames: Int[Tensor, " batch"],
    window: Float[Tensor, " window"],
    hop: int,
    samples: int,
) -> Float[Tensor, "batch time"]:
    """``torch.istft`` of centred frames, of which each clip has as many as ``frames`` says.

    The windows that a sample is divided by are those of the clip's own frames. Zeros follow
    behind the last of them, up to ``samples``.
    """
    size, margin = len(window), len(window) // 2
    own = inside(frames, spec.shape[1], spec.device)[..., None]
    parts = torch.fft.irfft(spec, n=size) * window * own
    total, weight = (_overlapped(each, hop) for each in (parts, window.square() * own))
    audio = (total / weight.clamp(min=1e-11))[:, margin : margin + samples]
    return pad(audio, (0, samples - audio.shape[1]))


def _overlapped(
    parts: Float[Tensor, "batch frames window"], hop: int
) -> Float[Tensor, "batch time"]:
    _, frames, window = parts.shape
    size = (1, (frames - 1) * hop + window)
    return fold(parts.mT, size, (1, window), stride=(1, hop))[:, 0, 0]
