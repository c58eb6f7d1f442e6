"""Which weights an enhancer has, in a few digits that reports can show."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from unhear.enhancers import find, is_external, own_file

if TYPE_CHECKING:
    from unhear.enhancers.base import Enhancer

DIGITS = 8


@cache
def weights_digest(name: str) -> str:
    """First digits of the SHA-256 of an enhancer's (first) file of weights.

    "" for what has none, such as a filter, or keeps them where we do not see them.
    """
    if is_external(name):
        path = own_file(name)
        return digest_of(path) if path else ""
    entry = find(name)
    if entry.bundled and entry.bundled.exists():
        return digest_of(entry.bundled)
    return entry.source.files[0].sha256[:DIGITS] if entry.source else ""


@cache
def digest_of(path: Path) -> str:
    """First digits of the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]


def state_digest(enhancer: Enhancer) -> str:
    """First digits of a SHA-256 of an enhancer of ours as it is: its card, the weights of its
    network and its settings. "" for the user's own, of which not all can be known.
    """
    from unhear.networks.base import NetworkEnhancer

    if not isinstance(enhancer, NetworkEnhancer):
        return ""
    kept = (bool, int, float, str)
    settings = {name: each for name, each in vars(enhancer).items() if isinstance(each, kept)}
    digest = hashlib.sha256(f"{enhancer.card!r} {settings}".encode())
    for tensor in enhancer.network.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:DIGITS]
