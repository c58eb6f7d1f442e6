"""The paper's figures and tables, and ours: each a plan in YAML, and how its rows are shown.

Dong, Yan, Wang, "Adversarial Privacy Protection on Speech Enhancement", arXiv 2206.08170. What
the paper gives is under ``paper`` in the YAML files: only what is certain stands there.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unhear.naming import unknown

if TYPE_CHECKING:
    from unhear.evaluation.findings import Findings
    from unhear.evaluation.plan import Plan
    from unhear.evaluation.rows import Row

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Experiment:
    """One figure or table."""

    name: str  # also of the module that shows it
    plan_file: str

    @property
    def path(self) -> Path:
        """The YAML file of its runs."""
        return FOLDER / self.plan_file

    def plan(self, *, quick: bool) -> Plan:
        """What has to be run, in minutes or in hours."""
        from unhear.evaluation.plan_file import read_plan

        return read_plan(self.path, quick=quick)

    def show(self, rows: list[Row]) -> Findings:
        """What the rows say, beside what the paper says."""
        from unhear.evaluation.plan_file import read_document

        paper: dict[str, Any] = read_document(self.path).get("paper") or {}
        return import_module(f"{__name__}.{self.name}").show(rows, paper)


PAPERS = (
    Experiment("fig3", "fig3.yaml"),
    Experiment("fig4", "fig3.yaml"),  # other figures of the same runs
    Experiment("table1", "table1.yaml"),
    Experiment("table2", "table2.yaml"),
)
OURS = (
    Experiment("erase", "erase.yaml"),
    Experiment("survive", "survive.yaml"),
    Experiment("friends", "friends.yaml"),
)
EXPERIMENTS = {each.name: each for each in (*PAPERS, *OURS)}
ALL = "all"  # of the paper's


def chosen(name: str) -> list[Experiment]:
    """The experiment of that name, or all of the paper's; raises InputError for no name."""
    if name == ALL:
        return list(PAPERS)
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, [*EXPERIMENTS, ALL])
    return [EXPERIMENTS[name]]
