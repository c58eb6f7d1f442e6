"""Some of the protected recordings, to listen to in all their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unhear.audio import downmixed
from unhear.evaluation.estimates import NORMALISED, wer
from unhear.evaluation.plan import Listener
from unhear.evaluation.views import heard_as_attacked, is_control, reader
from unhear.evaluation.work import listen
from unhear.report.differences import Transcripts
from unhear.report.panels import Panel
from unhear.report.run_page import Exhibit
from unhear.report.sounds import amplified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unhear.evaluation.judge import Signals
    from unhear.evaluation.rows import Row
    from unhear.evaluation.work import Task

MOST = 3  # keeps the page below 10 MB
READ = {
    "noisy": "recording",
    "protected": "protected recording",
    "enhanced_normalised": "enhanced",
    "enhanced_protected_normalised": "enhanced protected",
}


def exhibits(tasks: Sequence[Task], rows: Sequence[Row]) -> list[Exhibit]:
    """One recording for each of the first ways of protecting: that with the median WER."""
    attacked = [row for row in heard_as_attacked(rows) if not is_control(row)]
    if not attacked:
        return []
    read_by = attacked[0]["about"]["recogniser"]  # of several, the first
    attacked = [row for row in attacked if row["about"]["recogniser"] == read_by]
    ways: dict[tuple[str, str], list[Row]] = {}
    for row in attacked:
        ways.setdefault((row["about"]["against"], row["protection"]), []).append(row)
    own = [task for task in tasks if task.recogniser.identity == read_by]
    by_file = {task.protected: task for task in own}
    chosen = [_median(own) for own in _spread(list(ways.values()))]
    shown = [(by_file[row["protected"]], row) for row in chosen]
    # Whoever has deleted protected recordings still gets the page of their figures.
    return [_exhibit(task, row) for task, row in shown if task.output.exists()]


def _spread(groups: list[list[Row]]) -> list[list[Row]]:
    """At most so many, from the first to the last."""
    places = np.linspace(0, len(groups) - 1, min(MOST, len(groups))).round().astype(int)
    return [groups[place] for place in places]


def _median(rows: list[Row]) -> Row:
    """The recording in the middle: neither the best nor the worst is what to expect."""
    ordered = sorted(rows, key=lambda row: (wer([row], NORMALISED).value, row["protected"]))
    return ordered[(len(ordered) - 1) // 2]


def _exhibit(task: Task, row: Row) -> Exhibit:
    signals = listen(task, Listener(row["about"]["heard_by"]))
    summary = (
        f"Protected against {task.protection.attacked} by {task.protection.title}; of those "
        f"protected so, it has the median word error rate, as {reader(row)} reads it."
    )
    reference = row["to_be_said"] or row["said"]
    title = "what was to be heard" if row["to_be_said"] else "what was said"
    heard = [(READ[name], row["heard"][name]) for name in READ]
    return Exhibit(
        task.mixture.name, summary, _panels(signals), Transcripts(title, reference, heard)
    )


def _panels(signals: Signals) -> list[Panel]:
    noisy = signals.noisy
    louder, by_db = amplified(signals.protected.samples[0] - noisy.samples[0], noisy.samples[0])
    shown = [
        ("Recording", "as it came", signals.noisy),
        ("Protected recording", "as written", signals.protected),
        (
            "What was added",
            f"amplified by {by_db} dB",
            noisy.with_samples(louder[None]),
        ),
        ("Enhanced", "what the enhancer makes of the recording", signals.enhanced_normalised),
        (
            "Enhanced protected",
            "what it makes of the protected one, peak-normalised",
            signals.enhanced_protected_normalised,
        ),
    ]
    return [
        Panel(title, caption, downmixed(sound, sound.sample_rate), sound.sample_rate, None)
        for title, caption, sound in shown
    ]
