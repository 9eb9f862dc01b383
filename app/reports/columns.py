"""How wide the columns of a printed table are, when its words have to share a page's width."""

from collections.abc import Sequence

from app.reports import typeface

MOST = 190.0  # points that a column asks for at most, before it breaks its lines
LONGEST_WORD = 84.0  # points; longer words, such as digests, are broken


def widths(rows: Sequence[Sequence[str]], *, size: float, room: float, pad: float) -> list[float]:
    """In points: what each column asks for if there is room, else its longest word and a share."""
    columns = list(zip(*rows, strict=True))
    wanted = [asked(column, size, MOST) + pad for column in columns]
    if sum(wanted) <= room:
        return wanted
    words = [[word for cell in column for word in cell.split(" ")] for column in columns]
    least = [asked(column, size, LONGEST_WORD) + pad for column in words]
    if sum(least) >= room:
        return [low * room / sum(least) for low in least]
    spare = (room - sum(least)) / (sum(wanted) - sum(least))
    return [low + spare * (high - low) for low, high in zip(least, wanted, strict=True)]


def asked(texts: Sequence[str], size: float, most: float) -> float:
    """The width of the longest line, but no more than `most`."""
    lines = (line for text in texts for line in text.split("\n"))
    return min(most, max((typeface.width(line, size) for line in lines), default=0.0))
