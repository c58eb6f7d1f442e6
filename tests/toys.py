"""Enhancers whose output is known in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unhear.enhancers.base import Card, Enhancer

if TYPE_CHECKING:
    from torch import Tensor

RATE = 16_000


def card(name: str, rate: int = RATE) -> Card:
    return Card(name, "", rate, 0, True, True, "", "", "")


class Linear(Enhancer):
    """y = A x."""

    def __init__(self, matrix: Tensor) -> None:
        self.card, self.matrix = card("linear"), matrix

    def enhance(self, audio: Tensor) -> Tensor:
        return audio @ self.matrix.T


class Gain(Enhancer):
    """y = g x."""

    def __init__(self, gain: float) -> None:
        self.card, self.gain = card("gain"), gain

    def enhance(self, audio: Tensor) -> Tensor:
        return self.gain * audio


class Through(Enhancer):
    """y = x, at any rate."""

    def __init__(self, rate: int = RATE, grid: int = 1) -> None:
        self.card, self.grid = card(f"through at {rate} Hz", rate), grid

    def enhance(self, audio: Tensor) -> Tensor:
        return audio
