"""Matplotlib figure → SVG that lives inside an HTML page and takes on its colours.

The figure is drawn in placeholder colours, one for each role, which become CSS variables.
It may hold numbers but no texts of others: those belong in the HTML, where they wrap, are
escaped and keep their size on a phone.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, LINE = "#010001", "#010002"
SERIES = [f"#0200{index:02x}" for index in range(6)]
_VARIABLES = {
    INK: "currentColor",
    LINE: "var(--line)",
    **{colour: f"var(--series-{index})" for index, colour in enumerate(SERIES)},
}


def svg(figure: Figure, name: str) -> str:
    """The figure as an ``<svg>`` element, the same for the same figure.

    ``name`` keeps the element's identifiers apart from those of others in the page.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(file)
    return _for_html(file.getvalue())


def _for_html(text: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg)[^>]*( viewBox="[^"]*")[^>]*>', r'\1\2 aria-hidden="true">', text)
    text = re.sub(r"font-size: [^;]*; font-family: [^;]*; ", "", text)
    text = text.replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]*)", text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    return re.sub(r"\s*\n\s*", " ", text)
