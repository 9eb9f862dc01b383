"""Our own pages read back as a tree, so that another form can be set from the same words."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr"}


@dataclass
class Element:
    """An element of a page: its name, its attributes, and what is in it."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Element | str"] = field(default_factory=list)

    @property
    def classes(self) -> frozenset[str]:
        return frozenset(self.attributes.get("class", "").split())

    @property
    def elements(self) -> list["Element"]:
        """The elements directly in it, texts left out."""
        return [child for child in self.children if isinstance(child, Element)]

    def all(self, *names: str) -> Iterator["Element"]:
        """Every element of these names in it, in the order of the page."""
        for child in self.elements:
            if child.name in names:
                yield child
            yield from child.all(*names)

    def first(self, name: str) -> "Element":
        return next(self.all(name))

    @property
    def text(self) -> str:
        """Its words, blanks as a browser would show them; one that breaks no line stays."""
        return plain(
            "".join(child if isinstance(child, str) else child.text for child in self.children)
        )


def plain(words: str) -> str:
    """With single blanks; one that breaks no line stays what it is."""
    return " ".join(part for part in words.replace("\n", " ").split(" ") if part)


class Reader(HTMLParser):
    """Builds the tree; every element of our pages is closed, tests/reports see to that."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("document")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            last = self.open[-1].children[-1]
            assert isinstance(last, Element)
            self.open.append(last)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.open[-1].children.append(Element(tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_tree(page: str) -> Element:
    """The page as a tree, below an element of its own."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader.open[0]
