import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reports import plots
from app.reports.curves import Band, Point, Roc
from app.reports.intervals import Interval
from app.reports.measured import Distribution, Leak, Measured, Utility
from app.reports.roc_plot import WIDTH as ROC_WIDTH
from app.reports.roc_plot import roc_plot
from app.reports.svg import Scale, drawing, round_step, tag, words
from tests.reports.reading import read_page

LEVELS = 41


def flat(network: str, value: float, *, samples: str = "forget") -> Distribution:
    """Every sample has the same loss."""
    return Distribution(network, samples, (value,) * LEVELS, (math.exp(-value),) * LEVELS)


def places(markup: str) -> list[float]:
    """Every number that places something."""
    written = re.findall(r' (?:x|y|x1|y1|x2|y2|cx|cy)="([^"]*)"', markup)
    points = re.findall(r'points="([^"]*)"', markup)
    return [float(number) for text in [*written, *points] for number in re.split(r"[ ,]", text)]


def well_drawn(markup: str, *, width: float) -> None:
    assert all(-1 <= place <= width + 1 for place in places(markup))
    assert read_page(markup).all("svg")


@pytest.mark.parametrize("loss", [0.0, 1e-9, 1e-4, 0.5, 1.0, 10.0, 1e6])
def test_constant_losses_and_confidences_can_be_drawn(loss: float) -> None:
    told = [flat("parent", loss), flat("served", loss, samples="test")]

    panels = [*plots.loss_panels(told), *plots.confidence_panels(told)]

    assert len(panels) == 4
    for panel in panels:
        well_drawn(panel, width=plots.WIDTH)


def test_the_references_band_lies_between_their_lowest_and_highest() -> None:
    low, high = (0.5,) * LEVELS, (2.0,) * LEVELS
    told = [flat("served", 1.0), flat("served", 9.0, samples="test")]

    (panel,) = plots.loss_panels(told, Band(4, low, high, low, high))

    (corners,) = re.findall(r'polygon points="([^"]*)" class="allowed"', panel)
    across = {float(corner.split(",")[0]) for corner in corners.split(" ")}
    scale = Scale(plots.LEAST_LOSS, 10.0, plots.LEFT, plots.RIGHT, logarithmic=True)
    assert across == {round(scale(0.5), 2), round(scale(2.0), 2)}
    assert "forgotten by references 0.5 to 2" in panel
    well_drawn(panel, width=plots.WIDTH)


@given(st.lists(st.floats(0, 50), min_size=LEVELS, max_size=LEVELS).map(sorted))
def test_a_curve_rises_from_no_samples_to_all(losses: list[float]) -> None:
    confidences = sorted(math.exp(-loss) for loss in losses)
    told = Distribution("served", "forget", tuple(losses), tuple(confidences))

    for (panel,) in (plots.loss_panels([told]), plots.confidence_panels([told])):
        (curve,) = re.findall(r'points="([^"]*)" class="curve forget"', panel)
        points = [tuple(map(float, point.split(","))) for point in curve.split(" ")]
        assert len(points) == LEVELS
        assert (points[0][1], points[-1][1]) == (plots.BOTTOM, plots.TOP)
        assert all(one[0] <= other[0] for one, other in pairwise(points))


def test_panels_of_one_measure_share_their_axis() -> None:
    before, after = plots.loss_panels([flat("parent", 0.01), flat("served", 30.0)])

    labels = [re.findall(r'text-anchor="middle">([^<]*)<', panel) for panel in (before, after)]
    assert labels[0] == labels[1] == ["0.0001", "0.01", "1", "100"]


def test_without_distributions_there_are_no_panels() -> None:
    assert plots.loss_panels([]) == plots.confidence_panels([]) == []


def leak(estimate: float, *, reach: float = 0.0, margin: float = 0.08) -> Leak:
    interval = Interval(estimate, estimate - reach, estimate + reach)
    return Leak("loss", before=estimate, after=interval, margin=margin, detectable=0.05)


@pytest.mark.parametrize(
    "leaks",
    [
        [leak(0.0)],
        [leak(0.5, reach=0.2), leak(-0.5, reach=0.3)],
        [leak(0.0, margin=0.0), leak(1e-12)],
        [leak(0.01, reach=1.0)],
    ],
)
def test_leaks_of_any_size_are_inside_the_picture(leaks: list[Leak]) -> None:
    well_drawn(plots.leak_plot(leaks), width=400)


