"""The command line: parse, call, print. Heavy modules are imported by the commands."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.validators import Number

from unhear import __version__
from unhear.choices import Choice, Device, Rate, Weights
from unhear.enhancers import DEFAULT
from unhear.enhancers.external import FORMS
from unhear.errors import InputError, UnhearError
from unhear.plan_choices import PlanChoice
from unhear.workers import use_one_thread

app = App(
    name="unhear",
    version=__version__,
    help="Protect noisy recordings against neural speech enhancers.",
    default_parameter=Parameter(negative=()),
    print_error=False,
    exit_on_error=False,
)

DEBUG = "--debug"  # shows tracebacks
OUTPUT = Group("Output", sort_key=2)
Inputs = Annotated[
    list[Path],
    Parameter(help="WAV, FLAC, OGG or MP3 files", json_list=False),  # "[a].wav" is a name
]
Output = Annotated[
    Path,
    Parameter(
        ["--output", "-o"],
        group=OUTPUT,
        help="a file, or a folder (names are kept, MP3 and OGG become WAV)",
    ),
]
MODEL = "base"  # of Whisper
Model = Annotated[
    str,
    Parameter(
        group=OUTPUT,
        help="recogniser: base, moonshine, pocketsphinx, speechbrain:ORG/MODEL, or a Whisper "
        "model, local or of the hub",
    ),
]
Language = Annotated[
    str | None, Parameter(group=OUTPUT, help="spoken language, such as en [detected]")
]
Force = Annotated[bool, Parameter(group=OUTPUT, help="overwrite what exists")]
Jobs = Annotated[
    int | None,
    Parameter(
        group=OUTPUT,
        help="processes, of one thread each; 1: this one [protect: 1, otherwise 2]",
        validator=Number(gte=1),
    ),
]
Cluster = Annotated[
    str | None,
    Parameter(
        group=OUTPUT,
        help="Dask workers: tcp://HOST:PORT of a scheduler, or local for this machine's CPUs",
    ),
]
Json = Annotated[bool, Parameter(group=OUTPUT, help="print one JSON document on stdout")]


@app.command
def protect(
    inputs: Inputs,
    *,
    output: Output,
    choice: Choice | None = None,
    transcribe: Annotated[
        bool, Parameter(group=OUTPUT, help="show what a recogniser reads, before and after")
    ] = False,
    model: Model = MODEL,
    language: Language = None,
    report: Annotated[
        Path | None,
        Parameter(
            group=OUTPUT,
            help="folder for an HTML page on each recording: holds the unprotected one, too",
        ),
    ] = None,
    force: Force = False,
    skip_existing: Annotated[
        bool, Parameter(group=OUTPUT, help="leave out files whose output is there")
    ] = False,
    batch: Annotated[
        int,
        Parameter(
            group=OUTPUT,
            help="files of a minute at most that go through the networks at once",
            validator=Number(gte=1),
        ),
    ] = 1,
    jobs: Jobs = None,
    cluster: Cluster = None,
    json: Json = False,
) -> None:
    """Add a faint perturbation that makes enhancers fail, and measure the written file.

    Rate, channels, length and sample format stay as they are (8-bit and lossy files become
    16-bit), and so does whatever lies above the enhancers' band. People hear the recording
    nearly as before, and recognisers still read it: the protection is against whoever enhances
    it first with an enhancer named by --against, with those very weights; after others many of
    the words are still there. What happens to a file on its way, such as a codec, can undo it,
    unless it was computed to --survive that. Within the same budget the default keeps more
    words out than the paper's attacks (docs/protection.md). --transcribe shows what it does.
    """
    from unhear.protect_commands import Place, Showing, protect_files

    if not transcribe and (model != MODEL or language):
        raise InputError("--model and --language say how to --transcribe: give that, too")
    showing = Showing(transcribe, model, language, report)
    place = Place(
        inputs, output, jobs, cluster, batch=batch, force=force, skip_existing=skip_existing
    )
    protect_files(place, choice or Choice(), showing, json=json)


@app.command
def enhance(
    inputs: Inputs,
    *,
    output: Output,
    with_: Annotated[
        str, Parameter("--with", help=f"the enhancer, by name, or your own: {FORMS}")
    ] = DEFAULT,
    with_rate: Rate = None,
    weights: Weights = None,
    device: Device = "cpu",
    raw: Annotated[
        bool, Parameter(help="keep the level that comes out of the network")
    ] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Enhance recordings, every channel on its own, into 16-bit files at the enhancer's rate.

    The output is divided by its peak, as the official front end of MetricGAN+ does.
    """
    from unhear.commands import enhance_files

    how = {"raw": raw, "force": force, "json": json}
    enhance_files(inputs, output, with_, weights, with_rate, device=device, **how)


@app.command
def transcribe(
    inputs: Inputs, *, model: Model = MODEL, language: Language = None, json: Json = False
) -> None:
    """Print what a speech recogniser reads from recordings (Whisper base unless told)."""
    from unhear.commands import transcribe_files

    transcribe_files(inputs, model, language, json=json)


Data = Annotated[
    Path,
    Parameter(
        help="speech with transcripts: a manifest (CSV, JSONL), VoiceBank+DEMAND, LibriSpeech, "
        "or a folder of recordings with a .txt beside each"
    ),
]
Noise = Annotated[
    Path | None, Parameter(help="folder of noises, such as DEMAND's [with the speech]")
]
RunFolder = Annotated[
    Path,
    Parameter(["--output", "-o"], group=OUTPUT, help="folder of the run; the same goes on"),
]


