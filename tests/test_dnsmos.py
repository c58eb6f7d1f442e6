"""DNSMOS: the authors' own figures for the demo recording."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from sounds import DEMO

from unhear import audio
from unhear.dnsmos import SOURCE, dnsmos

pytest.importorskip("onnxruntime", reason="DNSMOS runs on onnxruntime")


@pytest.fixture(scope="module", autouse=True)
def _network(fetched):
    fetched(SOURCE)


def demo() -> np.ndarray:
    return audio.read(DEMO).samples[0]


@pytest.mark.parametrize(
    ("cut", "speech", "background", "overall"),
    [  # made once with the authors' script (speechmos 0.0.1.1) on the same arrays
        (lambda clip: clip, 2.3714, 1.4643, 1.5117),
        (lambda clip: clip[:30_000], 3.1688, 1.9519, 1.9065),
        (lambda clip: np.tile(clip, 3)[:256_000], 2.3484, 1.4507, 1.5056),
    ],
    ids=["repeated", "short", "long"],
)
def test_opinions_are_those_of_the_published_script(
    cut, speech: float, background: float, overall: float
):
    opinion = dnsmos(cut(demo()))
    assert opinion.speech == pytest.approx(speech, abs=2e-3)
    assert opinion.background == pytest.approx(background, abs=2e-3)
    assert opinion.overall == pytest.approx(overall, abs=2e-3)


def test_silence_has_no_opinion():
    assert isnan(dnsmos(np.zeros(16_000)).overall)
