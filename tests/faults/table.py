"""The table of the fault suite: what was done to the stack, and which invariants held after it."""

from dataclasses import dataclass, field
from pathlib import Path

INVARIANTS = [f"I{number}" for number in range(1, 10)]
WIDTH = 78  # of the first column


@dataclass
class Table:
    """A row for each fault, written down at once: a suite that is cut short leaves what it has.

    A row of an earlier run stands until its fault is tried again, so that one can be tried alone.
    """

    path: Path
    rows: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.rows |= {line[:WIDTH].rstrip(): line for line in lines if line.endswith(" s")}

    def begin(self, fault: str) -> None:
        """Take the fault's old row away: a try that does not come to its end leaves none."""
        self.rows.pop(fault, None)
        self.write()

    def add(self, fault: str, held: dict[str, str], *, versions: str, seconds: float) -> None:
        """Write down how it ended."""
        marks = [("ok" if held[name] == "ok" else "BROKEN").ljust(7) for name in INVARIANTS]
        self.rows[fault] = f"{fault:<{WIDTH}}{''.join(marks)}{versions:<10}{seconds:5.0f} s"
        self.write()

    def write(self) -> None:
        heading = f"{'fault':<{WIDTH}}{''.join(name.ljust(7) for name in INVARIANTS)}versions"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [self.rows[fault] for fault in sorted(self.rows)]
        self.path.write_text("\n".join([*ABOUT, "", heading, *rows]) + "\n")


ABOUT = [
    "make test-faults: a stack as `lacuna up` runs it (API, two workers, clerk, courier, beat,",
    "embedded PostgreSQL and Valkey), a small recipe, leases of 3 s. In each row a process was",
    "killed at the point named, or something else was done to the stack, while a person was being",
    "forgotten. `versions`: live before and after; one more means published exactly once.",
    "Invariants by `lacuna check-invariants` once everything had come to rest. Rows may come from",
    "several runs: each stands until its fault is tried again. Two cores, shared with other work.",
]
