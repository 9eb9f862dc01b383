"""The clerk's turn at signing beside the tree: weights, and the list of withdrawn ones."""

from app import log_key
from app.db import transaction
from app.ledger import sequencer, signatures, withdrawals
from workers.station import Station


def sign(station: Station) -> None:
    """Sign what is new, in one transaction; whatever dies, nothing is signed or all of it.

    Whether the ledger contradicts itself is asked anew, in the turn in which it is signed: that
    nothing waited for an index a moment ago, or that another clerk was at it, says nothing of now.
    Raises `sequencer.WillNotSign`.
    """
    signer, remembered = log_key.load(station.settings), log_key.remembered(station.settings)
    with transaction(station.sessions) as session:
        if sequencer.has_turn(session):
            sequencer.intact(session, signer, remembered)
            signatures.sign(session, signer, now=station.clock())
            withdrawals.sign(session, signer, now=station.clock())
