"""Results as people and programs read them: a table, a JSON row, a page."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from unhear.audio import downmixed
from unhear.report.page import Page, Panel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unhear.audio import Recording
    from unhear.files import Result

FIGURES = {
    "snr_db": ("perturbation SNR", "{:.2f} dB", "recording to what was added"),
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
    for name, text in _texts(result).items():
        read = escape(f"“{text}”") if text else "[dim](nothing recognised)[/dim]"
        shown.add_row(HEARD[name], read)
    for note in result.notes:
        shown.add_row("note", note)
    return shown


def figure_rows(result: Result) -> list[tuple[str, str, str]]:
    """(label, value, explanation) of each figure; a dash where it is undefined."""
    values = _values(result)
    return [
        (label, "–" if math.isnan(values[name]) else form.format(values[name]), explanation)
        for name, (label, form, explanation) in FIGURES.items()
        if name in values
    ]


def _values(result: Result) -> dict[str, float]:
    """The figures, and the words lost where there are transcripts."""
    lost = {"words_lost": result.transcripts.words_lost} if result.transcripts else {}
    return asdict(result.figures) | lost


def _texts(result: Result) -> dict[str, str]:
    return result.transcripts.texts if result.transcripts else {}


def row(result: Result, settings: dict[str, Any]) -> dict[str, Any]:
    """One JSON object; what is undefined or infinite is null."""
    figures, noisy = _values(result), result.signals.noisy
    return {
        "source": str(result.source),
        "output": str(result.output),
        "sample_rate": noisy.sample_rate,
        "channels": len(noisy.samples),
        "seconds": round(noisy.seconds, 4),
        "attack_seconds": round(result.attack_seconds, 3),
        "settings": settings,
        "figures": {name: v if math.isfinite(v) else None for name, v in figures.items()},
        "transcripts": _texts(result) or None,
        "notes": result.notes,
    }


def page(result: Result, settings: dict[str, Any]) -> Page:
    """The four signals of the paper's Figure 2, to see and to hear."""
    texts, signals = _texts(result), result.signals
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
    return Page(title, _summary(result), panels, figure_rows(result), flat)


def _panel(name: str, recording: Recording, caption: str, texts: dict[str, str]) -> Panel:
    mono = downmixed(recording, recording.sample_rate)
    title = HEARD[name].capitalize()
    return Panel(title, caption, mono, recording.sample_rate, texts.get(name))


def _summary(result: Result) -> str:
    figures = result.figures
    if not (math.isfinite(figures.snr_db) and math.isfinite(figures.level_change_db)):
        return "; ".join(result.notes).capitalize() + "."
    changes = [f"the level of the enhancer's output by {figures.level_change_db:+.1f} dB"]
    if result.transcripts and not math.isnan(result.transcripts.words_lost):
        changes.append(f"{result.transcripts.words_lost:.0f} % of the words recognised in it")
    return (
        f"A perturbation {figures.snr_db:.1f} dB below the recording changes "
        f"{' and '.join(changes)}."
    )


def _flattened(settings: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from ((f"{key} {name}", inner) for name, inner in value.items())
        else:
            yield key, value
