"""Small pieces of SVG: escaped elements, and scales from numbers to places."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape


def tag(name: str, *inside: str, **attributes: str | float) -> Markup:
    """One element. `class_` becomes `class`, `stroke_width` becomes `stroke-width`."""
    written = [
        Markup(' {}="{}"').format(key.strip("_").replace("_", "-"), place(value))
        for key, value in attributes.items()
    ]
    content = Markup().join(escape(part) for part in inside)
    return Markup("<{0}{1}>{2}</{0}>").format(name, Markup().join(written), content)


def place(value: str | float) -> str:
    """A number as SVG wants it; a hundredth of a pixel is fine enough."""
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def drawing(
    name: str, *inside: str, title: str, description: str, width: float, height: float
) -> Markup:
    """A picture that tells what it shows to those who cannot see it; `name` is unique in a page."""
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", description, id=f"{name}-desc"),
        *inside,
        viewBox=f"0 0 {place(width)} {place(height)}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def words(x: float, y: float, text: str, kind: str = "label", *, anchor: str = "start") -> Markup:
    return tag("text", text, x=x, y=y, class_=kind, text_anchor=anchor)


@dataclass(frozen=True)
class Scale:
    """From values between `low` and `high` to pixels; values beyond either end stay at that end."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        held = min(max(value, self.low), self.high)
        low, high, at = (self._bent(number) for number in (self.low, self.high, held))
        return self.start + (self.end - self.start) * (at - low) / (high - low)

    def _bent(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value

    def ticks(self, most: int = 5) -> list[float]:
        """Round values to label, at most so many: powers of ten, or 1, 2 and 5 times one."""
        if self.logarithmic:
            powers = range(math.ceil(self._bent(self.low)), math.floor(self._bent(self.high)) + 1)
            return [10.0**power for power in powers][:: math.ceil(len(powers) / most)]
        step = round_step((self.high - self.low) / most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(count * step, 12) for count in range(first, last + 1)]


def round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def outline(points: Iterable[tuple[float, float]], kind: str) -> Markup:
    """A line through these places."""
    written = " ".join(f"{place(x)},{place(y)}" for x, y in points)
    return tag("polyline", points=written, class_=kind)
