"""Results as people and programs read them: a table, a JSON row, a page."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from unhear.audio import downmixed
from unhear.evaluation.rows import finite
from unhear.report.page import Page, Panel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unhear.audio import Recording
    from unhear.files import Hearing, Result

FIGURES = {
    "snr_db": ("perturbation SNR", "{:.2f} dB", "recording to what was added"),
    "share_unmasked": (
        "not masked",
        "{:.2f}",
        "share of it above the masking threshold, 0 to 1",
    ),
    "peak": ("perturbation peak", "{:.5f}", "largest added sample; full scale is 1"),
    "level_change_db": ("enhancer's output", "{:+.1f} dB", "change of its level"),
    "rpr": ("RPR", "{:.3f}", "log-norm ratio, output's change to perturbation"),
    "gain_db": ("gain", "{:+.1f} dB", "output's change to perturbation"),
    "pesq_wb": ("PESQ", "{:.2f}", "protected to original: 4.64 is identical"),
    "words_lost": ("words lost", "{:.0f} %", "of what was recognised after enhancing"),
    "stoi": ("STOI", "{:.3f}", "protected to original: 1 is identical"),
}
HEARD = {
    "noisy": "recording",
    "protected": "protected recording",
    "enhanced": "enhanced recording",
    "enhanced_normalised": "enhanced, peak-normalised",
    "enhanced_protected": "enhanced protected",
    "enhanced_protected_normalised": "enhanced protected, peak-normalised",
}


def table(result: Result) -> Table:
    """The small table that a protection ends with."""
    title = escape(f"{result.source} → {result.output}")
    shown = Table(title=title, title_justify="left", box=None)
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column()
    for label, value, explanation in figure_rows(result):
        shown.add_row(label, f"{value}  [dim]{explanation}[/dim]")
    for name, text in _texts(result.hearings[0]).items():
        read = escape(f"“{text}”") if text else "[dim](nothing recognised)[/dim]"
        shown.add_row(HEARD[name], read)
    for label, value, explanation in _outcomes(result):
        shown.add_row(escape(label), f"{value}  [dim]{explanation}[/dim]")
    for note in result.notes:
        shown.add_row("note", escape(note))
    return shown


def _heard_by(hearing: Hearing) -> str:
    """Who listens, and after what."""
    role = "spared " if hearing.spared else ""
    return f"{role}{hearing.enhancer}" + (f", {hearing.through}" if hearing.through else "")


def _outcomes(result: Result) -> list[tuple[str, str, str]]:
    """Of everyone who listens, where there is more than one."""
    return [_outcome(each) for each in result.hearings] if len(result.hearings) > 1 else []


def _outcome(hearing: Hearing) -> tuple[str, str, str]:
    """Who listens, the figure that matters there, and what it is, with the words lost."""
    values = _values(hearing)
    name, form, what = (
        ("si_sdr_db", "{:.1f} dB", "SI-SDR of its output to that on the original")
        if hearing.spared
        else ("level_change_db", "{:+.1f} dB", "change of its output's level")
    )
    lost = values.get("words_lost", math.nan)
    words = "" if math.isnan(lost) else f"; {lost:.0f} % of the words lost"
    return _heard_by(hearing), _shown(form, values[name]), what + words


def _shown(form: str, value: float) -> str:
    return "–" if math.isnan(value) else form.format(value)


def figure_rows(result: Result) -> list[tuple[str, str, str]]:
    """(label, value, explanation) of each figure, for the first enhancer; a dash where it is
    undefined.
    """
    values = _values(result.hearings[0])
    return [
        (label, _shown(form, values[name]), explanation)
        for name, (label, form, explanation) in FIGURES.items()
        if name in values
    ]


def _values(hearing: Hearing) -> dict[str, float]:
    """The figures, and the words lost where there are transcripts."""
    lost = {"words_lost": hearing.transcripts.words_lost} if hearing.transcripts else {}
    return asdict(hearing.figures) | lost


def _texts(hearing: Hearing) -> dict[str, str]:
    return hearing.transcripts.texts if hearing.transcripts else {}


def row(result: Result, settings: dict[str, Any]) -> dict[str, Any]:
    """One JSON object; what is undefined or infinite is null."""
    noisy = result.signals.noisy
    return {
        "source": str(result.source),
        "output": str(result.output),
        "sample_rate": noisy.sample_rate,
        "channels": len(noisy.samples),
        "seconds": round(result.seconds, 4),
        "attack_seconds": round(result.attack_seconds, 3),
        "settings": settings,
        **_measured(result.hearings[0]),
        "heard_by": [_heard(each) for each in result.hearings],
        "notes": result.notes,
    }


def _heard(hearing: Hearing) -> dict[str, Any]:
    who = {"enhancer": hearing.enhancer, "spared": hearing.spared, "through": hearing.through}
    return who | _measured(hearing)


def _measured(hearing: Hearing) -> dict[str, Any]:
    return {"figures": finite(_values(hearing)), "transcripts": _texts(hearing) or None}


def page(result: Result, settings: dict[str, Any]) -> Page:
    """The four signals of the paper's Figure 2, to see and to hear."""
    first = result.hearings[0]
    texts, signals = _texts(first), result.signals
    captions = {
        "noisy": "as it came",
        "protected": "as written: it should sound nearly the same",
        "enhanced": "what the enhancer makes of the recording",
        "enhanced_protected": "what it makes of the protected recording",
    }
    panels = [
        _panel(name, getattr(signals, name), caption, texts)
        for name, caption in captions.items()
    ]
    flat = [(key, str(value)) for key, value in _flattened(settings)]
    title = f"{result.source.name}, protected"
    said = " ".join([summary(result), *_sentences(result.notes)])
    return Page(title, said, panels, figure_rows(result) + _outcomes(result), flat)


def _panel(name: str, recording: Recording, caption: str, texts: dict[str, str]) -> Panel:
    mono = downmixed(recording, recording.sample_rate)
    title = HEARD[name].capitalize()
    return Panel(title, caption, mono, recording.sample_rate, texts.get(name))


def summary(result: Result) -> str:
    """One sentence on what the perturbation does."""
    first = result.hearings[0]
    figures = first.figures
    if not math.isfinite(figures.snr_db):
        return "Nothing was added."
    perturbation = f"A perturbation {figures.snr_db:.1f} dB below the recording"
    if math.isnan(figures.level_change_db):
        return f"{perturbation}: {first.enhancer} puts out silence, with it or without."
    if math.isinf(figures.level_change_db):
        made = "something" if figures.level_change_db > 0 else "nothing"
        return f"{perturbation} makes {made} of what {first.enhancer} puts out."
    changes = [f"the level of {first.enhancer}'s output by {figures.level_change_db:+.1f} dB"]
    if first.transcripts and not math.isnan(first.transcripts.words_lost):
        changes.append(f"{first.transcripts.words_lost:.0f} % of the words recognised in it")
    return f"{perturbation} changes {' and '.join(changes)}."


def _sentences(notes: list[str]) -> list[str]:
    return [f"{note[:1].upper()}{note[1:]}." for note in notes]


def _flattened(settings: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from ((f"{key} {name}", inner) for name, inner in value.items())
        elif isinstance(value, list):
            yield key, ", ".join(map(str, value)) or "none"
        else:
            yield key, value
