"""Templates → one HTML file that needs nothing else, written whole or not at all.

Everything that goes into a template is escaped, but for the style, the script and the
drawings that this package makes itself. The script runs by its hash in the page's content
security policy, which forbids any other.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any

from unhear.errors import InputError
from unhear.outputs import replacing
from unhear.report import sounds, spectrogram

if TYPE_CHECKING:
    from pathlib import Path


def render(name: str, **values: object) -> str:
    """The template of this name in this package, filled in."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_read),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(_constants())
    return environment.get_template(name).render(**values)


def script() -> tuple[str, str]:
    """The page's only script, and its source in a content security policy."""
    source = _read("sort.js")
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
    return source, f"'sha256-{digest}'"


def write(html: str, path: Path) -> Path:
    """Write ``html`` to ``path``, whole or not at all, and return the path.

    Makes the folder when it is missing. Characters that UTF-8 does not know, as file names
    may hold, become question marks.
    Raises InputError when the folder cannot be made or the file not be written.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be made ({error.strerror}): name another one"
        ) from error
    with replacing(path) as partial:
        partial.write_bytes(html.encode("utf-8", "replace"))
    return path


def _read(name: str) -> str:
    return resources.files("unhear.report").joinpath(name).read_text("utf-8")


def _constants() -> dict[str, Any]:
    """What the templates say about spectrograms and sounds."""
    return {
        "longest": sounds.LONGEST,
        "picture_width": spectrogram.WIDTH,
        "picture_height": spectrogram.HEIGHT,
        "picture_colours": spectrogram.colour_stops(),
        "range_db": round(spectrogram.RANGE_DB),
    }
