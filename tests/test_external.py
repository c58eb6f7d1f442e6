"""Enhancers of the user's own, through the command line, with tiny models made here."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

import unhear.enhancers
import unhear.networks
from unhear.enhancers import load_enhancer, registry
from unhear.enhancers.digest import own_digest
from unhear.enhancers.external import form_of
from unhear.errors import FailureError, InputError
from unhear.external.adapter import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from command_line import Outcome
    from torch import Tensor

GUIDE = Path(__file__).parent.parent / "docs" / "adding-an-enhancer.md"
RATE = 16_000
PROTECT = ("protect", "in.wav", "-o", "out.wav", "--attack", "fgsm", "--json", "--against")
BLOCKS: dict[str, str] = {  # the guide's examples, by the name in their first line
    block.splitlines()[0].removeprefix("# "): block
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
}

# Everything that can be wrong with Python of the user's, and models of all shapes.
ZOO = """
import numpy as np
import torch
from torch import nn

class Of(nn.Module):
    def __init__(self, *leading):
        super().__init__()
        self.leading = leading
        self.conv = nn.Conv1d(1, 1, 31, padding=15)

    def forward(self, audio):
        assert audio.ndim == 1 + len(self.leading), "a shape of its own"
        for dimension, size in enumerate(self.leading):
            assert size is None or audio.shape[dimension] == size, "a size of its own"
        return self.conv(audio.reshape(-1, 1, audio.shape[-1])).reshape(audio.shape)

batch, channel, bare = Of(None), Of(None, 1), Of()
one, one_channel = Of(1), Of(1, 1)

