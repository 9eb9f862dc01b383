"""What a running stack looks like, in a few aligned lines of text."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from app.cli.data_folder import Stack
from app.cli.options import DEFAULT_DATA_DIR


def summary(stack: Stack, data_dir: Path, *, attached: bool) -> str:
    """Where everything is and how to stop it; shown when the API answers."""
    names = [process.name for process in stack.processes]
    stop = how_to_stop(data_dir)
    rows = [
        ("API", stack.url),
        ("Docs", f"{stack.url}/docs"),
        ("Database", origin("PostgreSQL", "postgres" in names, "LACUNA_DATABASE_URL")),
        ("Broker", origin("Valkey", "valkey" in names, "LACUNA_REDIS_URL")),
        ("Processes", ", ".join(names)),
        ("Data", str(data_dir)),
        ("Logs", str(data_dir / "logs")),
        ("Stop", f"Ctrl-C, or {stop}" if attached else stop),
    ]
    return "Lacuna runs.\n\n" + columns(rows) + "\n"


def origin(server: str, embedded: bool, setting: str) -> str:
    """Whose server it is. The URL of the user's own is not shown: it may hold a password."""
    return f"an embedded {server}" if embedded else f"your own, from {setting}"


def how_to_stop(data_dir: Path) -> str:
    """The command that stops the stack of this folder."""
    if data_dir == DEFAULT_DATA_DIR.resolve():
        return "lacuna down"
    return f"lacuna down --data-dir {shlex.quote(str(data_dir))}"


def columns(rows: Iterable[Sequence[str]]) -> str:
    """Rows of words, aligned."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def duration(seconds: float) -> str:
    """A span of time in its two largest units: `3 h 12 min`."""
    left = int(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
