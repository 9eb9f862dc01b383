"""The clerk's turn at signing beside the tree: weights, and the list of withdrawn ones."""

from app import log_key
from app.db import transaction
from app.ledger import sequencer, signatures, withdrawals
from workers.station import Station


def sign(station: Station) -> None:
    """Sign what is new, in one transaction; whatever dies, nothing is signed or all of it."""
    signer = log_key.load(station.settings)
    with transaction(station.sessions) as session:
        if sequencer.has_turn(session):
            signatures.sign(session, signer, now=station.clock())
            withdrawals.sign(session, signer, now=station.clock())
