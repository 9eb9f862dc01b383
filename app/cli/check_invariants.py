"""`lacuna check-invariants`: whether what must always hold does, after a crash or any other day."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import typer

from app.cli import data_folder
from app.cli.ledger import Checkpoints, Keys, at_hand, list_faults, snapshot
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.cli.restore_check import store_of
from app.ledger.invariants import Checked, check
from app.ledger.surroundings import Surroundings
from app.subjects import subject_key

EPILOG = (
    "**Examples**\n\n`lacuna check-invariants` looks at the stack that runs in `.lacuna`.\n\n"
    "`lacuna check-invariants || page-somebody` uses the exit code: 0 only if all of them hold."
)


def check_invariants(
    data_dir: DataDir = DEFAULT_DATA_DIR, key: Keys = None, checkpoint: Checkpoints = None
) -> None:
    """Check the nine invariants of docs/invariants.md against database, store and logs.

    Each is named with its violations. Nothing is changed, and nothing has to be stopped.
    """
    known = at_hand(data_dir, key, checkpoint)
    store = store_of(data_dir)
    pepper = data_folder.environment(data_dir).get("LACUNA_PEPPER", "")
    if not pepper:
        fail("LACUNA_PEPPER is not set: without it nobody is recognised in a log.")
    with snapshot(known.url) as session:
        checked = check(
            session,
            Surroundings(
                keys=known.keys,
                kept=known.kept,
                stored=store.has,
                key_of=lambda word: subject_key(word, pepper),
                told=logged(data_dir / "logs"),
                now=datetime.now(UTC),
            ),
        )
    for each in checked:
        tell(each)
    if broken := [each.name for each in checked if each.violations]:
        fail(f"Broken: {', '.join(broken)}.")
    typer.echo("All invariants hold.")


def tell(checked: Checked) -> None:
    """A line for an invariant, and one for each violation."""
    count = len(checked.violations)
    typer.echo(f"{checked.name}  {f'{count} violations' if count else 'ok':<14}  {checked.says}")
    list_faults(checked.violations)


def logged(folder: Path) -> Iterator[tuple[str, str]]:
    """Every line of this installation's logs, and which file it stands in."""
    for path in sorted(folder.glob("*.log*")):
        with path.open(errors="replace") as log:
            for line in log:
                yield path.name, line
