"""The three pictures of a report, drawn from what the audit kept: distributions, leaks, utility."""

import math
from collections.abc import Sequence
from statistics import median

from markupsafe import Markup

from app.reports.curves import Band
from app.reports.intervals import Interval
from app.reports.measured import (
    AFTER,
    BEFORE,
    FORGOTTEN,
    REFERENCE,
    RETAINED,
    UNSEEN,
    Distribution,
    Leak,
    Measured,
)
from app.reports.numbers import minus
from app.reports.svg import Scale, drawing, line, outline, tag, words
from app.reports.words import LOOKS, NETWORKS, SETS

WIDTH, PANEL_HEIGHT = 320.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 308.0, 26.0, 160.0
LEAST_LOSS = 1e-4  # a confidence of 99.99 %; whatever is below is drawn there
SHOWN_SETS = {RETAINED: "retained", UNSEEN: "unseen", FORGOTTEN: "forgotten"}
ROW = 46.0

Quantiles = tuple[float, ...]


def loss_panels(distributions: Sequence[Distribution], band: Band | None = None) -> list[Markup]:
    """One panel a network: the share of samples with a loss up to each value, on a log scale.

    Behind the curves the band in which references that never saw them have the forgotten.
    """
    ends = (band.least_losses, band.greatest_losses) if band else None
    drawn = [shown.losses for shown in distributions] + list(ends or ())
    highest = max((losses[-1] for losses in drawn), default=1.0)
    top = 10.0 ** math.ceil(math.log10(max(highest, 10 * LEAST_LOSS)))
    scale = Scale(LEAST_LOSS, top, LEFT, RIGHT, logarithmic=True)
    return [
        panel(
            f"loss-{network}",
            "loss",
            network,
            {one.samples: one.losses for one in told},
            scale,
            ends,
        )
        for network, told in by_network(distributions)
    ]


def confidence_panels(
    distributions: Sequence[Distribution], band: Band | None = None
) -> list[Markup]:
    """The same for the confidence in the right answer, 0 to 1."""
    ends = (band.least_confidences, band.greatest_confidences) if band else None
    scale = Scale(0.0, 1.0, LEFT, RIGHT)
    return [
        panel(
            f"confidence-{network}",
            "confidence",
            network,
            {one.samples: one.confidences for one in told},
            scale,
            ends,
        )
        for network, told in by_network(distributions)
    ]


def by_network(distributions: Sequence[Distribution]) -> list[tuple[str, list[Distribution]]]:
    """Before, after, reference: those that there are."""
    return [
        (network, told)
        for network in (BEFORE, AFTER, REFERENCE)
        if (told := [one for one in distributions if one.network == network])
    ]


def panel(
    name: str,
    measure: str,
    network: str,
    values: dict[str, Quantiles],
    scale: Scale,
    ends: tuple[Quantiles, Quantiles] | None,
) -> Markup:
    """The cumulative distributions of one network's values on the three sets."""
    height = Scale(0.0, 1.0, BOTTOM, TOP)
    shown = {one: values[one] for one in SHOWN_SETS if one in values}
    medians = ", ".join(f"{SHOWN_SETS[one]} {median(shown[one]):.2g}" for one in shown)
    if ends:
        least, greatest = (median(end) for end in ends)
        medians += f", forgotten by references {least:.2g} to {greatest:.2g}"
    curves = [
        outline(rising(quantiles, scale, height), f"curve {one}")
        for one, quantiles in shown.items()
    ]
    return drawing(
        name,
        words(LEFT, 14, NETWORKS[network], "heading"),
        *([between(*ends, scale, height)] if ends else []),
        *shares(height),
        *axis(scale, TOP, BOTTOM),
        words(RIGHT, BOTTOM + 28, measure, "label", anchor="end"),
        *curves,
        title=f"{measure.capitalize()} {NETWORKS[network]}",
        description=f"Share of samples with a {measure} up to each value. Medians: {medians}.",
        width=WIDTH,
        height=PANEL_HEIGHT + 4,
    )


def rising(quantiles: Quantiles, scale: Scale, height: Scale) -> list[tuple[float, float]]:
    """The places of a cumulative distribution, from no samples to all."""
    steps = len(quantiles) - 1
    return [(scale(value), height(level / steps)) for level, value in enumerate(quantiles)]


def between(least: Quantiles, greatest: Quantiles, scale: Scale, height: Scale) -> Markup:
    """The area between two cumulative distributions."""
    around = (*rising(least, scale, height), *reversed(rising(greatest, scale, height)))
    corners = " ".join(f"{x:.2f},{y:.2f}" for x, y in around)
    return tag("polygon", points=corners, class_="allowed")


def shares(height: Scale) -> list[Markup]:
    """The upright axis of a cumulative distribution."""
    marks: list[Markup] = []
    for share in (0.0, 0.5, 1.0):
        marks.append(line(LEFT, height(share), RIGHT, height(share), "grid"))
        if share:  # 0 % would stand in the way of the other axis
            marks.append(words(LEFT - 5, height(share) + 4, f"{share:.0%}", anchor="end"))
    return marks


