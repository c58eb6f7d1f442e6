"""Plans and data → tasks; whatever can go wrong with them goes wrong here, before the work."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from unhear import dnsmos
from unhear.attacks import WhiteNoise
from unhear.channels import find_channel
from unhear.datasets import (
    as_recorded,
    manifest,
    mixtures,
    read_noises,
    read_speech,
    seconds_of,
)
from unhear.enhancers import ALL, find, is_external, load_enhancer, registry, require_gradients
from unhear.errors import InputError, UnhearError
from unhear.evaluation.work import Listening, Task
from unhear.recognise import load_recogniser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from unhear.datasets import Mixture, Utterance
    from unhear.enhancers.base import Card
    from unhear.evaluation.plan import Listener, Plan


def prepare(
    plan: Plan,
    data: Path,
    noise: Path | None,
    folder: Path,
    left_out: Callable[[str], None],
    *,
    device: str = "cpu",
) -> list[Task]:
    """Everything that the plan wants done, whether or not it was done before.

    ``noise`` is where the noises are, when they are not with the speech. Fetches all weights,
    once, before workers need them; ``left_out`` is told of what the plan can do without.
    Raises InputError or FailureError for data that cannot be used and what cannot be had.
    """
    speech = read_speech(data)
    found = _mixtures(plan, speech, data, noise)
    for path in dict.fromkeys(path for mixture in found for path in _files(mixture)):
        seconds_of(path)  # what cannot be read is better known now than in hours
    for name in {*plan.through, *(each for way in plan.protections for each in way.survive)}:
        find_channel(name)
    ready = _with_listeners(plan, left_out)
    load_recogniser(plan.recogniser, plan.language).load()
    listening = Listening(
        folder,
        plan.recogniser,
        plan.language,
        plan.seed,
        dnsmos=plan.dnsmos and _has_dnsmos(left_out),
        loudness=plan.loudness,
        raw=plan.raw,
        device=device,
    )
    brief = replace(listening, loudness=False, raw=False) if plan.brief_controls else listening
    spoken = _spoken(plan, [mixture.utterance for mixture in found], speech)
    return [
        Task(
            mixture,
            way,
            spoken[mixture.utterance] if way.target == "speech" else None,
            ready.listeners(way),
            brief if isinstance(way.attack, WhiteNoise) else listening,
        )
        for mixture in found
        for way in ready.protections
    ]


def united(plans: Iterable[Iterable[Task]]) -> list[Task]:
    """The tasks of several plans as one list, each protection once, with all its listeners."""
    together: dict[Task, list[Listener]] = {}
    for task in (each for tasks in plans for each in tasks):
        together.setdefault(replace(task, listeners=()), []).extend(task.listeners)
    return [
        replace(task, listeners=tuple(dict.fromkeys(listeners)))
        for task, listeners in together.items()
    ]


# Recordings


def _mixtures(
    plan: Plan, speech: list[Utterance], data: Path, noise: Path | None
) -> list[Mixture]:
    if not plan.snrs_db:
        if noise or plan.scenes or plan.every_noise:
            raise InputError("recordings taken as they are get no noise: name none")
        if manifest.matches(data):  # or clean recordings would be taken for noisy ones
            manifest.require_pairs(data, speech)
        return as_recorded(speech, clips=plan.clips, longest=plan.longest)
    if noise is None and not manifest.matches(data):
        raise InputError(
            f"{data} holds speech alone: name a folder of noises with --noise, or take the "
            "recordings as they are with --as-recorded"
        )
    return mixtures(
        speech,
        read_noises(noise or data, scenes=plan.scenes),
        plan.snrs_db,
        clips=plan.clips,
        seed=plan.seed,
        longest=plan.longest,
        every_noise=plan.every_noise,
    )


def _files(mixture: Mixture) -> Iterator[Path]:
    yield mixture.utterance.path
    if mixture.noise:
        yield mixture.noise.path
    if mixture.utterance.noisy:
        yield mixture.utterance.noisy


def _spoken(
    plan: Plan, utterances: Iterable[Utterance], speech: list[Utterance]
) -> dict[Utterance, Utterance]:
    """For each utterance another speaker's other sentence of nearly the same length: it fits.

    Raises InputError when there is none.
    """
    if all(way.target != "speech" for way in plan.protections):
        return {}
    lengths = {each: seconds_of(each.path) for each in speech}
    return {
        own: min(
            _others(own, speech),
            key=lambda other: (abs(lengths[other] - lengths[own]), other.name),
        )
        for own in dict.fromkeys(utterances)
    }


def _others(own: Utterance, speech: list[Utterance]) -> list[Utterance]:
    """What other speakers say, or, where speakers are unknown, other sentences."""
    found = [
        each
        for each in speech
        if (each.speaker != own.speaker or not own.speaker)
        and each.transcript.casefold() != own.transcript.casefold()
    ]
    if not found:
        raise InputError(
            f"there is nothing to be heard instead of {own.name}: a target of speech takes "
            "another speaker's utterance, so give some of a second speaker"
        )
    return found


# What is needed


def _with_listeners(plan: Plan, left_out: Callable[[str], None]) -> Plan:
    """The plan with `all` replaced by those that can be had."""
    involved = dict.fromkeys(
        name for way in plan.protections for name in (*way.against, *way.spare)
    )
    for name in involved:
        # A card of the registry is there before any weights are fetched.
        card = _card(name) if is_external(name) else find(name).card
        _require_gradients(plan, name, card)
    named = [name for name in plan.heard_by if name != ALL]
    for name in (*involved, *named):
        _card(name)
    if ALL not in plan.heard_by:
        return plan
    return replace(plan, heard_by=(*named, *to_be_had(registry(), left_out)))


def _require_gradients(plan: Plan, name: str, card: Card) -> None:
    """Unless no attack takes any, as white noise does not."""
    ways = [way for way in plan.protections if name in (*way.against, *way.spare)]
    if any(way.attack.evaluations > 0 for way in ways):
        require_gradients(card)


def to_be_had(names: Iterable[str], left_out: Callable[[str], None]) -> list[str]:
    """The enhancers that can be loaded here; ``left_out`` is told why the others cannot."""
    found: list[str] = []
    for name in names:
        try:
            found.append(_card(name).name)
        except UnhearError as error:
            left_out(str(error))
    return found


@cache
def _card(name: str) -> Card:
    """Of an enhancer that can be loaded, which fetches its weights."""
    return load_enhancer(name).card


def _has_dnsmos(left_out: Callable[[str], None]) -> bool:
    try:
        dnsmos.load()
    except UnhearError as error:
        left_out(str(error))
        return False
    return True
