"""What the commands do, once their arguments are parsed."""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING, Any

from unhear.errors import InputError
from unhear.naming import unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def enhance_files(
    inputs: Sequence[Path],
    output: Path,
    name: str,
    weights: str | None,
    rate: int | None,
    *,
    device: str,
    raw: bool,
    force: bool,
    json: bool,
) -> None:
    """Enhance one file after the other."""
    from unhear import enhance
    from unhear.audio import read, write
    from unhear.enhancers import load_enhancer
    from unhear.places import check_all, output_paths

    outputs = output_paths(inputs, output)
    check_all(inputs, outputs, force=force, subtype="PCM_16")
    enhancer = load_enhancer(name, weights, rate, device)
    for source, target in zip(inputs, outputs, strict=True):
        enhancer.reseed(0)  # what it draws does not hang on the files before
        result = enhance.enhanced(read(source), enhancer)
        write(enhance.raw(result) if raw else enhance.peak_normalised(result), target)
        if not json:
            print(f"{source} → {target}")
    if json:
        pairs = zip(inputs, outputs, strict=True)
        files = [{"source": str(source), "output": str(target)} for source, target in pairs]
        print_json({"with": name, "raw": raw, "files": files})


def transcribe_files(
    inputs: Sequence[Path], model: str, language: str | None, *, json: bool
) -> None:
    """Recognise one file after the other."""
    from unhear.audio import downmixed, read
    from unhear.recognise import SAMPLE_RATE, load_recogniser
    from unhear.sources import looked_through

    for path in inputs:  # before the model is fetched, and one at a time
        looked_through(path)
    recogniser = load_recogniser(model, language)
    files: list[dict[str, Any]] = []
    for path in inputs:
        found = recogniser.transcribe(downmixed(read(path), SAMPLE_RATE))
        files.append({"source": str(path), "text": found.text, "language": found.language})
        if not json:
            prefix = f"{path}: " if len(inputs) > 1 else ""
            print(f"{prefix}{found.text}")
    if json:
        print_json({"model": model, "files": files})


def train_network(
    network: str, data: Path, output: Path, settings: dict[str, Any], *, force: bool
) -> None:
    """Run a recipe to its end; of the settings, None is the recipe's own."""
    from unhear.training.run import RECIPES

    if network not in RECIPES:
        raise unknown("recipe", network, RECIPES)
    given = {name: value for name, value in settings.items() if value is not None}
    if (network == "generator") != ("against" in given):
        raise InputError("a generator is trained --against an enhancer, and nothing else is")
    module, train = RECIPES[network]
    written = train(data, output, module.Recipe(**given), force=force)
    print(f"{written} holds the weights, {written}.png the curves")


def list_enhancers(*, json: bool) -> None:
    """Every card, with what was measured."""
    from unhear.enhancers import registry
    from unhear.enhancers.listing import card, described, lines, measured

    if json:
        print_json([card(entry) for entry in registry().values()])
        return
    for entry in registry().values():
        print("\n".join(lines(entry)))
    if noisy := described(measured().get("noisy")):
        print(f"\nwithout any, on the same recordings: {noisy}")


def list_attacks(*, json: bool) -> None:
    """Every attack with its settings."""
    from unhear.attacks import ATTACKS
    from unhear.settings import card

    cards = [card(attack) for attack in ATTACKS.values()]
    if json:
        print_json(cards)
        return
    for each in cards:
        print(each.pop("name"))
        for key, value in each.items():
            print(f"  {key:15} {value}")


def list_channels(*, json: bool) -> None:
    """Every channel with its summary, and those that take other numbers."""
    from unhear.channels.registry import CHANNELS, FAMILIES

    if json:
        print_json([{"name": name, "summary": text} for name, text in CHANNELS.items()])
        return
    for name, summary in CHANNELS.items():
        print(f"{name}\n  {summary}")
    print(f"\nother numbers, too: {', '.join(f'{family}-…k' for family in FAMILIES)}")


def print_json(document: Any) -> None:
    """One document on stdout, in ASCII, which every terminal and pipe has."""
    print(jsonlib.dumps(document, indent=2))
