"""Tables on paper: those of a page, and rows of cards and pictures."""

from collections.abc import Iterator, Sequence
from typing import Any

from reportlab.graphics.shapes import Drawing, Rect
from reportlab.lib.colors import Color
from reportlab.platypus import Flowable, Paragraph, Spacer, Table

from app.reports.columns import widths
from app.reports.drawings import colour
from app.reports.letters import CELL, CELL_SIZE, FIGURE, PAD, QUIET, TABLE_CAPTION, WIDTH, marked
from app.reports.markup import Element, plain

LEGEND_WORDS = 108.0  # points
# reportlab's commands: what, from which cell, to which, how.
PLAIN: list[Any] = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("VALIGN", (0, 0), (-1, -1), "MIDDLE")]
RULED: list[Any] = [
    ("LINEBELOW", (0, 0), (-1, -1), 0.5, colour("rule")),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), PAD),
    ("TOPPADDING", (0, 0), (-1, -1), 2.5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
]


def table(element: Element) -> Iterator[Flowable]:
    """A page's table below its caption; its head is repeated on every page that it reaches."""
    rows = list(element.all("tr"))
    across = max(len(row.elements) for row in rows)
    filled = [padded(row.elements, across) for row in rows]
    texts = [[lines_of(cell) for cell in row] for row in filled]
    head = sum(len(part.elements) for part in element.all("thead"))
    for caption in element.all("caption"):
        yield Paragraph(marked(caption), TABLE_CAPTION)
    yield Table(
        [[cell_of(cell) for cell in row] for row in filled],
        colWidths=widths(texts, size=CELL_SIZE, room=WIDTH, pad=PAD + 1),
        repeatRows=head,
        style=[*RULED, ("TEXTCOLOR", (0, 0), (-1, head - 1), QUIET)],
        hAlign="LEFT",
    )
    yield Spacer(0, PAD)


def padded(cells: Sequence[Element], across: int) -> list[Element]:
    """A row whose cell spans others gets empty ones for them."""
    return [*cells, *(Element("td") for _ in range(across - len(cells)))]


def lines_of(cell: Element) -> str:
    """The cell's words, one line for each that it will be set on at least."""
    small = [part.text for part in cell.elements if part.name == "small"]
    rest = [part if isinstance(part, str) else part.text for part in cell.children]
    large = plain(" ".join(part for part in rest if part not in small))
    return "\n".join([large, *small])


def cell_of(cell: Element) -> Paragraph:
    return Paragraph(marked(cell), FIGURE if "figure" in cell.classes else CELL)


def grid(cells: Sequence[Any], *, across: int, width: float) -> Flowable:
    """Cells of one width, so many side by side."""
    filled = [*cells, *[""] * (-len(cells) % across)]
    rows = [filled[start : start + across] for start in range(0, len(filled), across)]
    return Table(rows, colWidths=[width] * across, style=PLAIN, hAlign="LEFT")


def swatch(width: float, fill: Color) -> Drawing:
    """A patch of colour for a legend."""
    picture = Drawing(width, PAD)
    style: dict[str, Any] = {"fillColor": fill, "strokeColor": QUIET, "strokeWidth": 0.5}
    picture.add(Rect(0, 0, width, PAD, **style))
    return picture
