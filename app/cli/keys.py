"""`lacuna keys`: the keys that sign the ledger."""

from typing import Annotated

import typer

from app import log_key
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.config import Settings
from app.evidence import note
from app.evidence.model_signature import model_key, public_pem
from app.log_key import NoLogKey

app = typer.Typer(no_args_is_help=True, help="The keys that sign the ledger.")


@app.command(
    epilog="**Examples**\n\n`lacuna keys show > log.vkey`\n\n"
    "`lacuna keys show --weights > model.pub`"
)
def show(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights",
            help="Instead, as PEM, the key that signs weights now: for `model_signing verify key`.",
        ),
    ] = False,
) -> None:
    """Write the ledger's public keys, the newest first, as `lacuna verify --key` takes them."""
    settings = Settings(data_dir=data_dir)
    if weights:
        typer.echo(pem_of_weights(settings), nl=False)
        return
    known = log_key.vkeys(settings)
    if not known:
        fail(f"{data_dir} has no key of a ledger; `lacuna up` makes one.")
    typer.echo("\n".join(known))


def pem_of_weights(settings: Settings) -> str:
    """The public key that belongs to the newest private one, which is read for it."""
    try:
        newest, *_ = log_key.load(settings).keys
    except NoLogKey as refusal:
        fail(str(refusal))
    return public_pem(model_key(newest)).decode()


@app.command(
    epilog="**Example:** `lacuna keys rotate`, and once whoever checks receipts has the new key, "
    "`lacuna keys retire`"
)
def rotate(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    drop_old: Annotated[
        bool,
        typer.Option(
            "--drop-old", help="Let the keys so far sign no more, for instance after a theft."
        ),
    ] = False,
) -> None:
    """Make a new key for the ledger; the old one signs on beside it, so that both verify.

    A clerk that runs takes it up by itself. Old receipts stay valid under the old key.
    """
    try:
        signer = log_key.rotate(Settings(data_dir=data_dir), drop_old=drop_old)
    except NoLogKey as refusal:
        fail(str(refusal))
    new, *others = map(note.vkey, signer.verifier_keys)
    typer.echo(f"The ledger is signed with a new key from now on:\n{new}")
    for old in others:
        typer.echo(f"Beside it still signs:\n{old}")


@app.command()
def retire(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """After a rotation: let the older key sign no more. Old receipts stay valid under it."""
    try:
        signer = log_key.retire(Settings(data_dir=data_dir))
    except NoLogKey as refusal:
        fail(str(refusal))
    (only,) = map(note.vkey, signer.verifier_keys)
    typer.echo(f"The ledger is signed with this key alone from now on:\n{only}")
