"""Long recordings: batches with context, sections, and going on where one was stopped.

What is long is made short here, so that a few seconds have several of everything.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from toys import card

from unhear import adding, chunks, files, metrics, protect
from unhear.adding import Tape
from unhear.attacks import FGSM, PGD
from unhear.audio import Recording, as_stored, read, write
from unhear.budgets import Budget, Masked, MaxAmplitude, SignalToNoise
from unhear.enhancers.base import Enhancer
from unhear.enhancers.digest import state_digest
from unhear.errors import FailureError, InputError
from unhear.files import Result, protect_file
from unhear.kept import KeptBeside, forget_finished
from unhear.networks.base import NetworkEnhancer
from unhear.objective import Defeat, Objective
from unhear.present import page, summary
from unhear.protect import Protector
from unhear.sources import InMemory
from unhear.targets import Target

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

RATE = 8000
SNR_DB = 20.0


class Echo(NetworkEnhancer[torch.nn.Linear]):
    """Hears 50 ms back and no further, so that a little context is all it takes."""

    def __init__(self) -> None:
        super().__init__(card("echo", RATE), torch.nn.Linear(1, 1))

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        delayed = torch.nn.functional.pad(audio, (400, 0))[:, : audio.shape[1]]
        return audio + 0.5 * delayed


Echo.__module__ = "unhear.networks.echo"  # as one of ours, of which all is known
ECHO = Echo()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twelfth of every length."""
    monkeypatch.setattr(chunks, "CHUNK_SECONDS", 2)
    monkeypatch.setattr(chunks, "OVERLAP_SECONDS", 1)
    monkeypatch.setattr(protect, "BATCH_SECONDS", 5)
    monkeypatch.setattr(protect, "CONTEXT_SECONDS", 1)
    monkeypatch.setattr(adding, "WHOLE_SECONDS", 3)
    monkeypatch.setattr(adding, "SECTION_SECONDS", 2)
    monkeypatch.setattr(adding, "RAMP_SECONDS", 0.1)
    monkeypatch.setattr(files, "KEPT_SECONDS", 3)


def babble(seconds: float, rate: int = RATE, channels: int = 1) -> Recording:
    """Noise that comes and goes, from loud to quiet within a few seconds."""
    time = np.arange(round(seconds * rate)) / rate
    loudness = (0.1 + np.sin(np.pi * 3 * time) ** 2) * (1.1 + np.sin(time))
    white = np.random.default_rng(0).normal(size=(channels, time.size))
    return Recording(as_stored(0.05 * loudness * white, "PCM_16"), rate)


def protector(attack: FGSM | PGD | None = None, budget: Budget | None = None) -> Protector:
    return Protector(
        (ECHO,), Target("silence"), attack or FGSM(), budget or SignalToNoise(SNR_DB)
    )


def added(protected: Recording, recording: Recording) -> np.ndarray:
    return protected.samples - recording.samples


