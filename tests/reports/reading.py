"""Reads a page as a browser does, but forgives nothing."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

CELLS = {"td", "th", "dt", "dd"}
VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Page:
    """What is on a page: its elements with their attributes, and its text without styles."""

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> list[dict[str, str]]:
        return [attributes for element, attributes in self.elements if element == name]


class Strict(HTMLParser):
    """Fails where an element is not closed, or closed by another's end."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice: {names}"
        self.page.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"
        if tag in CELLS:
            self.page.text += " "

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.page.text += data


def read_page(markup: str) -> Page:
    """The page; AssertionError unless every element is closed and every id is there once."""
    parser = Strict()
    parser.feed(markup)
    parser.close()
    assert parser.open == [], f"not closed: {parser.open}"
    ids = [attributes["id"] for _, attributes in parser.page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), f"ids twice: {ids}"
    parser.page.text = " ".join(parser.page.text.split())
    return parser.page
