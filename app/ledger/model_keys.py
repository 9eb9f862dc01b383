"""States in the ledger which keys sign weights, before each of them signs the first."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.evidence import note
from app.evidence.model_signature import hint, model_key, public_pem
from app.evidence.signer import Signer
from app.ledger import log_keys

MACHINE = "model_key"


def announce(session: Session, signer: Signer, *, now: datetime) -> None:
    """Enter the key that belongs to each of the ledger's own, once."""
    pairs = zip(signer.keys, signer.verifier_keys, strict=True)
    pems = {public_pem(model_key(key)).decode(): note.vkey(known) for key, known in pairs}
    log_keys.add(
        session,
        MACHINE,
        {log_keys.row_of(pem): {"pem": pem, "vkey": vkey} for pem, vkey in reversed(pems.items())},
        now=now,
    )


def known(session: Session) -> dict[str, str]:
    """By its hint: the public half, as PEM, of every key that was ever entered; newest first."""
    pems = [str(facts["pem"]) for facts in log_keys.added(session, MACHINE)]
    return {hint(pem.encode()): pem for pem in pems}
