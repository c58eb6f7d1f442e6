"""What a user may choose for an evaluation, as flags, and the plan that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from unhear.attacks import ATTACKS
from unhear.budgets import BUDGETS, Budget, SignalToNoise, Unbounded
from unhear.choices import DEFAULT_SNR_DB
from unhear.enhancers import ALL, DEFAULT, expanded
from unhear.errors import InputError
from unhear.settings import AttackSettings, given

if TYPE_CHECKING:
    from unhear.evaluation.plan import Plan

GRID = Group("Protections (every combination; repeat a flag for more)", sort_key=1)
HEARD = Group("Listening", sort_key=2)
CLIPS = Group("Recordings", sort_key=3)


@Parameter(name="*", group=GRID, show_default=False)
@dataclass(frozen=True)
class PlanChoice:
    """A grid of protections, or the YAML file of one, and the recordings to try it on."""

    plan: Annotated[
        Path | None, Parameter(help="YAML file of the whole grid, instead of the flags below")
    ] = None
    against: Annotated[
        list[str],
        Parameter(help=f"enhancer to defeat; {ALL}: each that can be [{DEFAULT}]"),
    ] = field(default_factory=lambda: [DEFAULT])
    heard_by: Annotated[
        list[str],
        Parameter(
            group=HEARD, help="enhancer that also gets the protected recordings; all: every one"
        ),
    ] = field(default_factory=list[str])
    together: Annotated[bool, Parameter(help="defeat all of them at once", negative=())] = False
    spare: Annotated[list[str], Parameter(help="enhancer that should still work")] = field(
        default_factory=list[str]
    )
    survive: Annotated[
        list[str],
        Parameter(help="what every protection prepares for, as in `unhear protect`"),
    ] = field(default_factory=list[str])
    through: Annotated[
        list[str],
        Parameter(group=HEARD, help="what also happens to recordings before they are enhanced"),
    ] = field(default_factory=list[str])
    attack: Annotated[
        list[str],
        Parameter(help=f"{', '.join(ATTACKS)}, the control [pgd]"),
    ] = field(default_factory=lambda: ["pgd"])
    target: Annotated[list[str], Parameter(help="erase, silence, noise or speech [erase]")] = (
        field(default_factory=lambda: ["erase"])
    )
    snr: Annotated[
        list[float],
        Parameter(help=f"least SNR of recording to perturbation, in dB [{DEFAULT_SNR_DB:.0f}]"),
    ] = field(default_factory=list[float])
    eps: Annotated[
        list[float], Parameter(help="instead: largest change of any sample (full scale is 1)")
    ] = field(default_factory=list[float])
    masked: Annotated[
        list[float], Parameter(help="instead: dB below the recording's masking threshold")
    ] = field(default_factory=list[float])
    a_weighted: Annotated[
        list[float], Parameter(help="instead: least A-weighted SNR, in dB")
    ] = field(default_factory=list[float])
    unbounded: Annotated[
        bool, Parameter(help="instead: no limit, for opt as in the paper", negative=())
    ] = False
    mix: Annotated[
        list[float],
        Parameter(group=CLIPS, help="SNR of speech to noise, in dB [-8 -4 0 4 8]"),
    ] = field(default_factory=list[float])
    as_recorded: Annotated[
        bool,
        Parameter(group=CLIPS, negative=(), help="the dataset's own noisy recordings instead"),
    ] = False
    scene: Annotated[
        list[str],
        Parameter(group=CLIPS, help="noise scene [the five of the paper, or all]"),
    ] = field(default_factory=list[str])
    every_noise: Annotated[
        bool, Parameter(group=CLIPS, negative=(), help="each clip in every scene, not in one")
    ] = False
    limit: Annotated[
        int | None,
        Parameter(group=CLIPS, help="clips at each SNR [all]", validator=Number(gte=1)),
    ] = None
    longest: Annotated[
        float,
        Parameter(group=CLIPS, help="leave longer clips out, in s", validator=Number(gt=0)),
    ] = float("inf")
    loudness: Annotated[
        bool, Parameter(group=HEARD, help="also recognise the output at -23 LUFS", negative=())
    ] = False
    raw: Annotated[
        bool,
        Parameter(
            name="--raw",
            group=HEARD,
            negative="--no-raw",
            help="also recognise the output as it comes, not only at full scale [on]",
        ),
    ] = True
    seed: Annotated[
        int, Parameter(help="of everything random [0]", validator=Number(gte=0, lt=2**31))
    ] = 0
    settings: AttackSettings | None = None  # pyright: ignore[reportInvalidTypeForm]

    def make_plan(self, language: str | None) -> Plan:
        """The plan of the file, or of the flags; ``limit`` and the language go for both.

        Raises InputError for what is unknown or does not go together.
        """
        from unhear.evaluation.plan import changed
        from unhear.evaluation.plan_file import read_plan

        if self.plan and replace(self, plan=None, limit=None) != PlanChoice():
            raise InputError(
                "--plan says it all: of what says how recordings are protected and heard, only "
                "--limit can be given besides it"
            )
        plan = read_plan(self.plan) if self.plan else self._of_flags()
        return changed(plan, clips=self.limit, language=language)

    def _of_flags(self) -> Plan:
        from unhear.evaluation.plan import SNRS_DB, Plan, protections

        if self.as_recorded and (self.mix or self.scene or self.every_noise):
            raise InputError(
                "--as-recorded takes no noise: leave --mix, --scene and --every-noise out"
            )
        names = expanded(self.against, self.spare)
        ways = protections(
            [tuple(names)] if self.together else [(name,) for name in names],
            self.attack,
            self.target,
            self._budgets(),
            given(self.settings),
            seed=self.seed,
            spare=tuple(dict.fromkeys(self.spare)),
            survive=tuple(dict.fromkeys(self.survive)),
        )
        return Plan(
            ways,
            heard_by=tuple(self.heard_by),
            through=tuple(self.through),
            snrs_db=() if self.as_recorded else tuple(self.mix) or SNRS_DB,
            clips=None,
            longest=self.longest,
            scenes=tuple(self.scene),
            every_noise=self.every_noise,
            seed=self.seed,
            loudness=self.loudness,
            raw=self.raw,
        )

    def _budgets(self) -> list[Budget]:
        found: list[Budget] = [
            kind(value) for name, kind in BUDGETS.items() for value in getattr(self, name)
        ]
        found += [Unbounded()] if self.unbounded else []
        return found or [SignalToNoise(DEFAULT_SNR_DB)]
