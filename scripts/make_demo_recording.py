"""Make the demo recording that Unhear ships: someone on the phone in a café.

Everything is synthesised here, so nobody was recorded for it: espeak-ng speaks the sentence
and the guests, NumPy makes the room and its hum. The same espeak-ng version always gives the
same bytes. Run it as ``python scripts/make_demo_recording.py``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unhear import audio
from unhear.datasets import fit_length, mix_at_snr
from unhear.errors import FailureError, UnhearError

if TYPE_CHECKING:
    from jaxtyping import Float

ASSETS = Path(__file__).parents[1] / "src" / "unhear" / "assets"
SENTENCE = (
    "The money should arrive on Monday morning, "
    "and nobody in the office knows that I am leaving the company."
)

SAMPLE_RATE = 16_000  # Hz
SNR_DB = 5.0  # speech to noise
LEVEL_DB = -23.0  # rms of the mixture, relative to full scale
HUM_DB = -3.0  # hum relative to the babble
LEAD_IN, LEAD_OUT = 0.4, 0.5  # s of café before and after the sentence
DECAY = 0.45  # s until the room's echo has fallen by 60 dB
LOWEST = 60  # Hz in the hum
MUFFLED = 1_000  # Hz; distance and bodies take the edge off voices across the room
SEED = 2206


@dataclass(frozen=True)
class Voice:
    """How espeak-ng speaks one text."""

    name: str  # voice and variant
    text: str
    pitch: int = 50  # 0-99
    rate: int = 160  # words per minute


SPEAKER = Voice("en-gb-x-rp", SENTENCE, rate=140)
GUESTS = (
    Voice("en-gb+f2", "Two flat whites, please, and one of the almond croissants.", 62, 185),
    Voice("en-us+m3", "So I told him that the car would need new tyres by October.", 35, 172),
    Voice("en-gb+f4", "Her sister moved to Lisbon, and she has never looked back.", 70, 190),
    Voice("en-us+m7", "The second half was better, but nobody expected them to win.", 28, 165),
    Voice("en-gb+m2", "Is this chair free? My friends are coming in a minute or so.", 45, 180),
    Voice("en-us+f3", "I would rather have the soup, it is far too warm in here.", 55, 176),
    Voice("en-gb+m5", "They are closing the bridge again, all through next month.", 40, 168),
    Voice("en-us+f1", "Grandmother is ninety on Sunday and still plays the piano.", 66, 182),
)


def speak(voice: Voice) -> Float[np.ndarray, " time"]:
    """The voice's text at ``SAMPLE_RATE``, with an rms of 1."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise FailureError("espeak-ng is not installed: run `apt-get install espeak-ng`")
    settings = ["-v", voice.name, "-p", str(voice.pitch), "-s", str(voice.rate)]
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder) / "spoken.wav"
        subprocess.run([program, *settings, "-w", str(spoken), voice.text], check=True)
        recording = audio.read(spoken)
    return unit(audio.resample(recording.samples, recording.sample_rate, SAMPLE_RATE)[0])


def unit(signal: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """The signal scaled to an rms of 1."""
    return signal / np.sqrt(np.mean(np.square(signal)))


def echo(random: np.random.Generator) -> Float[np.ndarray, " time"]:
    """Impulse response of a room: the direct sound, then noise that decays exponentially."""
    time = np.arange(round(DECAY * SAMPLE_RATE)) / SAMPLE_RATE
    response = 0.05 * random.standard_normal(time.size) * 10 ** (-3 * time / DECAY)
    response[0] = 1.0
    return response


def across_the_room(
    voice: Float[np.ndarray, " time"], random: np.random.Generator
) -> Float[np.ndarray, " time"]:
    """The voice with echo and without its edge; the echo of its end is heard at its start."""
    muffle = 1 / (1 + 1j * np.fft.rfftfreq(voice.size, 1 / SAMPLE_RATE) / MUFFLED)
    room = np.fft.rfft(echo(random), voice.size) * muffle
    return np.fft.irfft(np.fft.rfft(voice) * room, voice.size)


def babble(samples: int, random: np.random.Generator) -> Float[np.ndarray, " samples"]:
    """The guests, each from a place of their own in their text, at a distance of their own."""
    together = np.zeros(samples)
    for guest in GUESTS:
        words = speak(guest)
        loudness = 10 ** (random.uniform(-8, 0) / 20)
        heard = fit_length(words, samples, int(random.integers(words.size)))
        together += loudness * across_the_room(heard, random)
    return unit(together)


def hum(samples: int, random: np.random.Generator) -> Float[np.ndarray, " samples"]:
    """Noise that falls by 4.5 dB per octave: ventilation and the street."""
    spectrum = np.fft.rfft(random.standard_normal(samples))
    hertz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    slope = np.where(hertz >= LOWEST, np.maximum(hertz, 1) ** -0.75, 0)
    return unit(np.fft.irfft(spectrum * slope, samples))


def cafe(samples: int) -> Float[np.ndarray, " samples"]:
    """Babble and hum."""
    random = np.random.default_rng(SEED)
    return babble(samples, random) + 10 ** (HUM_DB / 20) * hum(samples, random)


def demo() -> Float[np.ndarray, "1 time"]:
    """The sentence in the café."""
    pauses = (round(LEAD_IN * SAMPLE_RATE), round(LEAD_OUT * SAMPLE_RATE))
    speech = np.pad(speak(SPEAKER), pauses)
    mixture = mix_at_snr(speech, cafe(speech.size), SNR_DB).astype(np.float64)
    return 10 ** (LEVEL_DB / 20) * unit(mixture)[None]


def main() -> None:
    """Write the recording and its sentence into the package."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    audio.write(audio.Recording(demo(), SAMPLE_RATE), ASSETS / "demo.wav")
    (ASSETS / "demo.txt").write_text(f"{SENTENCE}\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except UnhearError as error:
        sys.exit(str(error))
