"""The elements of a report."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class ReportPage(HTMLParser):
    """A parsed page; parsing fails at a closing tag without an opening tag."""

    VOID_TAGS = ("meta", "img", "input", "br", "polyline", "line", "circle", "rect", "path")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open_tags: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        """Tag -> texts directly in its elements."""
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)
        self.close()
        assert self.open_tags == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID_TAGS:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags, f"</{tag}> without an opening tag"
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open_tags and data.strip():
            self.texts.setdefault(self.open_tags[-1], []).append(data.strip())

    def find_all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of the elements with a tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def sections(self) -> list[str]:
        """The headings."""
        return self.texts.get("h2", [])

    @property
    def data(self) -> dict[str, Any]:
        """What the script reads."""
        (text,) = [text for text in self.texts["script"] if text.startswith("{")]
        return dict(json.loads(text))

    @property
    def files(self) -> set[str]:
        """The files that the page refers to."""
        names = {
            value for _, attributes in self.elements for key, value in attributes.items() if key in ("src", "href")
        }
        return {str(name) for name in names} | {src for src, _ in self.data["samples"]}
