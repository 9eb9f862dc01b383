"""Which of several media types a client would rather have (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """The offered media type that an Accept header ranks highest; among equals the first."""
    if accept is None:
        return offered[0]
    return max(offered, key=lambda media_type: quality(accept, media_type))


def quality(accept: str, media_type: str) -> float:
    """The weight of the most specific range that covers the media type; 0 where none does."""
    weights = dict(weighted(part) for part in accept.split(","))
    kind = media_type.partition("/")[0]
    ranges = (media_type, f"{kind}/*", "*/*")
    return next((weights[covering] for covering in ranges if covering in weights), 0.0)


def weighted(part: str) -> tuple[str, float]:
    """One range of the header and its weight; a weight that is no number counts as 0."""
    covering, *parameters = (piece.strip().lower() for piece in part.split(";"))
    written = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    return covering, float(written) if written.replace(".", "", 1).isdigit() else 0.0
