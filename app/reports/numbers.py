"""Numbers as people read them; each filter of the templates is one of these functions."""

from datetime import datetime

from app.reports.measured import Interval

NOTHING = "–"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """Three significant digits, or all digits of a whole number."""
    if value is None:
        return NOTHING
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e6):
        return minus(f"{value:,.0f}".replace(",", "\u202f"))
    if abs(value) >= 1000:
        return minus(f"{value:,.0f}".replace(",", "\u202f"))
    if abs(value) >= 1e-3:
        return minus(f"{value:#.3g}".rstrip("."))
    digits, power = f"{value:.2e}".split("e")
    return minus(f"{digits} · 10{str(int(power)).translate(SUPERSCRIPTS)}")


def score(value: float) -> str:
    """A score or a probability: three places."""
    return f"{value:.3f}"


def scored(interval: Interval) -> str:
    """A score with its interval."""
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def leaked(interval: Interval) -> str:
    """A difference with its interval, signs written."""
    low, high = signed(interval.low), signed(interval.high)
    return f"{signed(interval.estimate)} [{low}, {high}]"


def signed(value: float) -> str:
    return minus(f"{value:+.3f}")


def percent(share: float) -> str:
    """A share in per cent, one place where it is below ten."""
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def duration(seconds: float | None) -> str:
    """Seconds as a person would say them."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def moment(at: datetime | None) -> str:
    """Date and time in UTC."""
    return NOTHING if at is None else f"{at.day} {at:%B %Y, %H:%M:%S} UTC"


def day(at: datetime) -> str:
    """The date in UTC."""
    return f"{at.day} {at:%B %Y}"


def minus(text: str) -> str:
    """A real minus sign."""
    return text.replace("-", "−")


FILTERS = {
    filter_.__name__: filter_
    for filter_ in (number, score, scored, leaked, signed, percent, duration, moment, day)
}
