"""`lacuna verify`: checks a receipt with nothing but a public key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import withdrawn
from app.cli.key_files import read_witnesses
from app.cli.offline import content_of, digest_of, tell, trusted
from app.cli.options import fail
from app.evidence import receipt
from app.evidence.errors import VerificationFailed
from app.evidence.receipt import Verified
from app.evidence.standing import refuse_misfit
from app.evidence.statement import weights as weights_of
from app.evidence.withdrawals import WithdrawalList
from app.ledger.reasons import DENIAL_WORDS

EPILOG = """
**Examples**

`lacuna verify receipt.json --key log.vkey`

`lacuna verify receipt.json --key log.vkey --weights digits-2.safetensors --request REQUEST_ID`

`lacuna verify receipt.json --key log.vkey --withdrawals withdrawals.json`
`lacuna verify receipt.json --key log.vkey --witness witnesses.vkey` with a receipt that was fetched
with `?witnessed=true`
"""

Keys = Annotated[
    list[Path],
    typer.Option(help="Public keys you trust, one a line: the ledger's, and of witnesses."),
]
MaxAge = Annotated[
    float | None,
    typer.Option(min=0, max=36_500, help="Refuse a list that is older than so many days."),
]


def verify(
    file: Annotated[Path, typer.Argument(metavar="RECEIPT", help="The receipt to check.")],
    key: Keys,
    weights: Annotated[
        Path | None, typer.Option(help="Weights that are said to be those of the receipt.")
    ] = None,
    request: Annotated[
        str | None, typer.Option(help="The request that the receipt is said to answer.")
    ] = None,
    withdrawals: Annotated[
        Path | None,
        typer.Option(help="A list of withdrawn versions: are the receipt's weights on it by now?"),
    ] = None,
    max_age: MaxAge = None,
    witness: Annotated[
        list[Path] | None,
        typer.Option(help="Keys of witnesses, each of whom must have cosigned the ledger's state."),
    ] = None,
) -> None:
    """Check a receipt, and say what it proves and what it does not.

    No server, no database and no network is needed. The exit code is 0 only if all checks pass, and
    3 if they do and the list says that the weights were withdrawn.
    """
    keys = trusted(key)
    content = content_of(file, most=receipt.MOST_BYTES)
    weights_digest = None if weights is None else digest_of(weights)
    try:
        verified = receipt.verify(
            content,
            log_keys=keys,
            weights_digest=weights_digest,
            request_id=request,
            witnesses=trusted(witness or (), read_witnesses),
        )
    except VerificationFailed as failure:
        fail(f"{file} does not verify: {failure}.")
    listed = None if withdrawals is None else withdrawn.opened(withdrawals, keys, max_age)
    if listed is not None:
        refuse_other_list(listed, verified, withdrawals)
    typer.secho(f"{file} verifies.", fg=typer.colors.GREEN)
    tell("It states:", summary(verified.statement.predicate))
    tell("This is proved:", verified.findings.proved)
    tell("This is not proved:", verified.findings.not_proved)
    if listed is not None:
        tell_what_became(listed, verified)


def refuse_other_list(listed: WithdrawalList, verified: Verified, path: Path | None) -> None:
    """End the command if the list cannot speak about the receipt, or contradicts it."""
    try:
        refuse_misfit(listed, verified)
    except VerificationFailed as failure:
        fail(f"{path} does not fit the receipt: {failure}.")


def tell_what_became(listed: WithdrawalList, verified: Verified) -> None:
    """Say whether the receipt's weights were withdrawn later; exits with 3 if they were."""
    named = weights_of(verified.statement)
    for name, digest in named.items():
        tell(f"Since then, of {name}:", withdrawn.of_weights(listed, name, digest))
    tell("This the list does not prove:", (*older(listed, verified), *withdrawn.not_proved(listed)))
    withdrawn.end_if_withdrawn(listed, list(named.values()))


def older(listed: WithdrawalList, verified: Verified) -> tuple[str, ...]:
    """That a list was signed before the receipt was entered, where it was."""
    if listed.ledger.size > verified.index:
        return ()
    return (
        f"What was withdrawn after the first {listed.ledger.size} entries of the ledger: it is "
        f"older than the receipt, which is entry {verified.index}.",
    )


def summary(predicate: Mapping[str, Any]) -> tuple[str, ...]:
    """The statement in a few sentences; it may be of a later form than this program knows."""
    try:
        return (
            of_request(predicate),
            *map(of_denial, predicate.get("reasons", [])),
            *map(of_outcome, predicate.get("outcomes", [])),
            *map(of_derived, predicate.get("derived", [])),
        )
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return ("what this program is too old to put in words; look into the envelope's payload",)


def of_request(predicate: Mapping[str, Any]) -> str:
    event, (request,) = predicate["event"], predicate["requests"]
    count, due = predicate["forget_set"]["count"], predicate["due_at"]
    law = predicate.get("law", "gdpr").upper()
    return (
        f"Request {request}, received {predicate['received_at']} and due {due} under the {law}, "
        f"over {count} samples, was {event} {predicate[f'{event}_at']}."
    )


def of_denial(reason: str) -> str:
    """Why a request was denied; codes may be added that this program does not know."""
    words = DENIAL_WORDS.get(reason, "this program is too old to put it in words")
    return f"It was denied for the reason {reason}: {words}."


def of_outcome(outcome: Mapping[str, Any]) -> str:
    """One model, in a sentence or three."""
    version, job = outcome["version"], outcome["job"]
    old = ", ".join(str(each["number"]) for each in outcome["withdrawn"]) or "none"
    told = f"Model {outcome['model']}: version {version['number']} is in use, withdrawn: {old}."
    if job is None:
        return f"{told} What is in use had not seen the samples; nothing had to be run."
    audit = job["audit"]
    verdict = "It was not audited." if audit is None else audited(audit)
    route, old_number = job["method"], job["parent"]["number"]
    return f"{told} The route {route} made it in the place of version {old_number}. {verdict}"


def audited(audit: Mapping[str, Any]) -> str:
    """The verdict, and how large a leak each attack would have seen."""
    said = f"The audit said: {audit['verdict']}."
    seen = ", ".join(
        f"{value:.2f} by {name.removesuffix('.detectable')}"
        for name, value in sorted(audit.get("numbers", {}).items())
        if name.endswith(".detectable")
    )
    return f"{said} A leak of {seen} would have been seen with 80 % power." if seen else said


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
