"""A page's elements as the blocks that reportlab sets: headings, paragraphs, lists, plots."""

from collections.abc import Callable, Iterator
from functools import partial

from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Flowable, Paragraph, Spacer, Table

from app.reports import grids
from app.reports.drawings import colour, drawing
from app.reports.letters import BODY, CAPTION, CARD, HEADINGS, ITEM, PAD, TILE, WIDTH, marked
from app.reports.markup import Element

PLOT_WIDTH = 330.0  # points
LEGEND_MARK = 22.0
ACROSS = 3  # panels, or tiles, side by side
LEFT_OUT = ("head", "progress")  # a printed report does not move


def blocks(element: Element) -> Iterator[Flowable]:
    """Everything in an element, from top to bottom."""
    for child in element.elements:
        if child.name not in LEFT_OUT:
            yield from of(child)


def of(element: Element) -> Iterator[Flowable]:
    """The blocks of one element; a container is the blocks of what it contains."""
    kinds: dict[str, Callable[[Element], Iterator[Flowable]]] = {
        "h1": heading,
        "h2": heading,
        "h3": heading,
        "summary": heading,
        "p": partial(paragraph, style=BODY),
        "figcaption": partial(paragraph, style=CAPTION),
        "figure": together,
        "article": together,
        "ul": listed,
        "dl": defined,
        "table": grids.table,
        "svg": plot,
    }
    if "panels" in element.classes:
        yield from panels(element)
    else:
        yield from kinds.get(element.name, blocks)(element)


def heading(element: Element) -> Iterator[Flowable]:
    yield Paragraph(marked(element), HEADINGS[element.name])


def paragraph(element: Element, *, style: ParagraphStyle) -> Iterator[Flowable]:
    if element.text:
        yield Paragraph(marked(element), style)


def together(element: Element) -> Iterator[Flowable]:
    """What a page's end must not tear apart."""
    *others, last = blocks(element)
    for block in others:
        block.keepWithNext = True
    yield from (*others, last)


def listed(element: Element) -> Iterator[Flowable]:
    if "legend" in element.classes:
        yield legend(element)
        return
    for item in element.elements:
        yield Paragraph(marked(item), ITEM, bulletText="•")


def legend(element: Element) -> Flowable:
    """Each sign of a plot beside its meaning, in one row."""
    cells: list[Flowable] = []
    for item in element.elements:
        pictures = list(item.all("svg"))
        cells.append(
            drawing(pictures[0], width=LEGEND_MARK)
            if pictures
            else grids.swatch(LEGEND_MARK, colour("allowed"))
        )
        cells.append(Paragraph(marked(item), CAPTION))
    widths = [LEGEND_MARK + 4, grids.LEGEND_WORDS] * (len(cells) // 2)
    return Table([cells], colWidths=widths, style=grids.PLAIN, hAlign="LEFT")


def plot(element: Element) -> Iterator[Flowable]:
    yield grids.grid([drawing(element, width=PLOT_WIDTH)], across=1, width=PLOT_WIDTH)


def panels(element: Element) -> Iterator[Flowable]:
    """Small plots, side by side."""
    width = WIDTH / ACROSS
    pictures = [drawing(svg, width=width - PAD) for svg in element.all("svg")]
    yield grids.grid(pictures, across=ACROSS, width=width)


def defined(element: Element) -> Iterator[Flowable]:
    """Terms and what is said of each: as cards, as a glossary, or one after the other."""
    pairs = [(one.first("dt"), one.first("dd")) for one in element.elements]
    if "tiles" in element.classes:
        cards = [[Paragraph(marked(t), CARD), Paragraph(marked(d), TILE)] for t, d in pairs]
        yield Spacer(0, PAD)
        yield grids.grid(cards, across=ACROSS, width=WIDTH / ACROSS)
    elif "glossary" in element.classes:
        for term, meaning in pairs:
            yield Paragraph(f"<b>{marked(term)}</b>: {marked(meaning)}", BODY)
    else:
        told = " · ".join(f"{marked(term)}: {marked(meaning)}" for term, meaning in pairs)
        yield Paragraph(told, CAPTION)
