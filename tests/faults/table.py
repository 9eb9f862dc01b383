"""The table of the fault suite: what was done to the stack, and which invariants held after it."""

from dataclasses import dataclass, field
from pathlib import Path

INVARIANTS = [f"I{number}" for number in range(1, 10)]


@dataclass
class Table:
    """A row for each fault, written down at once: a suite that is cut short leaves what it has."""

    path: Path
    rows: list[str] = field(default_factory=list)

    def add(self, fault: str, held: dict[str, str], *, versions: str, seconds: float) -> None:
        marks = [("ok" if held[name] == "ok" else "BROKEN").ljust(7) for name in INVARIANTS]
        self.rows.append(f"{fault:<78}{''.join(marks)}{versions:<10}{seconds:5.0f} s".rstrip())
        heading = f"{'fault':<78}{''.join(name.ljust(7) for name in INVARIANTS)}versions"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("\n".join([*ABOUT, "", heading, *sorted(self.rows)]) + "\n")


ABOUT = [
    "make test-faults: a stack as `lacuna up` runs it (API, two workers, clerk, courier, beat,",
    "embedded PostgreSQL and Valkey), a small recipe, leases of 3 s. In each row a process was",
    "killed at the point named, or something else was done to the stack, while a person was being",
    "forgotten. `versions`: live before and after; one more means published exactly once.",
    "Invariants by `lacuna check-invariants` once everything had come to rest.",
]
