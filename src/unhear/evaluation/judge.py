"""A recording and its protected file, as re-read from disk → figures and transcripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unhear import metrics
from unhear.audio import Recording, downmixed, resample
from unhear.channels.apply import through
from unhear.enhance import enhanced, loudness_normalised, peak_normalised, raw

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from jaxtyping import Float

    from unhear.channels import Passage
    from unhear.enhancers.base import Enhancer
    from unhear.recognise import Recogniser

FILES = ("noisy", "protected")  # signals that are the same whoever listens
AS_IT_COMES = ("enhanced", "enhanced_protected")  # out of the enhancer
LISTENING_RATE = 16_000  # Hz, of PESQ, STOI and the recognisers


@dataclass(frozen=True)
class Signals:
    """The four signals of the paper's Figure 2, and the enhanced ones at full scale.

    The first two are the files as written, whatever happens to them before they are enhanced.
    """

    noisy: Recording
    protected: Recording
    enhanced: Recording
    enhanced_normalised: Recording
    enhanced_protected: Recording
    enhanced_protected_normalised: Recording
    arriving: tuple[Recording, Recording]  # at the enhancer: of both files
    enhanced_loud: Recording | None = None  # at the loudness of broadcasts, where asked for
    enhanced_protected_loud: Recording | None = None


@dataclass(frozen=True)
class Figures:
    """How much was added and what it does; ``None``-able figures are NaN where undefined."""

    snr_db: float
    segmental_snr_db: float
    peak: float  # largest added sample, full scale is 1
    level_change_db: float
    rpr: float
    rpr_unit: float
    gain_db: float
    si_sdr_db: float  # of the enhanced protected recording against the enhanced original
    pesq_wb: float  # from here on: of the protected recording against the noisy one
    pesq_nb: float
    stoi: float
    estoi: float
    a_weighted_snr_db: float  # of what was added, at the file's rate, in mono
    share_unmasked: float  # of its time-frequency bins that the recording does not mask


def hear(
    noisy: Recording,
    protected: Recording,
    enhancer: Enhancer,
    passage: Passage | None = None,
    *,
    loudness: bool = False,
) -> Signals:
    """Run the enhancer over both recordings, whole, as an adversary would, after the same has
    happened to both on the way.
    """
    arriving = (noisy, protected)
    if passage:
        arriving = (through(noisy, passage), through(protected, passage))
    before, after = (enhanced(each, enhancer) for each in arriving)
    return Signals(
        noisy,
        protected,
        raw(before),
        peak_normalised(before),
        raw(after),
        peak_normalised(after),
        arriving,
        *map(loudness_normalised, (before, after) if loudness else ()),
    )


def measure(signals: Signals, known: Mapping[str, float] | None = None) -> Figures:
    """All figures; where those :func:`of_files` are ``known``, they are taken from there."""
    files = known or of_files(signals.noisy, signals.protected)
    return Figures(**{**files, **_of_output(signals)})


def _of_output(signals: Signals) -> dict[str, float]:
    """Of what the enhancer makes of both, at its rate, and of what arrives there."""
    before, after = signals.enhanced.samples.ravel(), signals.enhanced_protected.samples.ravel()
    noisy, protected = signals.arriving
    added = protected.samples - noisy.samples
    heard = resample(added, noisy.sample_rate, signals.enhanced.sample_rate).ravel()
    change = after - before
    return {
        "level_change_db": metrics.level_change_db(before, after),
        "rpr": metrics.rpr(heard, change),
        "rpr_unit": metrics.rpr_unit(heard, change),
        "gain_db": metrics.gain_db(heard, change),
        "si_sdr_db": metrics.si_sdr_db(before, after),
    }


def of_files(original: Recording, changed: Recording) -> dict[str, float]:
    """Of what was added, whoever listens: SNR and peak at the file's rate, over all channels
    together; the others on a mono downmix, at 16 kHz or, where the ear's weighting or masking
    is asked, at the file's rate.
    """
    noisy, protected = original.samples, changed.samples
    added, rate = protected - noisy, original.sample_rate
    mono = [downmixed(each, LISTENING_RATE) for each in (original, changed)]
    own = [downmixed(each, rate) for each in (original, changed)]
    return {
        "snr_db": metrics.snr_db(_without_offset(noisy).ravel("K"), added.ravel("K")),
        "segmental_snr_db": metrics.segmental_snr_db(mono[0], mono[1] - mono[0]),
        "peak": metrics.peak(added.ravel("K")),
        "pesq_wb": metrics.pesq_wb(*mono),
        "pesq_nb": metrics.pesq_nb(*mono),
        "stoi": metrics.stoi(*mono),
        "estoi": metrics.estoi(*mono),
        "a_weighted_snr_db": metrics.a_weighted_snr_db(own[0], own[1] - own[0], rate),
        "share_unmasked": metrics.share_above_threshold(own[0], own[1] - own[0], rate),
    }


def _without_offset(samples: Float[np.ndarray, "channels time"]) -> np.ndarray:
    """As the budget counts it: nobody hears an offset."""
    return samples - samples.mean(axis=1, keepdims=True)


@dataclass(frozen=True)
class Transcripts:
    """What a recogniser reads from each of :class:`Signals`."""

    texts: dict[str, str]
    language: str  # that of the noisy recording; "" when there is nothing to tell it from

    @property
    def words_lost(self) -> float:
        """WER in %, at most 100, of the enhanced protected recording against what is recognised
        in the enhanced original, both turned up to full scale. NaN with nothing to lose.
        """
        before = self.texts["enhanced_normalised"]
        after = self.texts["enhanced_protected_normalised"]
        return metrics.word_errors(before, after, self.language or "en").capped


def transcribe(
    signals: Signals,
    recogniser: Recogniser,
    language: str | None = None,
    known: Transcripts | None = None,
    *,
    raw: bool = True,
) -> Transcripts:
    """Recognise every signal in one language: by default that of the noisy one.

    ``known`` are those of the same two files, heard by another enhancer. Without ``raw``, what
    comes out of the enhancer is recognised at full scale only.
    """
    if known:
        language = known.language
    elif language is None:
        language = recogniser.transcribe(_listened(signals.noisy)).language
    texts = {
        name: known.texts[name]
        if known and name in FILES
        else recogniser.transcribe(_listened(signal), language=language or None).text
        for name, signal in vars(signals).items()
        if isinstance(signal, Recording) and (raw or name not in AS_IT_COMES)
    }
    return Transcripts(texts, language)


def _listened(recording: Recording) -> Float[np.ndarray, " time"]:
    return downmixed(recording, LISTENING_RATE)
