"""Runs a recipe to its end: progress bar, checkpoints, curves, and the weights at last."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from safetensors.torch import save_file

from unhear.datasets import read_manifest
from unhear.errors import FailureError, InputError
from unhear.outputs import accepts_files, replacing
from unhear.training import generator, metricgan, segan
from unhear.training.metricgan import Training, worker_count
from unhear.training.mixtures import load_mixtures
from unhear.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from types import ModuleType

    from unhear.training.mixtures import Mixtures

    AnyRecipe = metricgan.Recipe | segan.Recipe | generator.Recipe
    AnyTraining = metricgan.Training | segan.Training | generator.Training

VALIDATION_CLIPS = 24
VALIDATE_EVERY, SAVE_EVERY = 4, 8  # epochs
# Of the stages: what may change when a run goes on, as long as no stage has ended before.
LENGTHS = {"warm_epochs", "adversarial_epochs"}
Curves = dict[str, list[tuple[int, float]]]


def train_metricgan(
    data: Path, output: Path, recipe: metricgan.Recipe, *, force: bool = False
) -> Path:
    """Train MetricGAN+ on the ``train`` split of ``data`` and write safetensors to ``output``.

    ``output`` with ``.ckpt`` added holds the state after every eighth epoch: the same call
    goes on from there. ``output`` with ``.png`` added is a picture of the curves.
    Raises InputError when the output exists and ``force`` is not set, cannot be written or
    does not end in ``.safetensors``, when the data cannot be used, or when the checkpoint was
    made by another recipe or of other recordings, or is past the end of a stage; FailureError
    when the training diverges.
    """
    return _train("MetricGAN+", partial(Training, recipe), recipe, data, output, force=force)


def train_segan(data: Path, output: Path, recipe: segan.Recipe, *, force: bool = False) -> Path:
    """Train SEGAN, in every other respect like :func:`train_metricgan`."""
    make = partial(segan.Training, recipe)
    return _train("SEGAN", make, recipe, data, output, force=force)


def train_generator(
    data: Path, output: Path, recipe: generator.Recipe, *, force: bool = False
) -> Path:
    """Train a perturbation generator, in every other respect like :func:`train_metricgan`.

    Raises InputError for an enhancer against which none can be trained, too.
    """
    generator.attacked(recipe.against)  # what is wrong with it is told before all is read
    make = partial(generator.Training, recipe)
    return _train(f"against {recipe.against}", make, recipe, data, output, force=force)


RECIPES: dict[str, tuple[ModuleType, Callable[..., Path]]] = {  # where its Recipe is, and how
    "metricgan+": (metricgan, train_metricgan),
    "segan": (segan, train_segan),
    "generator": (generator, train_generator),
}


def _train(
    title: str,
    make: Callable[[Mixtures, Executor], AnyTraining],
    recipe: AnyRecipe,
    data: Path,
    output: Path,
    *,
    force: bool,
) -> Path:
    _check_output(output, force=force)
    if recipe.warm_epochs + recipe.adversarial_epochs == 0:
        raise InputError("a training of no epochs leaves nothing to write: give one or more")
    train, valid = load_mixtures(read_manifest(data), recipe.seed)
    with worker_pool(worker_count()) as pool:
        training = make(train, pool)
        _run(title, training, valid, output)
    described = {key: str(value) for key, value in asdict(recipe).items()} | training.notes()
    with replacing(output) as unfinished:
        save_file(training.weights(), unfinished, metadata=described)
    return output


def _check_output(output: Path, *, force: bool) -> None:
    """Raise InputError before the hours of training, not after them."""
    if output.suffix != ".safetensors":
        raise InputError(f"{output} would not be recognised as weights: name it .safetensors")
    if output.exists() and not force:
        raise InputError(f"{output} exists: name another file or pass --force")
    if not (output.parent.is_dir() and accepts_files(output.parent)):
        raise InputError(f"the folder {output.parent} may not be written to: name another one")


def _run(title: str, training: AnyTraining, valid: Mixtures, output: Path) -> None:
    checkpoint, picture = Path(f"{output}.ckpt"), Path(f"{output}.png")
    data = "".join([training.mixtures.digest(), valid.digest(), *training.notes().values()])
    curves: Curves = _resume(training, checkpoint, data) if checkpoint.exists() else {}
    total = training.recipe.warm_epochs + training.recipe.adversarial_epochs
    with _progress() as bar:
        task = bar.add_task(title, total=total, completed=training.epoch, note="")
        while training.epoch < total:
            figures = training.run_epoch()
            _require_finite(training, checkpoint)
            if _due(training.epoch, VALIDATE_EVERY, total):
                figures |= training.validate(valid, VALIDATION_CLIPS)
            for name, value in figures.items():
                curves.setdefault(name, []).append((training.epoch, value))
            bar.update(task, completed=training.epoch, note=_note(curves))
            if _due(training.epoch, SAVE_EVERY, total):
                with replacing(checkpoint) as partial:
                    kept = {"curves": curves, "data": data}
                    torch.save(training.state() | kept, partial)
                draw_curves(curves, picture)


def _require_finite(training: AnyTraining, checkpoint: Path) -> None:
    """Raise FailureError before weights that are none are kept."""
    if not all(bool(value.isfinite().all()) for value in training.weights().values()):
        raise FailureError(
            f"the training has diverged in epoch {training.epoch}: begin anew with another "
            f"seed, and move {checkpoint} away if it is there"
        )


def _due(epoch: int, every: int, total: int) -> bool:
    return epoch % every == 0 or epoch == total


def _resume(training: AnyTraining, checkpoint: Path, data: str) -> Curves:
    state = torch.load(checkpoint, weights_only=True)
    wanted = asdict(training.recipe)
    fixed = wanted.keys() - (LENGTHS if training.recipe.extendable else set())
    if changed := [k for k in fixed if state["recipe"].get(k) != wanted[k]]:
        raise InputError(
            f"{checkpoint} was made with another {min(changed)}: "
            "give the same settings to go on, or move it away to begin anew"
        )
    _check_lengths(training.recipe, state, checkpoint)
    if state.get("data") not in {None, data}:
        raise InputError(
            f"{checkpoint} was made with other recordings: give the same data to go on, or "
            "move it away to begin anew"
        )
    training.load_state(state)
    return {name: [(int(e), float(v)) for e, v in c] for name, c in state["curves"].items()}


def _check_lengths(recipe: AnyRecipe, state: dict[str, Any], checkpoint: Path) -> None:
    """Raise InputError where the other lengths would have ended a stage before now."""
    done, begun = state["epoch"], state["recipe"]["warm_epochs"]
    if done > recipe.warm_epochs + recipe.adversarial_epochs:
        raise InputError(
            f"{checkpoint} has {done} epochs behind it, which is more than are asked for: give "
            "more, or move it away to begin anew"
        )
    if recipe.warm_epochs != begun and done > min(begun, recipe.warm_epochs):
        raise InputError(
            f"{checkpoint} is past the end of {min(begun, recipe.warm_epochs)} warm epochs: "
            f"give {begun} of them to go on, or move it away to begin anew"
        )


def _progress() -> Progress:
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    return Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"))


def _note(curves: Curves) -> str:
    return "  ".join(f"{name} {values[-1][1]:.4f}" for name, values in curves.items())


def draw_curves(curves: Curves, path: Path) -> None:
    """Losses above, validation PESQ below, over epochs."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (losses, quality) = plt.subplots(2, 1, figsize=(8, 6), sharex=True)
    for name, values in curves.items():
        axis = quality if name == "pesq" else losses
        axis.plot(*zip(*values, strict=True), label=name)
    losses.set(yscale="log", ylabel="loss")
    losses.legend()
    quality.set(xlabel="epoch", ylabel="PESQ-wb, validation")
    figure.tight_layout()
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=120)
    plt.close(figure)
