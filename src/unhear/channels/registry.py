"""What a protection may be asked to survive, by name. Imports nothing heavy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from unhear.errors import InputError
from unhear.naming import unknown_of_several

if TYPE_CHECKING:
    from collections.abc import Collection

    from unhear.channels.base import Survivable


@dataclass(frozen=True)
class Family:
    """Channels that differ in one number (bit/s or Hz), such as ``opus-24k``."""

    summary: str  # with a place for the number, in thousands
    listed: tuple[int, ...]
    taken: Collection[int]

    def described(self, number: int) -> str:
        """The summary of one of them."""
        return self.summary.format(_thousands(number))


def _thousands(number: int) -> str:
    return f"{number / 1000:g}"


FAMILIES = {
    "resample": Family(
        "resampled to {} kHz and back",
        (8000, 48_000),
        (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000),
    ),
    "mp3": Family(
        "MP3 at {} kb/s",
        (64_000, 128_000),
        tuple(
            1000 * rate
            for rate in (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
        ),
    ),
    "aac": Family("AAC at {} kb/s", (64_000,), range(16_000, 193_000, 1000)),
    "opus": Family("Opus at {} kb/s", (16_000, 24_000, 32_000), range(6000, 257_000, 1000)),
    "amr-nb": Family(
        "AMR-NB at {} kb/s", (), (4750, 5150, 5900, 6700, 7400, 7950, 10_200, 12_200)
    ),
}
_TELEPHONY = {  # name of the codec: summary, bit/s
    "amr-nb": ("AMR-NB at 12.2 kb/s, as in mobile telephony", 12_200),
    "g722": ("G.722 at 64 kb/s, as in wideband telephony", 64_000),
    "mulaw": ("µ-law at 8 kHz, as in fixed telephony", 64_000),
}


def _listed(family: str) -> dict[str, str]:
    numbers = FAMILIES[family].listed
    return {
        f"{family}-{_thousands(each)}k": FAMILIES[family].described(each) for each in numbers
    }


CHANNELS: dict[str, str] = {
    "pcm16": "rounded and clipped as in a 16-bit file",
    "gain": "the volume turned by up to ±10 dB, and clipped at full scale",
    **_listed("resample"),
    "offset": "cut elsewhere: up to 1 s is missing at the front",
    **_listed("mp3"),
    **_listed("aac"),
    **_listed("opus"),
    **{name: summary for name, (summary, _) in _TELEPHONY.items()},
    "room": "reverberation of a small room, RT60 0.15–0.4 s",
    "microphone": "a microphone's noise at 30–40 dB SNR, and its frequency response",
    "denoise": "light Gaussian smoothing over a few samples",
}


def channel_names() -> list[str]:
    """Those that are listed; families take more numbers, such as ``opus-20k``."""
    return list(CHANNELS)


def is_coded(name: str) -> bool:
    """Whether a codec's library does the work."""
    return name.startswith((*_TELEPHONY, *(each for each in FAMILIES if each != "resample")))


def find_channel(name: str) -> Survivable:
    """The channel called ``name``: one of :data:`CHANNELS`, or of a family with its number.

    Raises InputError for an unknown name, a number that the family does not take, and where a
    codec's library is missing.
    """
    if name in _TELEPHONY:
        summary, bit_rate = _TELEPHONY[name]
        return _coded(name, summary, name, bit_rate)
    if found := re.fullmatch(rf"({'|'.join(FAMILIES)})-(\d+(?:\.\d+)?)k", name):
        return _of_family(name, found[1], round(1000 * float(found[2])))
    if name in CHANNELS:
        return _simple(name)
    raise unknown_of_several("channel", name, CHANNELS)


def _simple(name: str) -> Survivable:
    from unhear.channels.acoustics import Denoise, Microphone, Room
    from unhear.channels.levels import Gain, Offset, SixteenBits

    kinds: dict[str, type[Survivable]] = {
        "pcm16": SixteenBits,
        "gain": Gain,
        "offset": Offset,
        "room": Room,
        "microphone": Microphone,
        "denoise": Denoise,
    }
    return kinds[name](name, CHANNELS[name])


def _of_family(name: str, family: str, number: int) -> Survivable:
    taken = FAMILIES[family].taken
    if number not in taken:
        numbers = (
            f"whole numbers from {_thousands(taken[0])} to {_thousands(taken[-1])}"
            if isinstance(taken, range)
            else ", ".join(map(_thousands, taken))
        )
        raise InputError(f"{name} cannot be had: {family} takes {numbers}, as in {family}-…k")
    summary = FAMILIES[family].described(number)
    if family == "resample":
        from unhear.channels.coded import Resampled

        return Resampled(name, summary, number)
    return _coded(name, summary, family, number)


def _coded(name: str, summary: str, codec: str, bit_rate: int) -> Survivable:
    if find_spec("av") is None:
        raise InputError(
            f"{name} needs PyAV, which is missing: install it with pip install 'unhear[codecs]'"
        )
    from unhear.channels.codecs import CODECS
    from unhear.channels.coded import Coded

    return Coded(name, summary, CODECS[codec], bit_rate)