def peak(audio): return audio / audio.abs().max()
def longer(audio): return torch.nn.functional.pad(audio, (0, 300))
def shorter(audio): return audio[..., : audio.shape[-1] // 256 * 256]
def modulus(audio): return audio.square().sqrt()
def double(audio): return audio.double()
def numpy(audio): return torch.from_numpy(np.tanh(audio.numpy()))
def rounded(audio): return audio.round(decimals=1)
def without(audio):
    with torch.no_grad(): return 0.5 * audio

def pair(audio): return audio, audio
def words(audio): return "none"
def whole(audio): return (32768 * audio).short()
def half(audio): return audio[..., ::2]
def empty(audio): return audio / 0
def fixed(audio):
    if audio.shape[-1] != 4000: raise ValueError("4000 samples, please")
    return audio
def broken(audio): raise KeyError("mask")
def two(audio, rate): return audio
def nothing(): return None
def bang(): raise ZeroDivisionError("no weights")
class Sized(nn.Module):
    def __init__(self, size): super().__init__()
size = 3

class Remembering(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = 0.0
    def forward(self, audio):
        before, self.last = self.last, audio.detach().abs().mean()
        return audio * (1 + before)
class Shaky(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 31, padding=15)
    def forward(self, audio): return nn.functional.dropout(self.conv(audio), 0.5, self.training)
def around():
    network = Shaky()
    return lambda audio: network(audio)
def in_place(audio):
    audio[..., 1:] -= 0.97 * audio[..., :-1].clone()
    return audio
def talking(audio):
    print("frames", audio.shape)
    return audio
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the guide tells users to make, and a zoo."""
    folder = tmp_path_factory.mktemp("own")
    for name in ("my_module.py", "save.py", "full_band.py", "my_onnx.py"):
        (folder / name).write_text(BLOCKS[name])
    (folder / "zoo.py").write_text(ZOO)
    audio = 0.1 * np.random.default_rng(0).normal(size=RATE // 4)
    soundfile.write(folder / "in.wav", audio, RATE)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        torch.manual_seed(0)
        exec(BLOCKS["save.py"], {})
        model = sys.modules.pop("my_module").build().eval()
        static = torch.export.export(model, (torch.randn(2, RATE),))
        torch.export.save(static, "static.pt2")
        torch.jit.save(torch.jit.script(Masking().eval()), "masking.pt")
        torch.jit.save(torch.jit.trace(Masking().eval(), torch.randn(1, 4000)), "traced.pt")
        torch.save(model.state_dict(), "state.pt")
        shaky = torch.export.export(nn.Dropout().train(), (torch.randn(2, RATE),))
        torch.export.save(shaky, "training.pt2")
    (folder / "text.pt2").write_text("dear diary")
    return folder


@pytest.fixture(autouse=True)
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy to work in, in which nothing of another test is imported."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


class Masking(nn.Module):
    """A mask on spectra; TorchScript's own derivative of their modulus is wrong."""

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        window = torch.hann_window(512)
        spec = torch.stft(audio, 512, 256, window=window, return_complex=True)
        masked = spec * torch.sigmoid(spec.abs() - 1)
        return torch.istft(masked, 512, 256, window=window, length=int(audio.size(-1)))


def noise(*shape: int) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


# What works


def test_the_guides_program_without_gradients_enhances(cli: Callable[..., Outcome]) -> None:
    with_it = ("--with", "my_onnx.py:enhance")
    assert cli("enhance", "in.wav", "-o", "quiet.wav", *with_it).code == 0
    outcome = cli(*PROTECT, "my_onnx.py:enhance")
    assert outcome.code == 2
    assert "gradients" in outcome.err


@pytest.mark.parametrize(
    "own",
    [
        *("my.pt", "my.pt2", "my_module:build", "my_module:Smoother", "./my_module.py:build"),
        "full_band.py:build",
    ],
)
def test_the_guides_own_enhancers_are_attacked(own: str, cli: Callable[..., Outcome]) -> None:
    outcome = cli(*PROTECT, own)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.settings["against"] == [own]
    assert "against_rate" not in outcome.settings
    before, after = soundfile.read("in.wav")[0], soundfile.read("out.wav")[0]
    assert 0 < np.abs(after - before).max() < 0.1


def test_it_is_the_users_model_that_enhances(cli: Callable[..., Outcome]) -> None:
    outcome = cli("enhance", "in.wav", "-o", "out.wav", "--with", "my.pt", "--raw")
    assert (outcome.code, outcome.err) == (0, "")
    with warnings.catch_warnings(action="ignore"):
        model = torch.jit.load("my.pt")
    audio = torch.from_numpy(soundfile.read("in.wav", dtype="float32")[0])
    expected = model(audio[None])[0].detach().numpy()
    assert np.abs(soundfile.read("out.wav")[0] - expected).max() <= 2**-15


def test_the_rate_is_the_users(cli: Callable[..., Outcome]) -> None:
    assert cli(*PROTECT, "my.pt", "--against-rate", "8000").settings["against_rate"] == 8000
    assert cli("enhance", "in.wav", "-o", "e.wav", "--with=my.pt", "--with-rate=8000").code == 0
    assert soundfile.info("e.wav").samplerate == 8000


@pytest.mark.parametrize("own", ["batch", "channel", "bare", "one", "one_channel"])
def test_the_shape_that_a_model_takes_is_found_out(own: str) -> None:
    enhancer, clips = load_enhancer(f"zoo:{own}"), noise(3, 5000)
    conv = enhancer.model.conv  # type: ignore
    torch.testing.assert_close(enhancer(clips), conv(clips[:, None])[:, 0])
    card = enhancer.card
    assert (card.parameters, card.differentiable, card.scales) == (32, True, False)
    assert (card.name, card.licence, card.sample_rate) == (f"zoo:{own}", "yours", RATE)
    assert Path(card.weights) == Path("zoo.py").resolve()
    assert not any(parameter.requires_grad for parameter in conv.parameters())


def test_clips_of_a_batch_do_not_change_each_other() -> None:
    clips = noise(2, 5000) * torch.tensor([[1.0], [0.1]])
    assert load_enhancer("zoo:peak")(clips).abs().amax(1).tolist() == [1, 1]


@pytest.mark.parametrize("samples", [1, 100, 5000])
@pytest.mark.parametrize("own", ["longer", "shorter", "double"])
def test_the_output_is_made_as_long_as_the_input(own: str, samples: int) -> None:
    clips = noise(2, samples)
    output = load_enhancer(f"zoo:{own}")(clips)
    assert (output.shape, output.dtype) == (clips.shape, clips.dtype)
    kept = samples // 256 * 256 if samples > 4000 else samples
    assert torch.equal(output[:, :kept], clips[:, :kept])


def test_nothing_pushes_where_there_is_no_derivative() -> None:
    audio = noise(1, 5000)
    audio[:, 1000:2000] = 0
    audio.requires_grad_()
    load_enhancer("zoo:modulus")(audio).sum().backward()
    torch.testing.assert_close(audio.grad, audio.detach().sign())


def test_gradients_of_torchscript_stay_right() -> None:
    """Its optimiser would step in at the second call."""
    enhancer, clips = load_enhancer("masking.pt"), noise(2, 6000)
    assert enhancer.card.differentiable
    expected = clips.clone().requires_grad_()
    Masking()(expected).square().sum().backward()
    for _ in range(3):
        audio = clips.clone().requires_grad_()
        enhancer(audio).square().sum().backward()
        torch.testing.assert_close(audio.grad, expected.grad)


def test_an_enhancer_of_the_users_keeps_its_card() -> None:
    source = "from unhear.enhancers import load_enhancer\ndef build(): return load_enhancer()"
    Path("mine.py").write_text(source)
    assert load_enhancer("mine:build").card.name == "metricgan+"
    with pytest.raises(InputError, match="works at 16000 Hz and says so itself"):
        load_enhancer("mine:build", rate=8000)


def test_a_network_that_a_function_works_with_is_not_in_training() -> None:
    enhancer = load_enhancer("zoo:around")
    assert enhancer.card.parameters == 32
    assert enhancer.card.differentiable
    clip = noise(1, 8000)
    assert torch.equal(enhancer(clip), enhancer(clip))


@pytest.mark.parametrize("own", ["in_place", "talking"])
def test_models_with_habits_are_attacked(own: str, cli: Callable[..., Outcome]) -> None:
    """They work in place, or print."""
    outcome = cli(*PROTECT, f"zoo:{own}")
    assert outcome.code == 0
    (file,) = json.loads(outcome.out)["files"]
    assert file["figures"]["snr_db"] >= 24.9
    assert ("frames" in outcome.err) == (own == "talking")


def test_two_models_each_have_a_module_of_the_same_name() -> None:
    for name, gain in (("one", 0.5), ("two", 0.25)):
        Path(name).mkdir()
        Path(name, "helper.py").write_text(f"GAIN = {gain}\n")
        Path(name, "model.py").write_text(
            "from helper import GAIN\ndef build(): return lambda audio: GAIN * audio\n"
        )
    clip = noise(1, 8000)
    one, two = (load_enhancer(f"{name}/model.py:build") for name in ("one", "two"))
    torch.testing.assert_close(one(clip), 0.5 * clip)
    torch.testing.assert_close(two(clip), 0.25 * clip)
    assert "helper" not in sys.modules


# What an evaluation knows it by

TRAINED = """
import torch
from torch import nn

def build():
    network = nn.Conv1d(1, 1, 3, padding=1)
    network.load_state_dict(torch.load("trained.pt"))
    return network
"""


def trained(seed: int) -> None:
    torch.manual_seed(seed)
    torch.save(nn.Conv1d(1, 1, 3, padding=1).state_dict(), "trained.pt")


def test_training_makes_it_another_enhancer() -> None:
    Path("trained.py").write_text(TRAINED)
    digests: list[str] = []
    for seed in (0, 1, 0):
        trained(seed)
        digests.append(own_digest("trained.py:build"))
    first, second, again = digests
    assert first == again != second


WRAPPED = """
import torch
from torch import nn

NETWORK = nn.Conv1d(1, 1, 3, padding=1)
NETWORK.load_state_dict(torch.load("trained.pt"))

def named(audio): return NETWORK(audio)
def build():
    network = NETWORK
    return lambda audio: network(audio)
class Wrapped:
    def __init__(self): self.layers = {"first": [NETWORK]}
    def __call__(self, audio): return self.layers["first"][0](audio)
"""


@pytest.mark.parametrize("name", ["named", "build", "Wrapped"])
def test_networks_are_found_where_they_are_kept(name: str) -> None:
    Path("wrapped.py").write_text(WRAPPED)
    digests: list[str] = []
    for seed in (0, 1):
        trained(seed)
        digests.append(own_digest(f"wrapped.py:{name}"))
    assert digests[0] != digests[1]


def test_arrays_are_known_too() -> None:
    Path("arrays.py").write_text(
        "import numpy as np, torch\n"
        "GAIN = np.load('gain.npy')\n"
        "def by(audio): return audio * torch.from_numpy(GAIN)\n"
    )
    digests: list[str] = []
    for gain in (0.5, 0.25):
        np.save("gain.npy", np.array([gain], np.float32))
        digests.append(own_digest("arrays.py:by"))
    assert digests[0] != digests[1]


def test_other_code_makes_it_another_enhancer() -> None:
    before = own_digest("zoo.py:peak"), own_digest("zoo:peak")
    assert before[0] == before[1] == own_digest("zoo.py:peak")
    with Path("zoo.py").open("a") as file:
        file.write("def peak(audio): return audio / 2\n")
    assert own_digest("zoo.py:peak") != before[0]


def test_a_file_is_known_by_what_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unhear.enhancers.digest.load_enhancer", None)  # so it is not loaded
    content = hashlib.sha256(Path("my.pt").read_bytes()).hexdigest()
    assert content.startswith(own_digest("my.pt"))
    assert own_digest("my.pt2") != own_digest("my.pt")


# What does not


@pytest.mark.parametrize("own", ["numpy", "rounded", "without"])
def test_without_gradients_it_enhances_only(own: str, cli: Callable[..., Outcome]) -> None:
    refused = cli(*PROTECT, f"zoo:{own}")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert f"zoo:{own} has no gradients to attack" in refused.err
    assert not Path("out.wav").exists()
    assert cli("enhance", "in.wav", "-o", "out.wav", "--with", f"zoo:{own}").code == 0


def test_black_boxes_are_refused_before_they_are_loaded(
    cli: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = [name for name, entry in registry().items() if not entry.card.differentiable]
    monkeypatch.setattr("unhear.choices.load_enhancer", None)
    for name in boxes:
        err = cli(*PROTECT, name).err
        assert err.startswith(f"unhear: {name} has no gradients to attack: attack one that has")
        assert "metricgan+" in err
        assert f"`unhear enhance --with {name}`" in err


BAD = {
    "none.pt": "none.pt does not exist",
    "state.pt": "torch.jit.save",
    "my.ts": "my.ts does not exist",
    "text.pt2": "torch.export.save",
    "static.pt2": "exactly 16,000 samples: export it with a dynamic time",
    "traced.pt": "gives 4,000 samples for 6,433; 4,000 went well, so it may have been traced",
    "nowhere:build": "no module nowhere",
    "none.py:build": "none.py does not exist",
    "zoo:missing": "zoo has no missing",
    "zoo:size": "zoo:size is of type int",
    "zoo:two": "neither with the audio alone nor without",
    "zoo:Sized": "neither with the audio alone nor without",
    "zoo:nothing": "gives NoneType",
    "zoo:bang": "it raised ZeroDivisionError: no weights",
    "zoo:broken": "(batch, time): KeyError: 'mask'",
    "zoo:pair": "it returns is of type tuple",
    "zoo:words": "it returns is of type str",
    "zoo:whole": "it returns is torch.int16",
    "zoo:half": "it gives 2,000 samples for 4,000",
    "zoo:empty": "infinite samples, or NaN",
    "zoo:Remembering": "something else for the same clip once it has heard another",
    "training.pt2": "exported in training: call its eval()",
    "zoo:fixed": "ValueError: 4000 samples, please; 4,000 went well",
    "raising:build": "raising cannot be loaded, for it raised RuntimeError: no driver",
    "raising.py:build": "raising.py cannot be loaded, for it raised RuntimeError: no driver",
    "needy:build": "No module named 'libhearing'",
    "leaving:build": "it raised SystemExit: 3",
    "hf:org/file.pt": "hf:ORG/REPO/FILE",
    "hf:org/repo/model.onnx": "no known ending",
    "speechbrain:org/model": "needs SpeechBrain",
    "my.onnx": "is ONNX",
}


@pytest.mark.parametrize("own", BAD)
def test_what_cannot_be_used_is_told_in_one_sentence(
    own: str, cli: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("raising.py").write_text("raise RuntimeError('no driver\\nof any kind')")
    Path("needy.py").write_text("import libhearing")
    Path("leaving.py").write_text("raise SystemExit(3)")
    monkeypatch.setattr("unhear.external.hub.fetch", lambda *_: Path("in.wav"))
    outcome = cli(*PROTECT, own)
    assert (outcome.code, outcome.out) == (2, "")
    assert len(outcome.err.splitlines()) == 1
    assert BAD[own] in outcome.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("my.pt", "--weights", "w.pt"), "brings its own weights"),
        (("my.pt", "--against-rate", "100"), "100 Hz is no usable rate"),
        (("metricgan+", "--against-rate", "8000"), "works at 16000 Hz: leave the rate out"),
    ],
)
def test_flags_that_do_not_apply(
    arguments: tuple[str, ...], sentence: str, cli: Callable[..., Outcome]
) -> None:
    outcome = cli(*PROTECT, *arguments)
    assert outcome.code == 2
    assert sentence in outcome.err


def test_the_telling_line_of_an_error() -> None:
    assert said(ValueError()) == "ValueError"
    assert said(ValueError("\n one\ntwo")) == "ValueError: one"
    with warnings.catch_warnings(action="ignore"):
        model = torch.jit.load("my.pt")
    with pytest.raises(RuntimeError) as caught:
        model(torch.zeros(2, 2, 2, 2))
    assert said(caught.value).startswith("RuntimeError: Expected 2D")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.pt", "torchscript"),
        ("A/B.PTH", "torchscript"),
        ("C:\\a.pt2", "exported"),
        ("C:\\a.py:build", "python"),
        ("hf:a/b/c.pt", "hub"),
        ("speechbrain:a/b", "speechbrain"),
        ("a.b:c", "python"),
        ("a:", None),
        (":a", None),
        ("https://a.b", None),
        ("metricgan+", None),
    ],
)
def test_forms_are_told_apart_by_the_name_alone(name: str, form: str | None) -> None:
    assert form_of(name) == form