def axis(scale: Scale, top: float, bottom: float, *, signed: bool = False) -> list[Markup]:
    """Upright lines at round values, each with its label below."""
    marks: list[Markup] = []
    for value in scale.ticks():
        at = scale(value)
        label = minus(f"{value:+g}" if signed and value else f"{value:g}")
        marks.append(line(at, top, at, bottom, "grid"))
        marks.append(words(at, bottom + 14, label, anchor="middle"))
    return marks


def leak_plot(leaks: Sequence[Leak]) -> Markup:
    """Each attack's leak before and after, with its interval, against the margin around zero."""
    reach = max(
        abs(number)
        for leak in leaks
        for number in (leak.before, leak.after.low, leak.after.high, leak.margin)
    )
    scale = Scale(-1.1 * reach, 1.1 * reach, 8, 392)
    bottom = 6 + ROW * len(leaks)
    told = "; ".join(
        f"{leak.attack}: {leak.before:+z.2f} before, {leak.after.estimate:+z.2f} after "
        f"[{leak.after.low:+z.2f}, {leak.after.high:+z.2f}], margin {leak.margin:.2f}"
        for leak in leaks
    )
    return drawing(
        "leaks",
        *(band(leak, scale, 6 + ROW * row) for row, leak in enumerate(leaks)),
        *axis(scale, 6, bottom, signed=True),
        *(leak_row(leak, scale, 6 + ROW * row) for row, leak in enumerate(leaks)),
        words(392, bottom + 30, "AUC less the yardstick's", anchor="end"),
        title="Leak of each attack, before and after",
        description=f"Zero is a network that never saw the samples. {told}.",
        width=400,
        height=bottom + 38,
    )


def band(leak: Leak, scale: Scale, top: float) -> Markup:
    """Where the whole interval has to lie; below the row's words, which it would run through."""
    start, end = scale(-leak.margin), scale(leak.margin)
    return tag("rect", x=start, y=top + 21, width=end - start, height=ROW - 25, class_="allowed")


def leak_row(leak: Leak, scale: Scale, top: float) -> Markup:
    middle = top + 32
    below, above = LOOKS.get(leak.attack, ("", ""))
    return tag(
        "g",
        words(12, top + 16, below),
        words(scale(0), top + 16, leak.attack, "heading", anchor="middle"),
        words(388, top + 16, above, anchor="end"),
        dot(scale(leak.before), middle, BEFORE),
        line(scale(0), top + 21, scale(0), top + ROW - 4, "zero"),
        whisker(leak.after, scale, middle, AFTER),
        dot(scale(leak.after.estimate), middle, AFTER),
    )


def utility_plot(measured: Sequence[Measured]) -> Markup:
    """The mean score of each network on each set, with its interval."""
    lowest = min(one.utility.score.low for one in measured)
    scale = Scale(max(0.0, math.floor(10 * lowest - 0.5) / 10), 1.0, 8, 388)
    rows = [name for name in SETS if any(one.samples == name for one in measured)]
    bottom = 6 + ROW * len(rows)
    told = "; ".join(
        f"{SETS[one.samples]}, {NETWORKS[one.network]}: {one.utility.score.estimate:z.3f}"
        for one in measured
    )
    return drawing(
        "utility",
        *axis(scale, 6, bottom),
        *(
            utility_row(SETS[name], [one for one in measured if one.samples == name], scale, top)
            for name, top in zip(rows, (6 + ROW * row for row in range(len(rows))), strict=True)
        ),
        words(388, bottom + 30, "mean score", anchor="end"),
        title="Mean score on each set of samples, before and after",
        description=f"{told}.",
        width=400,
        height=bottom + 38,
    )


def utility_row(label: str, measured: Sequence[Measured], scale: Scale, top: float) -> Markup:
    marks: list[Markup] = []
    for place, network in enumerate((BEFORE, AFTER, REFERENCE)):
        middle = top + 22 + 9 * place
        for score in (one.utility.score for one in measured if one.network == network):
            marks.append(whisker(score, scale, middle, network))
            marks.append(dot(scale(score.estimate), middle, network))
    return tag("g", words(12, top + 13, label, "heading"), *marks)


def whisker(interval: Interval, scale: Scale, y: float, network: str) -> Markup:
    """The interval around a dot."""
    return line(scale(interval.low), y, scale(interval.high), y, f"whisker {network}")


def dot(x: float, y: float, network: str) -> Markup:
    """A ring for before, a disc for after, a diamond for the reference: not by colour alone."""
    if network == REFERENCE:
        corners = f"{x:.2f},{y - 5:.2f} {x + 5:.2f},{y:.2f} {x:.2f},{y + 5:.2f} {x - 5:.2f},{y:.2f}"
        return tag("polygon", points=corners, class_=f"dot {network}")
    return tag("circle", cx=x, cy=y, r=4.5, class_=f"dot {network}")
