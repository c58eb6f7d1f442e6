"""How much was added, and how much of it the enhancer let through: norms and their ratios."""

from __future__ import annotations

from math import inf, log, log10, nan
from typing import TYPE_CHECKING

import numpy as np

from unhear.metrics.checks import same_length

if TYPE_CHECKING:
    from jaxtyping import Float

INT16 = 32_768  # 16-bit steps in an amplitude of 1
SEGMENTAL_LIMITS = (-10, 35)  # dB


def snr_db(
    signal: Float[np.ndarray, " time"], perturbation: Float[np.ndarray, " other"]
) -> float:
    """10·log10(‖signal‖² / ‖perturbation‖²) in dB, a ratio of energies.

    inf for a perturbation of zeros, -inf for a signal of zeros under any other perturbation.
    Raises InputError when the lengths differ.
    """
    signal, perturbation = same_length(signal, perturbation)
    if not perturbation.any():
        return inf
    return _decibels(_norm(signal), _norm(perturbation))


def segmental_snr_db(
    signal: Float[np.ndarray, " time"],
    perturbation: Float[np.ndarray, " other"],
    frame: int = 512,
) -> float:
    """Mean over frames of their :func:`snr_db`, each held to the range of -10 to 35 dB.

    The frames, of ``frame`` samples (by default 32 ms at 16 kHz), follow one another without
    overlap or window; a rest at the end is left out. Quackenbush, Barnwell and Clements,
    "Objective Measures of Speech Quality", 1988, with the limits of Papamichalis, "Practical
    Approaches to Speech Coding", 1987. Programs that window frames of 30 ms and let them
    overlap by three quarters give slightly other figures.

    NaN for less than one frame. Raises InputError when the lengths differ.
    """
    signal, perturbation = same_length(signal, perturbation)
    whole = signal.size // frame * frame
    if not whole:
        return nan
    frames = (audio[:whole].reshape(-1, frame) for audio in (signal, perturbation))
    ratios = [snr_db(*both) for both in zip(*frames, strict=True)]
    return float(np.mean(np.clip(ratios, *SEGMENTAL_LIMITS)))


def peak(perturbation: Float[np.ndarray, " ..."]) -> float:
    """L∞ norm, the largest absolute sample of all channels: full scale is 1, silence is 0."""
    return max(float(perturbation.max(initial=0)), -float(perturbation.min(initial=0)))


def rpr(
    perturbation: Float[np.ndarray, " time"], change: Float[np.ndarray, " changed"]
) -> float:
    """Ratio of the logarithms of norms, ln‖change‖₂ / ln‖perturbation‖₂, in 16-bit steps.

    ``change`` is the enhanced protected recording minus the enhanced original. No unit; about
    1 to 1.5, and more is better. It depends on the amplitude scale: this is the scale on which
    the paper's figures (arXiv 2206.08170, at most 1.4430) arise.
    NaN when either norm is 0 or that of the perturbation is 1.
    """
    return _log_ratio(INT16 * _norm(perturbation), INT16 * _norm(change))


def rpr_unit(
    perturbation: Float[np.ndarray, " time"], change: Float[np.ndarray, " changed"]
) -> float:
    """:func:`rpr` with amplitudes in [-1, 1]: any real number, singular at a norm of 1."""
    return _log_ratio(_norm(perturbation), _norm(change))


def gain_db(
    perturbation: Float[np.ndarray, " time"], change: Float[np.ndarray, " changed"]
) -> float:
    """20·log10(‖change‖₂ / ‖perturbation‖₂) in dB: how far the enhancer amplified it.

    -inf when nothing changed, inf when something did without a perturbation, NaN for neither.
    """
    return _decibels(_norm(change), _norm(perturbation))


def level_change_db(
    before: Float[np.ndarray, " time"], after: Float[np.ndarray, " later"]
) -> float:
    """20·log10(rms after / rms before) in dB.

    -inf when silence is left, inf from silence to sound, NaN from silence to silence.
    """
    return _decibels(_rms(after), _rms(before))


def si_sdr_db(
    reference: Float[np.ndarray, " time"], estimate: Float[np.ndarray, " other"]
) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, both signals made zero-mean.

    Le Roux et al., "SDR – Half-Baked or Well Done?", arXiv 1811.02508. inf for a scaled copy,
    -inf for an orthogonal estimate, NaN when either signal is constant.
    Raises InputError when the lengths differ.
    """
    reference, estimate = (_centred(audio) for audio in same_length(reference, estimate))
    if not reference.any() or not estimate.any():
        return nan
    target = reference * (np.dot(estimate, reference) / np.dot(reference, reference))
    return _decibels(_norm(target), _norm(estimate - target))


def _centred(audio: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Zero-mean; a constant becomes exactly zero."""
    shifted = audio - audio[:1]
    return shifted - shifted.mean() if shifted.size else shifted


def _norm(audio: Float[np.ndarray, " time"]) -> float:
    return float(np.linalg.norm(np.asarray(audio, np.float64)))


def _rms(audio: Float[np.ndarray, " time"]) -> float:
    return _norm(audio) / max(1, audio.size) ** 0.5


def _decibels(over: float, under: float) -> float:
    """20·log10(over / under), with the limits at zero."""
    if over == 0 or under == 0:
        return nan if over == under else (inf if under == 0 else -inf)
    return 20 * (log10(over) - log10(under))


def _log_ratio(under: float, over: float) -> float:
    if 0 in (under, over) or under == 1:
        return nan
    return log(over) / log(under)
