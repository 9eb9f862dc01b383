"""The clerk's turn at the ledger: gives waiting entries their index, signs, and remembers."""

import structlog

from app import crashing, log_key
from app.db import transaction
from app.ledger import sequencer, signing_refusals
from workers import signing
from workers.station import Station

log = structlog.get_logger()
MOST_BATCHES = 4  # a call; the sweep waits behind it on the clerk's queue


def sequence(station: Station) -> None:
    """Enter what waits, batch after batch, each in a transaction of its own; then sign the rest.

    The private key is read anew each time, so that a rotation needs no restart, and by this
    process alone.
    """
    try:
        for _ in range(MOST_BATCHES):
            if not sequence_batch(station):
                break
        signing.sign(station)
    except log_key.NoLogKey as error:
        refuse(station, "no_log_key", str(error))
    except sequencer.WillNotSign as error:
        refuse(station, "will_not_sign", str(error))


def refuse(station: Station, code: str, detail: str) -> None:
    """Say why nothing is signed, in the log and where `/readyz` looks."""
    log.error(code, detail=detail)
    with transaction(station.sessions) as session:
        signing_refusals.note(session, code, detail, now=station.clock())


def sequence_batch(station: Station) -> bool:
    """Enter and sign one batch; whether there was one.

    The note is remembered after the commit: a crash in between leaves an older one, which the
    newer tree extends.
    """
    signer = log_key.load(station.settings)
    with transaction(station.sessions) as session:
        signed = sequencer.sequence(
            session,
            signer,
            now=station.clock(),
            remembered=log_key.remembered(station.settings),
        )
    if signed is None:
        return False
    crashing.at("sequence.after_commit")
    log_key.remember(station.settings, signed)
    crashing.at("sequence.after_remember")
    return True