def test_an_interval_reaches_over_the_margin_exactly_when_it_does() -> None:
    inside, across = (plots.leak_plot([leak(0.05, reach=reach)]) for reach in (0.02, 0.04))

    for picture, crosses in ((inside, False), (across, True)):
        (start, span) = re.findall(r'<rect x="([^"]*)".*? width="([^"]*)"', picture)[0]
        (end,) = re.findall(r'x2="([^"]*)" y2="[^"]*" class="whisker served"', picture)
        assert (float(end) > float(start) + float(span)) is crosses


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_score_can_be_drawn(value: float) -> None:
    constant = Interval(value, value, value)
    measured = [
        Measured(network, samples, None, Utility(20, constant, constant))
        for network in ("parent", "served", "reference")
        for samples in ("forget", "retain", "validation", "test")
    ]

    picture = plots.utility_plot(measured)

    well_drawn(picture, width=400)
    assert picture.count('class="dot reference"') == 4


def test_titles_and_labels_are_escaped() -> None:
    hostile = "<b>&\"'"

    picture = drawing(
        "one", words(0, 0, hostile), title=hostile, description=hostile, width=1, height=1
    )

    assert "<b>" not in picture
    assert read_page(picture).text.count(hostile) == 3
    assert read_page(tag("g", id=hostile)).all("g")[0]["id"] == hostile


numbers = st.floats(-1e6, 1e6)


@given(numbers, st.floats(1e-3, 1e6), numbers, numbers)
def test_a_scale_keeps_order_and_stays_in_its_bounds(
    low: float, span: float, one: float, other: float
) -> None:
    scale = Scale(low, low + span, 10, 300)

    small, large = scale(min(one, other)), scale(max(one, other))

    assert 10 <= small <= large <= 300 + 1e-9


@given(numbers, st.floats(1e-3, 1e6), st.integers(2, 9))
def test_ticks_lie_inside_and_are_not_too_many(low: float, span: float, most: int) -> None:
    ticks = Scale(low, low + span, 0, 100).ticks(most)

    assert len(ticks) <= most + 1
    assert all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in ticks)


@given(st.integers(-6, 3), st.integers(1, 9))
def test_ticks_of_a_logarithmic_scale_are_powers_of_ten(low: int, decades: int) -> None:
    ticks = Scale(10.0**low, 10.0 ** (low + decades), 0, 100, logarithmic=True).ticks()

    assert 1 <= len(ticks) <= 5
    assert all(math.log10(tick) == pytest.approx(round(math.log10(tick))) for tick in ticks)


@given(st.floats(1e-6, 1e6))
def test_a_round_step_is_one_two_or_five_times_a_power_of_ten(least: float) -> None:
    step = round_step(least)

    leading = float(f"{step:.6e}".split("e")[0])
    assert leading in (1.0, 2.0, 5.0)
    assert least * (1 - 1e-6) <= step <= least * 2.5 * (1 + 1e-6)


def curve_of(network: str, *found: float) -> Roc:
    """Found at one false alarm in a hundred, in ten, and at all."""
    alarms = (0.01, 0.1, 1.0)
    intervals = (Interval(one, max(0.0, one - 0.1), min(1.0, one + 0.1)) for one in found)
    return Roc(network, tuple(map(Point, alarms, intervals)))


@pytest.mark.parametrize("found", [(0.0, 0.0, 1.0), (1.0, 1.0, 1.0), (0.01, 0.1, 1.0)])
def test_any_roc_can_be_drawn_on_log_axes(found: tuple[float, ...]) -> None:
    drawn = roc_plot([curve_of("parent", 0.5, 0.9, 1.0), curve_of("served", *found)])

    well_drawn(drawn, width=ROC_WIDTH)


def test_a_roc_says_in_words_what_it_shows() -> None:
    drawn = roc_plot([curve_of("served", 0.25, 0.5, 1.0), curve_of("parent", 0.5, 0.9, 1.0)])

    assert "The diagonal is chance. before: 50.0% found at 1.0% false alarms; after: 25.0%" in drawn


def test_chance_lies_on_the_line_that_is_drawn_for_it() -> None:
    drawn = roc_plot([curve_of("served", 0.01, 0.1, 1.0)])

    (points,) = re.findall(r'points="([^"]*)" class="curve served"', drawn)
    (chance,) = re.findall(r'<line ([^>]*) class="zero"', drawn)
    ends = {name: float(value) for name, value in re.findall(r'(\w+)="([^"]*)"', chance)}
    first, *_, last = [tuple(map(float, point.split(","))) for point in points.split(" ")]
    assert first == pytest.approx((ends["x1"], ends["y1"]))
    assert last == pytest.approx((ends["x2"], ends["y2"]))
