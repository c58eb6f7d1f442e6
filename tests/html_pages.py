"""What the tests of both pages share: a page read back as a browser would."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "link", "img"}


@dataclass
class Found(HTMLParser):
    """Every element of a page with its attributes, and the text between them."""

    elements: list[tuple[str, dict[str, str]]] = field(
        default_factory=list[tuple[str, dict[str, str]]]
    )
    open: list[str] = field(default_factory=list[str])
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def parse(path: Path) -> Found:
    found = Found()
    found.feed(path.read_text(encoding="utf-8"))
    assert not found.open
    return found


def content(uri: str) -> bytes:
    return base64.b64decode(uri.split(";base64,")[1], validate=True)