# Hubs


def test_a_file_of_a_hub_is_taken_from_the_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setenv("UNHEAR_OFFLINE", "1")
    repository = folder / "hub" / "models--org--repo"
    snapshot = repository / "snapshots" / "abc" / "models"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    shutil.copy("my.pt2", snapshot / "best.pt2")
    enhancer = load_enhancer("hf:org/repo/models/best.pt2")
    assert enhancer.card.weights == "huggingface.co/org/repo"
    assert enhancer.card.name == "hf:org/repo/models/best.pt2"
    with pytest.raises(FailureError, match=r"hf:org/repo/other\.pt is not in the local hub"):
        load_enhancer("hf:org/repo/other.pt")


def test_a_hub_that_lacks_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import EntryNotFoundError

    def fail(error: Exception) -> Callable[..., str]:
        def download(*_: object, **__: object) -> str:
            raise error

        return download

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail(EntryNotFoundError("404")))
    with pytest.raises(InputError, match=r"no public a\.pt in org/repo"):
        load_enhancer("hf:org/repo/a.pt")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail(OSError("disk full")))
    with pytest.raises(FailureError, match="OSError: disk full"):
        load_enhancer("hf:org/repo/a.pt")


SPEECHBRAIN = {  # as its public documentation has it
    "__init__": "",
    "inference/__init__": "",
    "utils/__init__": "",
    "utils/fetching": """
class FetchConfig:
    def __init__(self, allow_network): self.allow_network = allow_network
""",
    "inference/interfaces": """
import types, torch
class Pretrained(torch.nn.Module):
    @classmethod
    def from_hparams(cls, source, savedir, run_opts, **options):
        if source.endswith("damaged"): raise ValueError("Need hparams['resynth']")
        self = cls()
        self.mods = torch.nn.ModuleDict({"enhance_model": torch.nn.Linear(1, 1)})
        spks = 2 if source.endswith("two") else 1
        self.hparams = types.SimpleNamespace(sample_rate=8000, num_spks=spks)
        self.device, self.options = run_opts["device"], options
        return self
    def amplified(self, audio):
        return self.mods.enhance_model(audio.to(self.device)[..., None])[..., 0]
""",
    "inference/enhancement": """
from .interfaces import Pretrained
class SpectralMaskEnhancement(Pretrained):
    def enhance_batch(self, noisy, lengths=None):
        assert lengths.shape == noisy.shape[:1] and (lengths == 1).all()
        audio = self.amplified(noisy)
        return audio / audio.abs().amax(1, keepdim=True)
class WaveformEnhancement(Pretrained):
    def enhance_batch(self, noisy, lengths=None): return self.amplified(noisy)
""",
    "inference/separation": """
from .interfaces import Pretrained
class SepformerSeparation(Pretrained):
    def separate_batch(self, mix): return self.amplified(mix)[..., None]
""",
}


