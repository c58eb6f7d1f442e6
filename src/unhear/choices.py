"""What a user may choose for a protection, as flags, and the protector that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from unhear import __version__
from unhear.attacks import ATTACKS, make_attack, require_budget
from unhear.budgets import BUDGETS, Budget, SignalToNoise, Unbounded
from unhear.enhancers import (
    ALL,
    DEFAULT,
    expanded,
    find,
    is_external,
    load_enhancer,
    own_file,
    refuse_both,
    require_gradients,
)
from unhear.enhancers.external import FORMS
from unhear.errors import InputError
from unhear.generators import require_generators
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
        help="The enhancer's weights: a file, a folder, or ORGANISATION/MODEL in the local hub "
        "cache [its own]",
    ),
]
Rate = Annotated[
    int | None,
    Parameter(help="sample rate in Hz of an enhancer of your own [16000]"),
]

Device = Annotated[
    str,
    Parameter(help="where networks run: cpu, cuda, cuda:1; auto: on a GPU, if there is one"),
]


@Parameter(name="*", group=GROUP)
@dataclass(frozen=True)
class Choice:
    """Enhancer, attack, target and budget, as the command line takes them."""

    against: Annotated[
        list[str],
        Parameter(
            help=f"enhancer to defeat, by name, or your own: {FORMS}; repeat it for several "
            f"at once; {ALL}: each of Unhear's that can be [{DEFAULT}]",
            show_default=False,
        ),
    ] = field(default_factory=lambda: [DEFAULT])
    spare: Annotated[
        list[str],
        Parameter(help="enhancer that should still work, as --against", show_default=False),
    ] = field(default_factory=list[str])
    survive: Annotated[
        list[str],
        Parameter(
            help="what may happen to the file on its way, such as opus-24k; see "
            "`unhear channels`",
            show_default=False,
        ),
    ] = field(default_factory=list[str])
    against_rate: Rate = None
    weights: Weights = None
    attack: Annotated[
        str, Parameter(help=f"one of {', '.join(ATTACKS)}; see `unhear attacks`")
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
    masked: Annotated[
        float | None,
        Parameter(
            help="instead: this many dB below the recording's own masking threshold, in 95 % "
            "of the spectrum"
        ),
    ] = None
    a_weighted: Annotated[
        float | None, Parameter(help="instead: least SNR as the ear weighs it (A), in dB")
    ] = None
    unbounded: Annotated[
        bool, Parameter(help="instead: no limit, for opt as in the paper", negative=())
    ] = False
    seed: Annotated[
        int, Parameter(help="of everything random", validator=Number(gte=0, lt=2**63))
    ] = 0
    device: Device = "cpu"
    settings: AttackSettings | None = None  # pyright: ignore[reportInvalidTypeForm]

    def make_budget(self) -> Budget:
        """The one budget that was chosen; raises InputError when it is more than one."""
        numbers = {name: getattr(self, name) for name in BUDGETS}
        found: list[Budget] = [
            BUDGETS[name](value) for name, value in numbers.items() if value is not None
        ]
        found += [Unbounded()] if self.unbounded else []
        if len(found) > 1:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in BUDGETS)
            raise InputError(f"{flags} and --unbounded exclude each other: give one of them")
        return found[0] if found else SignalToNoise(DEFAULT_SNR_DB)

    def make_attack(self) -> Attack:
        """The attack with the settings that were given."""
        return make_attack(self.attack, given(self.settings), self.seed)

    def make_target(self) -> Target:
        """The target; reads the utterance where there is one."""
        from unhear.audio import read
        from unhear.targets import Target

        return Target(
            self.target, None if self.speech is None else read(self.speech), self.seed
        )

    def make_protector(self) -> Protector:
        """Everything put together; cheap checks come before the enhancers are loaded."""
        from unhear.channels import find_channel
        from unhear.protect import Protector

        attack, budget, against = self.make_attack(), self.make_budget(), self._against()
        require_budget(attack, budget)
        require_generators(attack, against)
        if attack.name == "generator" and (
            self.target != "erase" or self.spare or self.survive
        ):
            raise InputError(
                "generator has learnt to erase and nothing else: leave --target, --spare and "
                "--survive out, or take another attack"
            )
        if (self.target == "speech") != (self.speech is not None):
            raise InputError("--target speech and --speech FILE belong together: give both")
        survive = tuple(find_channel(name) for name in dict.fromkeys(self.survive))
        takes_gradients = attack.evaluations > 0  # white noise takes none
        for name in (*against, *self.spare):
            if takes_gradients and not is_external(name):
                require_gradients(find(name).card)
        device = self.device
        enhancers = [
            load_enhancer(each, self.weights, self.against_rate, device) for each in against
        ]
        friends = [load_enhancer(each, device=device) for each in dict.fromkeys(self.spare)]
        for each in (*enhancers, *friends):
            if takes_gradients:
                require_gradients(each.card)
        return Protector(
            tuple(enhancers), self.make_target(), attack, budget, tuple(friends), survive
        )

    def _against(self) -> list[str]:
        """Those to defeat, each once; raises InputError for what does not go together."""
        found = expanded(self.against, self.spare)
        if len(found) > 1 and (self.weights or self.against_rate):
            raise InputError(
                "--weights and --against-rate belong to one enhancer: give --against once"
            )
        refuse_both(found, self.spare)
        return found

    def described(self) -> dict[str, Any]:
        """All that is needed to repeat the protection."""
        rate = {} if self.against_rate is None else {"against_rate": self.against_rate}
        names = [*self._against(), *dict.fromkeys(self.spare)]
        return {
            "against": self._against(),
            **rate,
            "spare": list(dict.fromkeys(self.spare)),
            "survive": list(dict.fromkeys(self.survive)),
            "weights": {name: self._weights_of(name) for name in names},
            "attack": described(self.make_attack()),
            "target": self.target,
            "speech": None if self.speech is None else str(self.speech),
            "budget": str(self.make_budget()),
            "seed": self.seed,
            **({} if self.device == "cpu" else {"device": self.device}),
            "unhear": __version__,
        }

    def files(self) -> list[Path]:
        """Those that have to be read besides the recordings."""
        weights = Path(self.weights).expanduser() if self.weights else None
        external = filter(is_external, (*self.against, *self.spare))
        named = (*map(own_file, external), weights, self.speech)
        return [each for each in named if each is not None and each.is_file()]

    def _weights_of(self, name: str) -> str:
        if self.weights and name in self.against:
            return self.weights
        return "its own" if is_external(name) else find(name).card.weights
