"""Which weights an enhancer has, in a few digits that reports can show."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from unhear.enhancers import find, is_external, load_enhancer, own_file
from unhear.enhancers.external import form_of_file

if TYPE_CHECKING:
    from unhear.enhancers.base import Enhancer

DIGITS = 8


@cache
def weights_digest(name: str) -> str:
    """First digits of the SHA-256 of an enhancer's (first) file of weights, "" for what has
    none, such as a filter; of the user's own, of :func:`own_digest`.
    """
    if is_external(name):
        return own_digest(name)
    entry = find(name)
    if entry.bundled and entry.bundled.exists():
        return digest_of(entry.bundled)
    return entry.source.files[0].sha256[:DIGITS] if entry.source else ""


def own_digest(name: str) -> str:
    """First digits of a SHA-256 of what can be known of an enhancer of the user's: the file
    that holds it or, of Python, that defines it, and the weights of its networks, which
    loads it. Other code, and what it keeps elsewhere, is not known.

    Raises InputError when it cannot be loaded.
    """
    file = own_file(name)
    if file and form_of_file(name):
        return digest_of(file)
    from unhear.external.state import networks
    from unhear.networks.contents import content

    enhancer = load_enhancer(name)
    code = file or _code(name)
    digest = hashlib.sha256(code.read_bytes() if code else b"")
    for each in networks(enhancer):
        digest.update(content(each))
    return digest.hexdigest()[:DIGITS]


def _code(name: str) -> Path | None:
    """The file of the module in MODULE:NAME, once that is imported."""
    module = sys.modules.get(name.rpartition(":")[0])
    file = getattr(module, "__file__", None)
    return Path(file) if file else None


@cache
def digest_of(path: Path) -> str:
    """First digits of the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]


def state_digest(enhancer: Enhancer) -> str:
    """First digits of a SHA-256 of an enhancer of ours as it is: its card, the weights of its
    network and its settings. "" for the user's own, of which not all can be known.
    """
    from unhear.networks.base import NetworkEnhancer
    from unhear.networks.contents import content

    own = not type(enhancer).__module__.startswith("unhear.")
    if own or not isinstance(enhancer, NetworkEnhancer):
        return ""
    kept = (bool, int, float, str)
    settings = {name: each for name, each in vars(enhancer).items() if isinstance(each, kept)}
    digest = hashlib.sha256(f"{enhancer.card!r} {settings}".encode())
    digest.update(content(enhancer.network))
    return digest.hexdigest()[:DIGITS]
