"""What a user may choose for a protection, as flags, and the protector that comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from unhear import __version__
from unhear.attacks import make_attack
from unhear.budgets import Budget, MaxAmplitude, SignalToNoise, Unbounded
from unhear.enhancers import (
    DEFAULT,
    find,
    is_external,
    load_enhancer,
    require_gradients,
)
from unhear.enhancers.external import FORMS
from unhear.errors import InputError
from unhear.settings import AttackSettings, described, given

if TYPE_CHECKING:
    from unhear.attacks import Attack
    from unhear.protect import Protector
    from unhear.targets import Target

DEFAULT_SNR_DB = 25.0
GROUP = Group("Attack", sort_key=1)

Weights = Annotated[
    str | None,
    Parameter(
        group=GROUP,
        help="The enhancer's weights: a file, a folder, or ORGANISATION/MODEL in the local hub "
        "cache [its own]",
    ),
]
Rate = Annotated[
    int | None,
    Parameter(group=GROUP, help="sample rate in Hz of an enhancer of your own [16000]"),
]


@Parameter(name="*", group=GROUP)
@dataclass(frozen=True)
class Choice:
    """Enhancer, attack, target and budget, as the command line takes them."""

    against: Annotated[
        str, Parameter(help=f"the enhancer to defeat, by name, or your own: {FORMS}")
    ] = DEFAULT
    against_rate: Rate = None
    weights: Weights = None
    attack: Annotated[
        str, Parameter(help="fgsm, pgd, opt or white-noise; see `unhear attacks`")
    ] = "pgd"
    target: Annotated[
        Literal["erase", "silence", "noise", "speech"],
        Parameter(help="what the enhancer should put out"),
    ] = "erase"
    speech: Annotated[Path | None, Parameter(help="the utterance for --target speech")] = None
    snr: Annotated[
        float | None,
        Parameter(help=f"least SNR of recording to perturbation, in dB [{DEFAULT_SNR_DB:.0f}]"),
    ] = None
    eps: Annotated[
        float | None, Parameter(help="instead: largest change of any sample (full scale is 1)")
    ] = None
    unbounded: Annotated[
        bool, Parameter(help="instead: no limit, for opt as in the paper", negative=())
    ] = False
    seed: Annotated[
        int, Parameter(help="of everything random", validator=Number(gte=0, lt=2**63))
    ] = 0
    settings: AttackSettings | None = None  # pyright: ignore[reportInvalidTypeForm]

    def make_budget(self) -> Budget:
        """The one budget that was chosen; raises InputError when it is more than one."""
        if (self.snr is not None) + (self.eps is not None) + self.unbounded > 1:
            raise InputError(
                "--snr, --eps and --unbounded exclude each other: give one of them"
            )
        if self.unbounded:
            return Unbounded()
        if self.eps is not None:
            return MaxAmplitude(self.eps)
        return SignalToNoise(DEFAULT_SNR_DB if self.snr is None else self.snr)

    def make_attack(self) -> Attack:
        """The attack with the settings that were given."""
        attack = make_attack(self.attack, given(self.settings), self.seed)
        if self.unbounded and self.attack != "opt":
            raise InputError(f"{self.attack} needs a budget: give --snr or --eps, or use opt")
        return attack

    def make_target(self, enhancer_rate: int) -> Target:
        """The target; reads the utterance where there is one."""
        from unhear.targets import Target

        spoken = None if self.speech is None else _mono(self.speech, enhancer_rate)
        return Target(self.target, spoken, self.seed)

    def make_protector(self) -> Protector:
        """Everything put together; cheap checks come before the enhancer is loaded."""
        from unhear.protect import Protector

        attack, budget = self.make_attack(), self.make_budget()
        if (self.target == "speech") != (self.speech is not None):
            raise InputError("--target speech and --speech FILE belong together: give both")
        if not is_external(self.against):
            require_gradients(find(self.against).card)
        enhancer = load_enhancer(self.against, self.weights, self.against_rate)
        require_gradients(enhancer.card)
        return Protector(enhancer, self.make_target(enhancer.card.sample_rate), attack, budget)

    def described(self) -> dict[str, Any]:
        """All that is needed to repeat the protection."""
        rate = {} if self.against_rate is None else {"against_rate": self.against_rate}
        return {
            "against": self.against,
            **rate,
            "weights": self.weights or self._own_weights(),
            "attack": described(self.make_attack()),
            "target": self.target,
            "speech": None if self.speech is None else str(self.speech),
            "budget": str(self.make_budget()),
            "seed": self.seed,
            "unhear": __version__,
        }

    def _own_weights(self) -> str:
        return "its own" if is_external(self.against) else find(self.against).card.weights


def _mono(path: Path, rate: int) -> Any:
    import torch

    from unhear.audio import downmixed, read

    return torch.from_numpy(downmixed(read(path), rate)).float()