@pytest.fixture
def speechbrain(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """A stand-in for SpeechBrain; makes the folder of a model of some interface."""
    for name, code in SPEECHBRAIN.items():
        path = folder / "fakes" / "speechbrain" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    monkeypatch.syspath_prepend(folder / "fakes")
    monkeypatch.setenv("UNHEAR_WEIGHTS", str(folder / "cache"))

    def model(interface: str, name: str = "model") -> str:
        (folder / "org" / name).mkdir(parents=True)
        config = json.dumps({"speechbrain_interface": interface} if interface else {})
        (folder / "org" / name / "config.json").write_text(config)
        return f"speechbrain:org/{name}"

    return model


@pytest.mark.parametrize(
    "interface", ["SpectralMaskEnhancement", "WaveformEnhancement", "SepformerSeparation"]
)
def test_speechbrain(
    interface: str, speechbrain: Callable[..., str], cli: Callable[..., Outcome]
) -> None:
    name = speechbrain(interface)
    enhancer = load_enhancer(name)
    card = enhancer.card
    assert (card.sample_rate, card.parameters, card.differentiable) == (8000, 2, True)
    assert interface in card.summary
    assert ("peak" in card.summary) == (interface == "SpectralMaskEnhancement")
    assert cli(*PROTECT, name).code == 0


def test_speechbrain_of_the_hub(
    speechbrain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the configuration is fetched here; offline, SpeechBrain is told so."""
    speechbrain("WaveformEnhancement")
    Path("org").rename("fetched")
    monkeypatch.setenv("UNHEAR_OFFLINE", "1")
    monkeypatch.setattr(
        "huggingface_hub.hf_hub_download",
        lambda repository, file, **_: f"{repository.replace('org', 'fetched')}/{file}",
    )
    enhancer = load_enhancer("speechbrain:org/model")
    options = enhancer.model.model.options  # type: ignore
    assert options["fetch_config"].allow_network is False


@pytest.mark.parametrize(
    ("interface", "name", "sentence"),
    [
        ("EncoderDecoderASR", "asr", "is for EncoderDecoderASR: give a model for one of Spec"),
        ("", "blank", "speechbrain_interface"),
        ("SepformerSeparation", "two", "separates 2 speakers"),
        ("WaveformEnhancement", "damaged", "ValueError: Need hparams"),
    ],
)
def test_speechbrain_that_is_no_enhancer(
    interface: str, name: str, sentence: str, speechbrain: Callable[..., str]
) -> None:
    with pytest.raises(InputError, match=sentence):
        load_enhancer(speechbrain(interface, name))


# The guide's second half


@pytest.fixture
def registered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The guide's files, as if they were in the package."""
    for package in (unhear.enhancers, unhear.networks):
        own = folder / package.__name__
        own.mkdir()
        place = f"src/{package.__name__.replace('.', '/')}/smoother.py"
        (own / "smoother.py").write_text(BLOCKS[place])
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(own)])
    registry.cache_clear()
    yield
    monkeypatch.undo()
    registry.cache_clear()


@pytest.mark.usefixtures("registered")
def test_an_enhancer_is_added_by_one_file(cli: Callable[..., Outcome]) -> None:
    assert "smoother" in registry()
    assert "smoother" in cli("enhancers").out
    outcome = cli(*PROTECT, "smoother")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.settings["weights"] == {"smoother": "random"}


def test_the_guides_wheel_is_a_source() -> None:
    space: dict[str, Any] = {"__name__": "smoother"}
    exec(BLOCKS["src/unhear/enhancers/smoother.py"], space)
    exec(BLOCKS["src/unhear/enhancers/smoother.py, continued"], space)
    assert {member.package for member in space["ENTRY"].source.members} == {"some-package"}
    assert not space["ENTRY"].here
