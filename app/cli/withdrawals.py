"""`lacuna withdrawals`: says of weights whether they were withdrawn, with nothing but a list."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import withdrawn
from app.cli.offline import digest_of, tell, trusted
from app.cli.verify import Keys, MaxAge

EPILOG = """
**Examples**

`lacuna withdrawals withdrawals.json --key log.vkey`

`lacuna withdrawals withdrawals.json --key log.vkey --weights digits-2.safetensors --max-age 2`
"""


def withdrawals(
    file: Annotated[
        Path, typer.Argument(metavar="LIST", help="What `GET /v1/ledger/withdrawals` gave.")
    ],
    key: Keys,
    weights: Annotated[
        list[Path] | None, typer.Option(help="Weights to look for in it; repeatable.")
    ] = None,
    max_age: MaxAge = None,
) -> None:
    """Check a list of withdrawn versions, and say whether weights may still be used.

    No server, no database and no network is needed. The exit code is 0 if the list verifies and
    speaks against none of the weights, 1 if it does not verify or cannot be read, and 3 if it
    verifies and any of the weights are withdrawn.
    """
    listed = withdrawn.opened(file, trusted(key), max_age)
    digests = {path: digest_of(path) for path in weights or []}
    typer.secho(f"{file} verifies.", fg=typer.colors.GREEN)
    if not digests:
        tell("It states:", withdrawn.everything(listed))
    for path, digest in digests.items():
        tell(f"Of {path} it states:", withdrawn.of_weights(listed, path.name, digest))
    tell("This is proved:", withdrawn.proved(listed))
    tell("This is not proved:", withdrawn.not_proved(listed))
    withdrawn.end_if_withdrawn(listed, list(digests.values()))
