"""Files of Hugging Face repositories, downloaded on first use."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from unhear.errors import AbsentError, FailureError, InputError
from unhear.external import files
from unhear.external.adapter import said
from unhear.weights import offline

if TYPE_CHECKING:
    from unhear.external.probe import Found


def load(name: str) -> Found:
    """The TorchScript or exported program ``hf:ORG/REPO/FILE``."""
    organisation, _, rest = name.removeprefix("hf:").partition("/")
    repository, _, file = rest.partition("/")
    if not (organisation and repository and file):
        raise InputError(f"{name} is not of the form hf:ORG/REPO/FILE: name all three")
    files.require_form(name, file)
    path = fetch(f"{organisation}/{repository}", file, name)
    return files.load_as(name, path, f"huggingface.co/{organisation}/{repository}")


def fetch(repository: str, file: str, name: str) -> Path:
    """One file, from the local cache or else the network.

    Raises InputError when there is no such file, FailureError when it cannot be had.
    """
    if find_spec("huggingface_hub") is None:
        raise InputError(
            f"{name} needs huggingface_hub, which is missing: "
            "install it with pip install 'unhear[transcribe]'"
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(hf_hub_download(repository, file, local_files_only=offline()))
    except LocalEntryNotFoundError as error:
        raise AbsentError(
            f"{name} is not in the local hub cache and cannot be downloaded: check the network "
            "connection, or unset UNHEAR_OFFLINE once if it is set"
        ) from error
    except (EntryNotFoundError, RepositoryNotFoundError, HFValidationError) as error:
        raise InputError(
            f"the Hugging Face hub has no public {file} in {repository}: check {name}"
        ) from error
    except Exception as error:
        raise FailureError(f"{name} cannot be downloaded ({said(error)}): try again") from error
