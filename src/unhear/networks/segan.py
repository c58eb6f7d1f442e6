"""SEGAN+: an encoder and a decoder of strided convolutions, from waveform to waveform.

Pascual, Bonafonte, Serrà, "SEGAN: Speech Enhancement Generative Adversarial Network",
arXiv 1703.09452. Layers, their names and the front end are those of the authors' later
``segan_pytorch`` ("SEGAN+"), so that its ``segan+_generator.ckpt`` loads unchanged.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn
from torch.nn.functional import pad

from unhear.networks.base import NetworkEnhancer
from unhear.networks.checkpoints import load_state, locate, read_state
from unhear.networks.ragged import inside

if TYPE_CHECKING:
    from collections.abc import Generator as Generating
    from collections.abc import Iterator

    from jaxtyping import Float, Int
    from torch import Tensor

    from unhear.enhancers.base import Card

WINDOW = 16_384  # samples, about 1 s: all that the network sees at once
KERNEL, STRIDE, LAYERS = 31, 4, 5
FRAMES = WINDOW // STRIDE**LAYERS  # of the innermost layer, and so of z
EMPHASIS = 0.95
EMPHASIS_DOUBLINGS = 9  # 0.95 to the power 512 is 4e-12, far below float32
WIDTH = 64  # channels of the first layer in the authors' release

CHECKPOINT = "segan+_generator.ckpt"  # its name in the authors' release
FIRST = "enc_blocks.0.conv.weight"

Latent = Literal["fixed", "fresh"]


class EncoderBlock(nn.Module):
    """A quarter of the frames; returns what goes on and what the skip takes."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(ins, outs, KERNEL, STRIDE)
        self.act = nn.PReLU(outs, init=0)

    def forward(
        self, x: Float[Tensor, "windows ins time"]
    ) -> tuple[Float[Tensor, "windows outs frames"], Float[Tensor, "windows outs frames"]]:
        linear = self.conv(pad(x, (KERNEL // 2 - 1, KERNEL // 2), mode="reflect"))
        return self.act(linear), linear


class Skip(nn.Module):
    """One learnt factor per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.skip_k = nn.Parameter(torch.ones(1, channels, 1))

    def forward(
        self, linear: Float[Tensor, "windows channels frames"]
    ) -> Float[Tensor, "windows channels frames"]:
        return self.skip_k * linear


class DecoderBlock(nn.Module):
    """Four times the frames."""

    def __init__(self, ins: int, outs: int, act: nn.Module) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose1d(
            ins, outs, KERNEL, STRIDE, padding=(KERNEL - STRIDE) // 2
        )
        self.act = act

    def forward(
        self, x: Float[Tensor, "windows ins frames"]
    ) -> Float[Tensor, "windows outs time"]:
        return self.act(self.deconv(x)[..., :-1])


class Generator(nn.Module):
    """Windows of pre-emphasised speech and z → enhanced windows, pre-emphasised.

    ``width`` counts the channels of the first layer; every further one has twice as many. 64
    makes the 64,770,561 parameters of the authors' release.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        channels = [width * 2**layer for layer in range(LAYERS)]
        self.latent_channels = channels[-1]
        self.enc_blocks = nn.ModuleList(
            EncoderBlock(*pair) for pair in zip([1, *channels[:-1]], channels, strict=True)
        )
        self.alpha_0, self.alpha_1, self.alpha_2, self.alpha_3 = map(Skip, channels[:-1])
        outs = [1, *channels[:-1]][::-1]
        acts = [*(nn.PReLU(out, init=0) for out in outs[:-1]), nn.Tanh()]
        self.dec_blocks = nn.ModuleList(
            DecoderBlock(2 * channels, out, act)
            for channels, out, act in zip(channels[::-1], outs, acts, strict=True)
        )

    def forward(
        self, noisy: Float[Tensor, "windows time"], z: Float[Tensor, "windows latent frames"]
    ) -> Float[Tensor, "windows time"]:
        return self.decode(self.encode(noisy), z)

    def encode(
        self, noisy: Float[Tensor, "windows time"]
    ) -> list[Float[Tensor, "windows _ _"]]:
        """The innermost activations, then what the skips carry, outermost last."""
        skips = (self.alpha_0, self.alpha_1, self.alpha_2, self.alpha_3)
        x, carried = noisy[:, None], []
        for block, skip in zip(self.enc_blocks, (*skips, None), strict=True):
            x, linear = block(x)
            carried.append(x if skip is None else skip(linear))
        return carried[::-1]

    def decode(
        self,
        encoded: list[Float[Tensor, "windows _ _"]],
        z: Float[Tensor, "windows latent frames"],
    ) -> Float[Tensor, "windows time"]:
        """Enhanced windows; z stands before the innermost activations, skips behind."""
        x = torch.cat([z, encoded[0]], dim=1)
        for block, carried in zip(self.dec_blocks, [*encoded[1:], None], strict=True):
            x = block(x)
            if carried is not None:
                x = torch.cat([x, carried], dim=1)
        return x[:, 0]


def pre_emphasis(audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """y[t] = x[t] - 0.95 x[t-1]; the first sample stays as it is."""
    return torch.cat([audio[:, :1], audio[:, 1:] - EMPHASIS * audio[:, :-1]], dim=1)


def de_emphasis(audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """y[t] = x[t] + 0.95 y[t-1], without the loop over t that recursion would need.

    The 512 taps of the impulse response, 1 + a z⁻¹ + a² z⁻² + …, are the product of the nine
    filters 1 + a^n z⁻ⁿ with n = 1, 2, 4, … 256.
    """
    for doubling in range(EMPHASIS_DOUBLINGS):
        delay = 2**doubling
        if delay < audio.shape[1]:
            audio = audio + EMPHASIS**delay * pad(audio[:, :-delay], (delay, 0))
    return audio


class SEGAN(NetworkEnhancer[Generator]):
    """SEGAN+ with its front end, differentiable from waveform to waveform.

    ``latent`` says how z, which is N(0, 1), is drawn. ``fresh``: anew at every call, as the
    authors do; an attack through it works on the mean over z. ``fixed``: the same at every
    call.

    Window k has the same z in all clips of a call, however long they are, so that a clip
    comes out of a batch as it would come out alone. :meth:`reseed` begins the draws again.
    """

    grid = WINDOW

    def __init__(self, card: Card, network: Generator, latent: Latent = "fresh") -> None:
        super().__init__(card, network)
        self.latent: Latent = latent
        self.reseed(0)

    def reseed(self, seed: int) -> None:
        self._draws = self.draws_from(seed)

    def draws_from(self, seed: int) -> Iterator[int]:
        """The seed of each call's own z: so the next call does not depend on how many windows
        this one had.
        """
        return repeat(seed) if self.latent == "fixed" else _numbers(seed)

    @contextmanager
    def drawing(self, draw: int) -> Generating[None]:
        before, self._draws = self._draws, repeat(draw)
        try:
            yield
        finally:
            self._draws = before

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        """All windows of all clips go through the network together."""
        padded = pad(pre_emphasis(audio), (0, -audio.shape[1] % WINDOW))
        windows = padded.reshape(-1, WINDOW)
        z = self._latents(padded.shape[1] // WINDOW).to(audio.device)
        enhanced = self.network(windows, z.repeat(len(audio), 1, 1))
        return de_emphasis(enhanced.reshape(padded.shape))[:, : audio.shape[1]]

    def enhance_padded(
        self, audio: Float[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch time"]:
        """As :meth:`enhance`, but for the windows that hold nothing but padding."""
        own = inside(lengths, audio.shape[1], audio.device)
        padded = pad(pre_emphasis(audio) * own, (0, -audio.shape[1] % WINDOW))
        windows = padded.reshape(-1, WINDOW)
        count = padded.shape[1] // WINDOW
        holding = inside((lengths + WINDOW - 1) // WINDOW, count, lengths.device).flatten()
        which = holding.nonzero()[:, 0].to(audio.device)
        z = self._latents(count).to(audio.device)
        found = self.network(windows[which], z[which % count])
        enhanced = torch.zeros_like(windows).index_copy(0, which, found)
        return de_emphasis(enhanced.reshape(padded.shape))[:, : audio.shape[1]] * own

    def _latents(self, windows: int) -> Float[Tensor, "windows latent frames"]:
        """The z of one call, drawn on the CPU so that all devices see the same."""
        random = torch.Generator().manual_seed(next(self._draws))
        shape = (self.network.latent_channels, FRAMES)
        # One window after the other: the first ones must not depend on how many follow.
        return torch.stack([torch.randn(shape, generator=random) for _ in range(windows)])


def _numbers(seed: int) -> Iterator[int]:
    random = torch.Generator().manual_seed(seed)
    while True:
        yield int(torch.randint(2**62, (), generator=random))


def build(card: Card, weights: str) -> SEGAN:
    """SEGAN+ of any width, with the weights that ``weights`` names."""
    path = locate(weights, CHECKPOINT)
    state = {_present_name(key): value for key, value in read_state(path).items()}
    shape = state[FIRST].shape if FIRST in state else ()
    network = Generator(*shape[:1])
    load_state(network, state, path, card.name)
    return SEGAN(card, network)


def _present_name(key: str) -> str:
    """The name of a tensor of the authors' first releases, as they name it now."""
    if key.startswith("gen_dec."):
        return key.replace("gen_dec.", "dec_blocks.").replace(".conv.", ".deconv.")
    return key.replace("gen_enc.", "enc_blocks.")
