"""The letters of printed reports: Source Sans, from a wheel, so that no machine needs fonts."""

import re
from importlib.resources import files

from markupsafe import escape
from reportlab.pdfbase.pdfmetrics import registerFont, registerFontFamily, stringWidth
from reportlab.pdfbase.ttfonts import TTFont

REGULAR, BOLD = "SourceSansPro-Regular", "SourceSansPro-Bold"
FONTS = files("font_source_sans_pro") / "files"
# What the typeface lacks, and how it is written instead.
SPELT = str.maketrans({"∇": "nabla\u00a0", "\u2009": "\u202f"})
RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "−0123456789")
POWER = re.compile(f"[{''.join(map(chr, RAISED))}]+")

for name in (REGULAR, BOLD):
    registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))
registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)


def printable(text: str) -> str:
    """A text in letters that the typeface has."""
    return text.translate(SPELT)


def marked_up(text: str) -> str:
    """The same for a paragraph: escaped, and powers raised."""
    return POWER.sub(
        lambda power: f"<super>{power[0].translate(RAISED)}</super>", str(escape(printable(text)))
    )


def width(text: str, size: float) -> float:
    """In points, at this size, in points."""
    return float(stringWidth(printable(text), REGULAR, size))