# The same as a short one


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("rate", [RATE, 16_000, 11_025])
def test_batches_and_sections_change_nothing_but_rounding(
    rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the budget does not bind the whole: an amplitude is kept sample by sample."""
    recording = babble(11.3, rate, channels=2)
    whole = protector(budget=MaxAmplitude(0.002))
    parts = whole(recording).samples
    for module, name in [(protect, "BATCH_SECONDS"), (adding, "WHOLE_SECONDS")]:
        monkeypatch.setattr(module, name, 1000)
    differs = parts != whole(recording).samples
    # A gradient that is next to nothing may have either sign.
    assert differs.mean() < 1e-3


@pytest.mark.usefixtures("short")
def test_enhancers_hear_what_comes_before_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    references: list[torch.Tensor] = []

    class Watching(FGSM):
        def __call__(
            self, audio: torch.Tensor, objective: Objective, budget: Budget
        ) -> torch.Tensor:
            (goal,) = objective.defeated
            assert isinstance(goal, Defeat)
            references.append(goal.reference)
            return super().__call__(audio, objective, budget)

    way = protector(Watching(), MaxAmplitude(0.002))
    way(babble(11.3))
    assert len(references) > 1
    parts = torch.cat(references)
    references.clear()
    monkeypatch.setattr(protect, "BATCH_SECONDS", 1000)
    way(babble(11.3))
    torch.testing.assert_close(parts, references[0])


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("rate", [RATE, 16_000])
@pytest.mark.parametrize(
    "budget", [SignalToNoise(SNR_DB), MaxAmplitude(0.002), Masked(0.0)], ids=str
)
def test_the_budget_holds_in_the_whole_file(budget: Budget, rate: int) -> None:
    samples = babble(9.1, rate).samples.copy()
    samples[:, 4 * rate :] *= 0.02  # a section is not to be taken for a recording of its own
    recording = Recording(samples, rate, "DOUBLE")
    protected = protector(PGD(steps=2, start=0.5), budget)(recording)
    delta = added(protected, recording)[0]
    assert delta.any()
    if isinstance(budget, SignalToNoise):
        assert metrics.snr_db(recording.samples[0], delta) >= SNR_DB
        parts = zip(
            *(np.array_split(each, 3) for each in (recording.samples[0], delta)), strict=True
        )
        found = [metrics.snr_db(*part) for part in parts]
        assert max(found) - min(found) < 3, found  # no part is left with less than others
    elif isinstance(budget, MaxAmplitude):
        assert budget.eps / 2 < np.abs(delta).max() <= budget.eps
    else:
        share = metrics.share_above_threshold(recording.samples[0], delta, rate)
        assert share <= 0.05


@pytest.mark.usefixtures("short")
def test_sections_have_no_seams() -> None:
    """A quiet stretch has to take back some of what it gets: the rest does not jump there."""
    samples = babble(8).samples.copy()
    samples[:, 3 * RATE : 5 * RATE] *= 0.02
    recording = Recording(as_stored(samples, "DOUBLE"), RATE, "DOUBLE")
    delta = added(protector(PGD(steps=3))(recording), recording)[0]
    slope = np.abs(np.diff(delta, 2))
    for seam in (2 * RATE, 4 * RATE, 6 * RATE):
        around = np.r_[slope[seam - 800 : seam - 20], slope[seam + 20 : seam + 800]]
        assert slope[seam - 20 : seam + 20].max() <= 1.5 * around.max()


@pytest.mark.usefixtures("short")
def test_a_share_never_exceeds_what_a_section_may_have() -> None:
    share = (np.array([[1.0], [0.5]]), np.array([[0.4], [0.8]]), np.array([[0.9], [0.1]]))
    audio = np.zeros((2, 1000))
    before, here, after = (adding.Section(audio, audio, each) for each in share)
    gains = here.gains(before, after, 100)
    assert gains[0].tolist() == [0.4] * 1000
    assert gains[1, 0] == 0.5
    assert gains[1, 100:900].max() == gains[1].max() == 0.8
    assert gains[1, -1] == pytest.approx(0.1, abs=0.01)
    assert np.abs(np.diff(gains)).max() < 0.01


def test_pieces_of_a_section_have_shares_of_their_own() -> None:
    shares = np.array([[0.2, 1.0, 1.0, 0.5]])
    here = adding.Section(np.zeros((1, 1000)), np.zeros((1, 1000)), shares)
    gains = here.gains(here, here, 50)[0]
    assert (gains[[100, 375, 625, 875]] == shares).all()
    assert (gains[[0, 250, 500, 750]] == [0.2, 0.2, 1.0, 0.5]).all()
    assert gains[-1] == pytest.approx(0.2, abs=0.01)  # for what comes after it
    assert (gains <= shares.repeat(250)).all()
    assert np.abs(np.diff(gains)).max() < 0.02


def test_where_a_recording_begins_and_ends_nothing_gives_way() -> None:
    """To what lies half a minute off."""
    shares = np.array([[1.0, 0.3, 0.3, 0.8]])
    here = adding.Section(np.zeros((1, 1000)), np.zeros((1, 1000)), shares)
    gains = here.gains(None, None, 50)[0]
    assert gains[0] == 1
    assert gains[-1] == pytest.approx(0.8)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("behind", [0.02, 0.6], ids=["in the margin", "behind it"])
def test_what_is_loud_behind_a_section_does_not_leave_it_bare(behind: float) -> None:
    """What was computed together with a bang is far too much for the quiet before it: only
    there is it taken back.
    """
    rng, bang = np.random.default_rng(0), 2 + behind
    audio, delta = 0.001 * rng.normal(size=(2, 1, 8 * RATE))
    delta *= 10 ** (-SNR_DB / 20)
    audio[:, int(bang * RATE) : int((bang + 0.1) * RATE)] *= 100
    delta[:, int(1.5 * RATE) : int(3.5 * RATE)] *= 30  # all of a batch of chunks
    source = InMemory(Recording(as_stored(audio, "DOUBLE"), RATE, "DOUBLE"))
    tape = Tape(iter([torch.from_numpy(delta)]), 8 * RATE)
    parts = adding.protected_parts(source, tape, SignalToNoise(SNR_DB), RATE)
    change = np.concatenate(list(parts), axis=1) - audio
    whole, before = slice(2 * RATE), slice(int(1.2 * RATE))
    assert SNR_DB <= metrics.snr_db(audio[0, whole], change[0, whole]) < SNR_DB + 1
    assert SNR_DB - 1 < metrics.snr_db(audio[0, before], change[0, before]) < SNR_DB + 1


def test_a_tape_keeps_only_what_may_be_asked_for() -> None:
    stretches = (torch.arange(float(i), i + 10)[None] for i in range(0, 100, 10))
    tape = Tape(stretches, 100)
    assert tape.part(0, 25)[0].tolist() == list(range(25))
    assert tape.part(20, 31)[0].tolist() == list(range(20, 31))
    assert tape.part(20, 22)[0].tolist() == [20, 21]
    assert tape.part(95, 100)[0].tolist() == list(range(95, 100))


@pytest.mark.usefixtures("short")
def test_a_sentence_is_said_once() -> None:
    """Later batches are to be silent: they differ from what silence would make of them in
    nothing, and the first one does.
    """
    recording = babble(12)
    spoken = Recording(np.sin(np.arange(RATE) / 3)[None], RATE)
    said, silent = (
        Protector((ECHO,), target, FGSM(), SignalToNoise(SNR_DB))(recording).samples
        for target in (Target("speech", spoken), Target("silence"))
    )
    assert not np.array_equal(said[:, : 2 * RATE], silent[:, : 2 * RATE])
    assert np.array_equal(said[:, 8 * RATE :], silent[:, 8 * RATE :])


@pytest.mark.usefixtures("short")
def test_a_sentence_has_to_fit_in_the_first_batch() -> None:
    spoken = Recording(np.sin(np.arange(9 * RATE) / 3)[None], RATE)
    target = Target("speech", spoken)
    with pytest.raises(InputError, match="to be said lasts 9 s, and there is room for 2 s"):
        Protector((ECHO,), target, FGSM(), SignalToNoise(SNR_DB))(babble(12))
    assert Protector((ECHO,), target, FGSM(), SignalToNoise(SNR_DB))(babble(2)).seconds == 2


@pytest.mark.usefixtures("short")
def test_an_enhancer_says_how_much_it_takes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    for seconds in (2.0, 60.0):
        monkeypatch.setattr(ECHO, "seconds_at_once", seconds)
        protector()(babble(12), lambda _, total: seen.append(total))
    assert seen[0] > seen[-1]  # gradients, of which each batch takes one


# Stopping and going on


class Interrupted(Exception):  # noqa: N818
    pass


@pytest.mark.usefixtures("short")
def test_a_stopped_file_goes_on_where_it_was(tmp_path: Path) -> None:
    source, output = tmp_path / "in.wav", tmp_path / "out" / "out.wav"
    output.parent.mkdir()
    write(babble(12), source)
    whole = protect_file(
        source, tmp_path / "whole.wav", protector(PGD(4)), None, lambda *_: None
    )
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if done > total / 2:
            raise Interrupted

    def go_on(done: int, total: int) -> None:
        seen.append(done)

    with pytest.raises(Interrupted):
        protect_file(source, output, protector(PGD(4)), None, stop)
    assert not output.exists()
    (kept,) = output.parent.iterdir()  # and nothing else
    before, seen = sorted(kept.iterdir()), []
    assert before
    protect_file(source, output, protector(PGD(4)), None, go_on)
    # A batch that was kept is one step of the progress, and no gradient is taken again.
    assert len(seen) == len(before) + seen[-1] - 4 * len(before)
    assert list(output.parent.iterdir()) == [output]
    assert output.read_bytes() == (tmp_path / "whole.wav").read_bytes()
    assert whole.seconds == 12


@pytest.mark.usefixtures("short")
def test_what_fails_half_way_is_not_laid_to_the_disk(tmp_path: Path) -> None:
    source, output = tmp_path / "in.wav", tmp_path / "out.wav"
    write(babble(12), source)

    def progress(done: int, _: int) -> None:
        if done > 2:
            raise OSError("no more handles")

    with pytest.raises(FailureError, match=r"in\.wav could not be protected: no more handles"):
        protect_file(source, output, protector(PGD(4)), None, progress)
    assert not output.exists()


@pytest.mark.usefixtures("short")
def test_other_settings_begin_anew(tmp_path: Path) -> None:
    write(babble(12), tmp_path / "in.wav")

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise Interrupted

    folders: list[Path] = []
    for budget in (SignalToNoise(SNR_DB), SignalToNoise(30.0)):
        with pytest.raises(Interrupted):
            protect_file(
                tmp_path / "in.wav", tmp_path / "out.wav", protector(PGD(4), budget), None, stop
            )
        folders += [each for each in tmp_path.iterdir() if each.name.startswith(".out.wav.")]
    assert len(folders) == len(set(folders)) == 2  # the first was gone by then


@pytest.mark.usefixtures("short")
def test_only_leftovers_of_this_output_are_removed(tmp_path: Path) -> None:
    write(babble(12), tmp_path / "in.wav")
    digits = "0123456789abcdef"
    others = [f".out.wav.b.wav.{digits}.kept", ".out.wav.mine.kept", f".b.wav.{digits}.partial"]
    for name in (*others, f".out.wav.{digits}.kept", f".out.wav.{digits[:8]}.partial"):
        (tmp_path / name).mkdir() if name.endswith("kept") else (tmp_path / name).touch()
    protect_file(tmp_path / "in.wav", tmp_path / "out.wav", protector(), None, lambda *_: None)
    left = {each.name for each in tmp_path.iterdir()}
    assert left == {*others, "in.wav", "out.wav"}


@pytest.mark.usefixtures("short")
def test_two_commands_do_not_work_on_one_long_output(tmp_path: Path) -> None:
    source, output = tmp_path / "in.wav", tmp_path / "new" / "out.wav"
    write(babble(12), source)

    def other(done: int, total: int) -> None:
        if done > total / 2:  # something is kept, and a file is being written
            before = set(output.parent.iterdir())
            with pytest.raises(InputError, match=r"another process is protecting .*out\.wav"):
                protect_file(source, output, protector(FGSM()), None, lambda *_: None)
            assert set(output.parent.iterdir()) == before
            raise Interrupted

    with pytest.raises(Interrupted):
        protect_file(source, output, protector(PGD(4)), None, other)
    protect_file(source, output, protector(FGSM()), None, lambda *_: None)
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.usefixtures("short")
def test_nothing_is_left_where_nothing_was_done(tmp_path: Path) -> None:
    write(babble(12), tmp_path / "in.wav")

    def stop(*_: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        protect_file(tmp_path / "in.wav", tmp_path / "new" / "out.wav", protector(), None, stop)
    assert [each.name for each in tmp_path.iterdir()] == ["in.wav"]


def test_of_what_was_written_nothing_is_kept(tmp_path: Path) -> None:
    names = [f".{name}.wav.0123456789abcdef.kept" for name in ("done", "else")]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "done.wav").touch()
    forget_finished([tmp_path / "done.wav"])
    assert {each.name for each in tmp_path.iterdir()} == {"done.wav", names[1]}


@pytest.mark.usefixtures("short")
def test_a_kept_batch_that_is_broken_is_computed_again(tmp_path: Path) -> None:
    kept = KeptBeside(tmp_path / "out.wav", "0123")
    kept.put(0, torch.ones(1, 1, 3))
    (tmp_path / ".out.wav.0123.kept" / "00000.npy").write_bytes(b"")
    assert kept.get(0) is None


class Foreign(Enhancer):
    """The user's own, of which nobody knows what it depends on."""

    card = Echo().card

    def enhance(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
        return audio


def test_settings_and_weights_tell_enhancers_apart() -> None:
    one, other = Echo(), Echo()
    other.network.load_state_dict(one.network.state_dict())
    assert state_digest(one) == state_digest(other)
    other.draws = 3  # type: ignore[attr-defined]
    assert state_digest(one) != state_digest(other)
    assert state_digest(one) != state_digest(Echo())
    assert state_digest(Foreign()) == ""  # so that nothing is kept
    assert state_digest(type("Own", (Echo,), {"__module__": "own"})()) == ""


# Measuring


def silenced(result: Result, level_change_db: float = -math.inf) -> Result:
    """The same, as if nothing had come out of the enhancer."""
    (first,) = result.hearings
    figures = replace(first.figures, level_change_db=level_change_db)
    return replace(result, hearings=[replace(first, figures=figures)])


@pytest.mark.usefixtures("short")
def test_a_long_file_is_judged_by_its_loudest_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LONGEST_JUDGED_SECONDS", 5)
    monkeypatch.setattr(files, "EXCERPT_SECONDS", 2.0)
    monkeypatch.setattr(files, "BLOCK", 20_000)
    source, output = tmp_path / "in.wav", tmp_path / "out.wav"
    samples = babble(9).samples.copy()
    samples[:, 3 * RATE : 5 * RATE] = samples[:, 7 * RATE : 9 * RATE] * 2
    samples[:, 6 * RATE :] *= 0.1
    write(Recording(samples, RATE), source)
    result = protect_file(source, output, protector(), None, lambda *_: None)
    noisy, protected = read(source), read(output)
    delta = added(protected, noisy)[0]
    figures = result.hearings[0].figures
    heard = noisy.samples[0] - noisy.samples[0].mean()
    assert figures.snr_db == pytest.approx(metrics.snr_db(heard, delta))
    assert figures.peak == np.abs(delta).max()
    assert result.signals.noisy.seconds == 2
    assert result.seconds == 9
    (note,) = result.notes
    assert "all else is of 2 s from 0:03 on" in note
    assert " changes the level of " in summary(result)
    assert summary(silenced(result)).endswith("makes nothing of what echo puts out.")
    assert summary(silenced(result, math.nan)).endswith(
        ": echo puts out silence, with it or without."
    )
    assert note in page(result, {}).summary
