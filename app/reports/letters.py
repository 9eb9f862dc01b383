"""The sizes and colours of printed text, and how marks inside a line are kept."""

from typing import Any

from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle

from app.reports import typeface
from app.reports.drawings import PRINT, colour
from app.reports.markup import Element, plain

MARGIN = 54.0  # points, on every side
INDENT = 6.0  # that reportlab leaves inside the margin
WIDTH = A4[0] - 2 * (MARGIN + INDENT)
PAD = 8.0
CELL_SIZE = 8.0
QUIET = colour("quiet")


def style(name: str, size: float, *, leading: float = 1.35, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(
        name, fontName=typeface.REGULAR, fontSize=size, leading=leading * size, **more
    )


BODY = style("body", 9.5, spaceBefore=3, spaceAfter=3)
CAPTION = style("caption", 8.0, textColor=QUIET, spaceBefore=2, spaceAfter=3)
TABLE_CAPTION = style("table caption", 8.0, textColor=QUIET, spaceBefore=8, keepWithNext=1)
ITEM = style("item", 9.5, leftIndent=11, bulletIndent=1, spaceBefore=2)
CELL = style("cell", CELL_SIZE, leading=1.25)
FIGURE = style("figure", CELL_SIZE, leading=1.25, alignment=TA_RIGHT)
CARD = style("card", 7.5, textColor=QUIET)
TILE = style("tile", 11.5, leading=1.2)
HEADINGS = {
    "h1": style("h1", 19, leading=1.2, spaceAfter=5),
    "h2": style("h2", 13, spaceBefore=15, spaceAfter=4, keepWithNext=1),
    "h3": style("h3", 10.5, spaceBefore=7, spaceAfter=2, keepWithNext=1),
    "summary": style("summary", 10.5, spaceBefore=7, spaceAfter=2, keepWithNext=1),
}
BADGES = ("good", "bad", "open")
ON_A_LINE_OF_ITS_OWN = ("dd", "th", "td")  # where a page sets the small print below


def marked(element: Element) -> str:
    """The words of an element, with what stands out in them, as reportlab's paragraphs want it."""
    parts = (
        typeface.marked_up(child) if isinstance(child, str) else inside(child, element.name)
        for child in element.children
        if isinstance(child, str) or child.name != "svg"
    )
    return plain("".join(parts))


def inside(element: Element, parent: str) -> str:
    """One mark inside a line."""
    words = marked(element)
    if element.name == "small":
        apart = "<br/>" if parent in ON_A_LINE_OF_ITS_OWN else " "
        return f'{apart}<font color="{PRINT["quiet"]}" size="7.5">{words}</font>'
    if element.name == "strong":
        return f"<b>{words}</b>"
    if "range" in element.classes:
        return f'<font color="{PRINT["quiet"]}">{words}</font>'
    if kinds := [kind for kind in BADGES if kind in element.classes]:
        return f'<font color="{PRINT[kinds[0]]}"><b>{words}</b></font>'
    return f"{words} " if "fact" in element.classes else words
