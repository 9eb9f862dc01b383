"""A report's page set for paper: the same words, tables and plots, with numbered sheets.

Chosen over printing with a browser: docs/decisions/0009-pdf-is-set-from-the-page.md.
"""

import io
from functools import partial

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import SimpleDocTemplate

from app.reports import typeface
from app.reports.blocks import blocks
from app.reports.letters import INDENT, MARGIN, QUIET
from app.reports.markup import Element, read_tree

FOOT_SIZE = 7.0


def pdf(page: str, digest: str) -> bytes:
    """The page as a PDF; the same page gives the same bytes."""
    tree = read_tree(page)
    _, sheets = made(tree, digest, sheets=0)  # only then it is known how many there are
    content, _ = made(tree, digest, sheets=sheets)
    return content


def made(tree: Element, digest: str, *, sheets: int) -> tuple[bytes, int]:
    """The PDF, on whose every sheet stands of how many it is one, and how many it has."""
    file = io.BytesIO()
    template = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=tree.first("title").text,
        author="Lacuna",
        subject=f"SHA-256 of the report's JSON: {digest}",
        lang="en",
        invariant=1,
    )
    below = partial(foot, digest=digest, sheets=sheets)
    template.build(list(blocks(tree)), onFirstPage=below, onLaterPages=below)
    return file.getvalue(), template.page


def foot(canvas: Canvas, template: SimpleDocTemplate, *, digest: str, sheets: int) -> None:
    """The digest, and which sheet of how many this is."""
    canvas.setFont(typeface.REGULAR, FOOT_SIZE)
    canvas.setFillColor(QUIET)
    left, right = MARGIN + INDENT, A4[0] - MARGIN - INDENT
    canvas.drawString(left, MARGIN / 2, f"SHA-256 of this report's JSON: {digest}")
    canvas.drawRightString(right, MARGIN / 2, f"{template.page} / {sheets}")
