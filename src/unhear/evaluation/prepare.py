"""Plans and data → tasks; whatever can go wrong with them goes wrong here, before the work."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import soundfile

from unhear import dnsmos
from unhear.datasets import as_recorded, manifest, mixtures, read_noises, read_speech
from unhear.enhancers import find, is_external, load_enhancer, registry, require_gradients
from unhear.errors import InputError, UnhearError
from unhear.evaluation.rows import identity
from unhear.evaluation.work import Listening, Task
from unhear.recognise import load_recogniser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from unhear.datasets import Mixture, Utterance
    from unhear.enhancers.base import Card
    from unhear.evaluation.plan import Plan

ALL = "all"  # listeners: every enhancer that can be had here


def prepare(
    plan: Plan, data: Path, noise: Path | None, folder: Path, left_out: Callable[[str], None]
) -> list[Task]:
    """Everything that the plan wants done, whether or not it was done before.

    ``noise`` is where the noises are, when they are not with the speech. Fetches all weights,
    once, before workers need them; ``left_out`` is told of what the plan can do without.
    Raises InputError or FailureError for data that cannot be used and what cannot be had.
    """
    speech = read_speech(data)
    found = _mixtures(plan, speech, data, noise)
    ready = _with_listeners(plan, left_out)
    load_recogniser(plan.recogniser, plan.language).load()
    listening = Listening(
        folder, plan.recogniser, plan.language, plan.seed, dnsmos=_has_dnsmos(left_out)
    )
    return [
        Task(
            mixture, way, _spoken(mixture, way.target, speech), ready.listeners(way), listening
        )
        for mixture in found
        for way in ready.protections
    ]


def united(plans: Iterable[Iterable[Task]]) -> list[Task]:
    """The tasks of several plans as one list, each protection once, with all its listeners."""
    together: dict[str, Task] = {}
    for task in (each for tasks in plans for each in tasks):
        name = identity(task.about_protection())
        before = together[name].listeners if name in together else ()
        listeners = tuple(dict.fromkeys([*before, *task.listeners]))
        together[name] = replace(task, listeners=listeners)
    return list(together.values())


# Recordings


def _mixtures(
    plan: Plan, speech: list[Utterance], data: Path, noise: Path | None
) -> list[Mixture]:
    if not plan.snrs_db:
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


def _spoken(mixture: Mixture, target: str, speech: list[Utterance]) -> Utterance | None:
    """Another speaker's utterance of nearly the same length, so that it fits."""
    if target != "speech":
        return None
    own = mixture.utterance
    others = [each for each in speech if each.speaker != own.speaker]
    others = others or [each for each in speech if each.name != own.name]
    if not others:
        raise InputError("a target of speech needs another utterance: give two or more")
    seconds = _seconds(own)
    return min(others, key=lambda other: (abs(_seconds(other) - seconds), other.name))


@cache
def _seconds(utterance: Utterance) -> float:
    return soundfile.info(utterance.path).duration


# What is needed


def _with_listeners(plan: Plan, left_out: Callable[[str], None]) -> Plan:
    """The plan with `all` replaced by those that can be had."""
    for name in dict.fromkeys(way.against for way in plan.protections):
        if not is_external(name):
            require_gradients(find(name).card)
        require_gradients(_card(name))
    named = [name for name in plan.heard_by if name != ALL]
    for name in named:
        _card(name)
    if ALL not in plan.heard_by:
        return plan
    return replace(plan, heard_by=(*named, *_to_be_had(registry(), left_out)))


def _to_be_had(names: Iterable[str], left_out: Callable[[str], None]) -> list[str]:
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