SoFar = Annotated[
    bool,
    Parameter(
        group=OUTPUT, help="do nothing but show what is done, even by a run that goes on"
    ),
]
Judges = Annotated[
    list[str] | None,
    Parameter(
        group=OUTPUT,
        negative=(),
        help="recogniser: base or another Whisper model, local or of the hub, moonshine, "
        "pocketsphinx, or speechbrain:ORGANISATION/MODEL; repeat for more [base]",
    ),
]
Spoken = Annotated[str | None, Parameter(group=OUTPUT, help="spoken language [en]")]


@app.command
def evaluate(
    data: Data,
    *,
    output: RunFolder,
    noise: Noise = None,
    choice: PlanChoice | None = None,
    model: Judges = None,
    language: Spoken = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    device: Device = "cpu",
    so_far: SoFar = False,
    json: Json = False,
) -> None:
    """Protect many recordings in many ways, and measure what enhancers make of them.

    One row of rows.jsonl for each recording × SNR × protection × listening enhancer, written
    as soon as it is there: the same command goes on where it was stopped. In the end there is
    a report.html to look at and listen to, and a report.md.
    """
    from unhear.evaluation_commands import Place, evaluate

    use_one_thread()
    plan = (choice or PlanChoice()).make_plan(language)
    place = Place(data, noise, output, jobs, cluster, device, so_far)
    evaluate(plan, model or [], place, json=json)


@app.command
def reproduce(
    experiment: Annotated[
        str, Parameter(help="fig3, fig4, table1, table2, all; erase, survive or friends")
    ],
    *,
    data: Annotated[Path, Parameter(help="speech and noise; see `unhear evaluate`")],
    output: RunFolder,
    noise: Noise = None,
    quick: Annotated[
        bool, Parameter(help="one or two clips and fewer steps: minutes, not hours")
    ] = False,
    limit: Annotated[
        int | None, Parameter(help="clips at each SNR [40]", validator=Number(gte=1))
    ] = None,
    model: Judges = None,
    language: Spoken = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    device: Device = "cpu",
    so_far: SoFar = False,
    json: Json = False,
) -> None:
    """Run the paper's figures and tables, ours beside the paper's (arXiv 2206.08170).

    Beyond the paper: how little it takes to erase the words (erase), what happens to a file on
    its way (survive), and all enhancers but one (friends).
    """
    from unhear.evaluation_commands import Place, reproduce

    use_one_thread()
    place = Place(data, noise, output, jobs, cluster, device, so_far)
    reproduce(
        experiment,
        place,
        quick=quick,
        limit=limit,
        models=model or [],
        language=language,
        json=json,
    )


@app.command
def enhancers(*, json: Json = False) -> None:
    """List the enhancers that there are, with what they did for noisy speech."""
    from unhear.commands import list_enhancers

    list_enhancers(json=json)


@app.command
def attacks(*, json: Json = False) -> None:
    """List the attacks, with their settings and defaults."""
    from unhear.commands import list_attacks

    list_attacks(json=json)


@app.command
def channels(*, json: Json = False) -> None:
    """List what a protection can be asked to survive on its way (--survive)."""
    from unhear.commands import list_channels

    list_channels(json=json)


@app.command
def train(
    network: Annotated[str, Parameter(help="metricgan+, segan or generator")],
    *,
    data: Annotated[
        Path,
        Parameter(
            help="folder with a manifest.csv; of its split train, speech and noise are used, "
            "at 16 kHz"
        ),
    ],
    output: Annotated[
        Path, Parameter(["--output", "-o"], help="the weights to write, NAME.safetensors")
    ],
    seed: Annotated[
        int, Parameter(help="of everything random", validator=Number(gte=0, lt=2**32))
    ] = 0,
    warm_epochs: Annotated[
        int | None,
        Parameter(
            help="supervised epochs, or those of a generator in which its budget shrinks "
            "[the recipe's]",
            validator=Number(gte=0),
        ),
    ] = None,
    adversarial_epochs: Annotated[
        int | None,
        Parameter(
            help="epochs that follow: with the discriminator, or at the last budget "
            "[the recipe's]",
            validator=Number(gte=0),
        ),
    ] = None,
    against: Annotated[
        str | None, Parameter(help="the enhancer that a generator is to defeat")
    ] = None,
    force: Force = False,
) -> None:
    """Train weights; called again, go on from the .ckpt beside the output."""
    from unhear.commands import train_network

    settings = {
        "seed": seed,
        "warm_epochs": warm_epochs,
        "adversarial_epochs": adversarial_epochs,
        "against": against,
    }
    train_network(network, data, output, settings, force=force)


def main() -> None:
    """Entry point: one sentence on stderr for every error, 2 for the user's input, else 1."""
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # not every encoding has what is printed
            stream.reconfigure(errors="backslashreplace")
    try:
        app(arguments)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if DEBUG in sys.argv:
            raise
        print(f"unhear: {_sentence(error)}", file=sys.stderr)
        sys.exit(_exit_code(error))


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, UnhearError | CycloptsError):
        return text
    return f"something went wrong ({type(error).__name__}: {text}): run again with {DEBUG}"


def _exit_code(error: Exception) -> int:
    if isinstance(error, CycloptsError):
        return 2
    return error.exit_code if isinstance(error, UnhearError) else 1
