"""Numbers as people read them; each filter of the templates is one of these functions."""

from datetime import UTC, datetime

NOTHING = "–"
THIN, FIXED = "\u202f", "\u00a0"  # blanks at which no line is broken
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """Three significant digits at most, or all digits of a whole number."""
    if value is None:
        return NOTHING
    value += 0.0  # minus zero is zero
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e6):
        return minus(f"{value:,.0f}".replace(",", THIN))
    if abs(value) >= 1000:
        return minus(f"{value:,.0f}".replace(",", THIN))
    if abs(value) >= 1e-3:
        return minus(f"{value:.3g}")
    digits, power = f"{value:.2e}".split("e")
    return minus(f"{digits}{FIXED}·{FIXED}10{str(int(power)).translate(SUPERSCRIPTS)}")


def score(value: float) -> str:
    """A score or a probability: three places."""
    return f"{value:z.3f}"


def signed(value: float) -> str:
    """A difference: three places, and its sign."""
    return minus(f"{value:+z.3f}")


def percent(share: float) -> str:
    """A share in per cent, one place where it is below ten."""
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def duration(seconds: float | None) -> str:
    """Seconds as a person would say them."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.2f}{FIXED}s"
    if seconds < 120:
        return f"{seconds:.0f}{FIXED}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes}{FIXED}min {rest}{FIXED}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{FIXED}h {minutes}{FIXED}min"


def setting(value: object) -> str:
    """A setting as somebody would write it who sets it; numbers with all their digits."""
    match value:
        case None:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(setting(each) for each in value) or NOTHING
    return minus(str(value)) if isinstance(value, int | float) else str(value)


def moment(at: datetime | None) -> str:
    """Date and time in UTC."""
    return NOTHING if at is None else f"{at.day} {at:%B %Y, %H:%M:%S} UTC"


def instant(text: str) -> str:
    """A moment that an entry states, RFC 3339, as `moment` has it."""
    return moment(datetime.fromisoformat(text).astimezone(UTC))


def day(at: datetime) -> str:
    """The date in UTC."""
    return f"{at.day} {at:%B %Y}"


def clock(at: datetime) -> str:
    """The time of day in UTC."""
    return f"{at:%H:%M:%S} UTC"


def minus(text: str) -> str:
    """A real minus sign."""
    return text.replace("-", "−")


FILTERS = {
    filter_.__name__: filter_
    for filter_ in (number, score, signed, percent, duration, setting, moment, instant, day, clock)
}
