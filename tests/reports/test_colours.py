"""Light, dark and printed: the same names of colours, and every text can be read."""

import re

import pytest

from app.reports.html import STYLE

TEXT = ("ink", "quiet", "link", "good", "bad", "open")
LINES = ("forget", "retain", "unseen", "parent", "served", "reference")
GROUNDS = ("paper", "card")
Colours = dict[str, str]


def colours(block: str) -> Colours:
    return dict(re.findall(r"--(\w+): (#[0-9a-f]+);", block))


def schemes() -> dict[str, Colours]:
    """Names of colours and their values: on a light screen, on a dark one, and printed."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)
    return dict(zip(("light", "dark", "printed"), map(colours, blocks), strict=True))


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    digits = colour[1:] if len(colour) > 4 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """1 to 21 (WCAG 2.2)."""
    dim, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def test_the_measure_of_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_all_schemes_name_the_same_colours_and_the_page_uses_no_other() -> None:
    light, dark, printed = schemes().values()

    assert light.keys() == dark.keys() == printed.keys()
    assert {*TEXT, *LINES, *GROUNDS} <= light.keys()
    assert set(re.findall(r"var\(--(\w+)\)", STYLE)) <= light.keys()


@pytest.mark.parametrize("scheme", ["light", "dark", "printed"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize(("names", "least"), [(TEXT, 4.5), (LINES, 3.0)])
def test_text_and_plots_can_be_told_from_what_they_stand_on(
    scheme: str, ground: str, names: tuple[str, ...], least: float
) -> None:
    known = schemes()[scheme]

    faint = {name for name in names if contrast(known[name], known[ground]) < least}

    assert faint == set()
