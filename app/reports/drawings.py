"""The plots of a page as vector drawings for paper: the same SVG in the same style, for print."""

import re
from functools import cache
from typing import Any

from reportlab.graphics.shapes import (
    Circle,
    Drawing,
    Group,
    Line,
    Polygon,
    PolyLine,
    Rect,
    Shape,
    String,
)
from reportlab.lib.colors import Color, HexColor

from app.reports import typeface
from app.reports.html import STYLE
from app.reports.markup import Element

# The stylesheet's rules on parts of pictures, such as `svg .curve.forget { … }`.
RULES = re.findall(r"svg (\S+) \{([^}]*)\}", STYLE)
SILENT = ("title", "desc")  # said to those who cannot see the picture; paper has no place for it


def colour(name: str) -> Color:
    """A colour of the stylesheet as it is printed."""
    return HexColor(PRINT[name], hasAlpha=len(PRINT[name]) == len("#rrggbbaa"))


def spelt_out(value: str) -> str:
    """`#abc` as `#aabbcc`, the only one of the two that reportlab reads."""
    return "#" + "".join(2 * digit for digit in value[1:]) if len(value) == len("#rgb") else value


PRINT = {
    name: spelt_out(value)
    for name, value in re.findall(r"--([a-z]+): (#[0-9a-f]+);", STYLE.rpartition("@media print")[2])
}


def drawing(svg: Element, *, width: float) -> Drawing:
    """A picture of this width, in points."""
    _, _, across, down = (float(number) for number in svg.attributes["viewbox"].split())
    scale = width / across
    picture = Drawing(width, down * scale)
    group = Group(*shapes(svg, down), transform=(scale, 0, 0, scale, 0, 0))
    picture.add(group)
    return picture


def shapes(element: Element, height: float) -> list[Shape]:
    """The shapes of a part; SVG counts downwards from the top, paper upwards from the bottom."""
    return [
        shape
        for child in element.elements
        if child.name not in SILENT
        for shape in (shapes(child, height) if child.name == "g" else [shape_of(child, height)])
    ]


def shape_of(element: Element, height: float) -> Shape:
    """One shape in its style. ValueError for an element that our plots do not use."""
    at = {name: number(value) for name, value in element.attributes.items()}
    style = painted(element.name, element.classes)
    match element.name:
        case "line":
            return Line(at["x1"], height - at["y1"], at["x2"], height - at["y2"], **style)
        case "rect":
            bottom = height - at["y"] - at["height"]
            return Rect(at["x"], bottom, at["width"], at["height"], **style)
        case "circle":
            return Circle(at["cx"], height - at["cy"], at["r"], **style)
        case "polygon":
            return Polygon(points(element, height), **style)
        case "polyline":
            return PolyLine(points(element, height), **style)
        case "text":
            return written(element, at["x"], height - at["y"])
    raise ValueError(f"no plot of ours has a {element.name}")


def number(value: str) -> float:
    """A coordinate; 0 for an attribute that is none."""
    return float(value) if re.fullmatch(r"-?[\d.]+", value) else 0.0


def points(element: Element, height: float) -> list[float]:
    pairs = (pair.split(",") for pair in element.attributes["points"].split())
    return [place for x, y in pairs for place in (float(x), height - float(y))]


def written(element: Element, x: float, y: float) -> String:
    told = declared("text", element.classes)
    style: dict[str, Any] = {
        "fontName": typeface.BOLD if "font-weight" in told else typeface.REGULAR,
        "fontSize": float(told["font-size"].removesuffix("px")),
        "fillColor": paint(told["fill"]),
        "textAnchor": element.attributes.get("text-anchor", "start"),
    }
    return String(x, y, typeface.printable(element.text), **style)


@cache
def painted(name: str, classes: frozenset[str]) -> dict[str, Any]:
    """Stroke and fill of a shape; what no rule speaks of is not drawn."""
    style = declared(name, classes)
    dashes = style.get("stroke-dasharray")
    line = {
        "strokeColor": paint(style.get("stroke", "none")),
        "strokeWidth": float(style.get("stroke-width", "1")),
        "strokeDashArray": [float(dash) for dash in dashes.split()] if dashes else None,
        "strokeLineCap": 1 if style.get("stroke-linecap") == "round" else 0,
    }
    if name in ("line", "polyline"):
        return line
    return line | {"fillColor": paint(style.get("fill", "none"))}


def declared(name: str, classes: frozenset[str]) -> dict[str, str]:
    """What the stylesheet says of such an element, later rules over earlier ones."""
    style: dict[str, str] = {}
    for selector, declarations in RULES:
        tag, *wanted = selector.split(".")
        if tag in ("", name) and classes.issuperset(wanted):
            pairs = (each.split(":") for each in declarations.split(";") if each.strip())
            style |= {key.strip(): value.strip() for key, value in pairs}
    return style


def paint(value: str) -> Color | None:
    """A colour such as `var(--ink)`; None for `none`."""
    return None if value == "none" else colour(value.removeprefix("var(--").removesuffix(")"))
