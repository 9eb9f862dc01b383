"""`lacuna verify`: checks a receipt with nothing but a public key."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.key_files import read_keys, read_witnesses
from app.cli.options import fail
from app.evidence import receipt
from app.evidence.errors import VerificationFailed
from app.evidence.note import VerifierKey
from app.evidence.receipt import Verified

EPILOG = """
**Examples**

`lacuna verify receipt.json --key log.vkey`

`lacuna verify receipt.json --key log.vkey --weights digits-2.safetensors --request REQUEST_ID`

`lacuna verify receipt.json --key log.vkey --witness witnesses.vkey` with a receipt that was fetched
with `?witnessed=true`
"""


def verify(
    file: Annotated[Path, typer.Argument(metavar="RECEIPT", help="The receipt to check.")],
    key: Annotated[
        list[Path],
        typer.Option(help="Public keys you trust, one a line: the ledger's, and of witnesses."),
    ],
    weights: Annotated[
        Path | None, typer.Option(help="Weights that are said to be those of the receipt.")
    ] = None,
    request: Annotated[
        str | None, typer.Option(help="The request that the receipt is said to answer.")
    ] = None,
    witness: Annotated[
        list[Path] | None,
        typer.Option(help="Keys of witnesses, each of whom must have cosigned the ledger's state."),
    ] = None,
) -> None:
    """Check a receipt, and say what it proves and what it does not.

    No server, no database and no network is needed. The exit code is 0 only if all checks pass.
    """
    try:
        verified = receipt.verify(
            file.read_bytes(),
            log_keys=[found for path in key for found in trusted(path)],
            weights_digest=None if weights is None else digest_of(weights),
            request_id=request,
            witnesses=[found for path in witness or () for found in trusted(path, read_witnesses)],
        )
    except OSError as failure:
        fail(f"{failure.filename} cannot be read: {failure.strerror}")
    except VerificationFailed as failure:
        fail(f"{file} does not verify: {failure}.")
    typer.secho(f"{file} verifies.", fg=typer.colors.GREEN)
    for title, sentences in sections(verified):
        typer.echo(f"\n{title}")
        for sentence in sentences:
            typer.echo(f"  - {printable(sentence)}")


def trusted(path: Path, read: Callable[[Path], list[VerifierKey]] = read_keys) -> list[VerifierKey]:
    """The keys of a file."""
    try:
        return read(path)
    except VerificationFailed as failure:
        fail(f"{path} cannot be used: {failure}.")


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sections(verified: Verified) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What to tell: the statement in short, then what is proved and what is not."""
    yield "It states:", summary(verified.statement.predicate)
    yield "This is proved:", verified.findings.proved
    yield "This is not proved:", verified.findings.not_proved


def summary(predicate: Mapping[str, Any]) -> tuple[str, ...]:
    """The statement in a few sentences; it may be of a later form than this program knows."""
    try:
        return (
            of_request(predicate),
            *map(of_outcome, predicate.get("outcomes", [])),
            *map(of_derived, predicate.get("derived", [])),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return ("what this program is too old to put in words; look into the envelope's payload",)


def of_request(predicate: Mapping[str, Any]) -> str:
    event, (request,) = predicate["event"], predicate["requests"]
    count, due = predicate["forget_set"]["count"], predicate["due_at"]
    law = predicate.get("law", "gdpr").upper()
    return (
        f"Request {request}, received {predicate['received_at']} and due {due} under the {law}, "
        f"over {count} samples, was {event} {predicate[f'{event}_at']}."
    )


def of_outcome(outcome: Mapping[str, Any]) -> str:
    """One model, in a sentence or three."""
    version, job = outcome["version"], outcome["job"]
    old = ", ".join(str(each["number"]) for each in outcome["withdrawn"]) or "none"
    told = f"Model {outcome['model']}: version {version['number']} is in use, withdrawn: {old}."
    if job is None:
        return f"{told} What is in use had not seen the samples; nothing had to be run."
    audit = job["audit"]
    verdict = "It was not audited." if audit is None else f"The audit said: {audit['verdict']}."
    route, old_number = job["method"], job["parent"]["number"]
    return f"{told} The route {route} made it in the place of version {old_number}. {verdict}"


def of_derived(child: Mapping[str, Any]) -> str:
    """A version that somebody else made of one of the model's, in a sentence."""
    told = {
        "in_use": "it is in use",
        "withdrawn": "its owner had not confirmed by then that it is out of use",
        "confirmed": f"its owner confirmed {child['confirmed_at']} that it is out of use",
    }[child["state"]]
    how = child["how"].replace("_", " ")
    return (
        f"Derived elsewhere from model {child['model']}, version {child['version']} ({how}): "
        f"{child['name']}; {told}."
    )


def printable(text: str) -> str:
    """A text without anything that could steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
