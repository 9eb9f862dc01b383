"""The picture of ROC curves, on log axes: what is found while few are accused falsely."""

from collections.abc import Sequence

from markupsafe import Markup

from app.reports.curves import Roc
from app.reports.measured import AFTER, BEFORE, REFERENCE
from app.reports.plots import axis, dot
from app.reports.svg import Scale, drawing, line, outline, tag, words
from app.reports.words import NETWORKS

WIDTH, HEIGHT = 400.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 388.0, 10.0, 254.0


def roc_plot(rocs: Sequence[Roc]) -> Markup:
    """Each network's curve; around that of the new one its interval. The diagonal is chance."""
    least = min(point.false for roc in rocs for point in roc.points)
    across = Scale(min(least, 0.1), 1.0, LEFT, RIGHT, logarithmic=True)
    up = Scale(min(least, 0.1), 1.0, BOTTOM, TOP, logarithmic=True)
    shown = [roc for name in (BEFORE, REFERENCE, AFTER) for roc in rocs if roc.network == name]
    told = "; ".join(f"{NETWORKS[roc.network]}: {found_first(roc)}" for roc in shown)
    return drawing(
        "roc",
        *axis(across, TOP, BOTTOM),
        *upright(up),
        *(band(roc, across, up) for roc in shown if roc.network == AFTER),
        line(across(up.low), up(up.low), across(1.0), up(1.0), "zero"),
        *(curve(roc, across, up) for roc in shown),
        words(RIGHT, BOTTOM + 32, "unseen samples called members", anchor="end"),
        title="ROC of the loss attack, both axes logarithmic",
        description=f"The diagonal is chance. {told}.",
        width=WIDTH,
        height=HEIGHT,
    )


def found_first(roc: Roc) -> str:
    """In words: the curve's left end."""
    first = roc.points[0]
    return f"{first.found.estimate:.1%} found at {first.false:.1%} false alarms"


def upright(up: Scale) -> list[Markup]:
    marks: list[Markup] = []
    for value in up.ticks():
        marks.append(line(LEFT, up(value), RIGHT, up(value), "grid"))
        marks.append(words(LEFT - 5, up(value) + 4, f"{value:g}", anchor="end"))
    return marks


def curve(roc: Roc, across: Scale, up: Scale) -> Markup:
    """A line with the network's sign at each point: not by colour alone."""
    places = [(across(point.false), up(point.found.estimate)) for point in roc.points]
    signs = (dot(x, y, roc.network) for x, y in places)
    return tag("g", outline(places, f"curve {roc.network}"), *signs)


def band(roc: Roc, across: Scale, up: Scale) -> Markup:
    """Between the lower and the upper ends of the intervals."""
    above = [(across(point.false), up(point.found.high)) for point in roc.points]
    below = [(across(point.false), up(point.found.low)) for point in reversed(roc.points)]
    corners = " ".join(f"{x:.2f},{y:.2f}" for x, y in (*above, *below))
    return tag("polygon", points=corners, class_="allowed")
