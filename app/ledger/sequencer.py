"""Gives new entries their place in the Merkle tree, and signs the tree's new size and root.

One at a time, one transaction a batch: whatever dies, the tree and its checkpoints are as before or
as after. Entries are taken by id among those that are committed, so what was committed before
another entry was begun also stands before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import any_, delete, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger

from app import crashing
from app.evidence import checkpoint, dsse, frontier, merkle, note
from app.evidence.errors import VerificationFailed
from app.evidence.frontier import Frontier, Node
from app.evidence.signer import Signer
from app.ledger import log_keys, signing_refusals, tree
from app.ledger.log_tables import (
    LedgerCheckpoint,
    LedgerEntry,
    LedgerLeaf,
    LedgerPayload,
    PendingEntry,
)

BATCH = 5_000
# In the space of two-number keys, where no key that is made by hashing can be met by chance.
TURN = {"space": 0x6C6163, "number": 1}
STATEMENTS = "receipt."  # entries of such a kind have a statement as payload, which is signed too


class WillNotSign(Exception):
    """What is stored contradicts what was signed before: a person has to look at it."""


@dataclass(frozen=True)
class Waiting:
    """An entry without an index yet, and the hash that the tree will hold of it."""

    entry_id: int
    kind: str
    leaf_hash: bytes


def sequence(
    session: Session,
    signer: Signer,
    *,
    now: datetime,
    remembered: bytes | None = None,
    limit: int = BATCH,
) -> bytes | None:
    """Enter a batch of waiting entries and sign; the new note.

    None if nothing waits, or if another sequencer is at it. `remembered`: the last note that was
    signed, as the signer's own machine knows it. Raises `WillNotSign`.
    """
    if not has_turn(session):
        return None
    log_keys.announce(session, signer, now=now)
    last, before = intact(session, signer, remembered)
    if not (waiting := waiting_entries(session, limit)):
        signing_refusals.clear(session)
        return None
    grown, completed = frontier.extend(before, [entry.leaf_hash for entry in waiting])
    store(session, last.size, waiting, completed)
    refuse_other_root(grown, rederived(session, last.size, grown.size))
    refuse_fork(session, last, checkpoint.Checkpoint(signer.origin, grown.size, grown.root))
    crashing.at("sequence.after_second_read")
    sign_statements(session, signer, waiting)
    signed = signer.checkpoint(grown.size, grown.root)
    session.add(LedgerCheckpoint(size=grown.size, root=grown.root, note=signed, signed_at=now))
    signing_refusals.clear(session)
    session.flush()
    crashing.at("sequence.after_sign")
    return signed


def has_turn(session: Session) -> bool:
    """Whether no other sequencer is at work; the turn ends with the transaction."""
    turn = text("SELECT pg_try_advisory_xact_lock(:space, :number)")
    return bool(session.scalar(turn, TURN))


def intact(
    session: Session, signer: Signer, remembered: bytes | None
) -> tuple[checkpoint.Checkpoint, Frontier]:
    """The newest checkpoint, and the right edge of its tree; before anything is signed.

    Raises `WillNotSign` where what is stored contradicts what was signed.
    """
    last = last_signed(session, signer, remembered)
    return last, standing(session, last)


def last_signed(
    session: Session, signer: Signer, remembered: bytes | None
) -> checkpoint.Checkpoint:
    """The newest checkpoint, if it is this ledger's and extends what the signer remembers."""
    row = tree.newest(session)
    last = checkpoint.Checkpoint(signer.origin, 0, merkle.EMPTY_ROOT)
    if row is not None:
        last = stated(row.note)
        if last != checkpoint.Checkpoint(signer.origin, row.size, row.root):
            raise WillNotSign(
                f"the newest checkpoint is one of {last.origin} with {last.size} entries, which is "
                f"not what stands beside it; this signer is {signer.origin}"
            )
    if remembered is not None and (known := stated(remembered)).origin == signer.origin:
        refuse_fork(session, known, last)
    return last


def standing(session: Session, last: checkpoint.Checkpoint) -> Frontier:
    """The right edge of the tree as it is stored, if that is the tree which was signed last."""
    if (entered := tree.entered(session)) != last.size:
        raise WillNotSign(
            f"the tree has {entered} leaves, and {last.size} were signed: "
            "some were added or removed"
        )
    try:
        edge = tree.frontier_of(session, last.size)
    except KeyError as error:
        raise WillNotSign(f"hashes of the tree of {last.size} entries were removed") from error
    if edge.root != last.root:
        raise WillNotSign(f"the tree of {last.size} entries is not the one that was signed")
    return edge


def stated(signed: bytes) -> checkpoint.Checkpoint:
    """The checkpoint in a note of ours, whose signatures are not looked at here."""
    try:
        return checkpoint.parse_text(note.parse(signed).text)
    except VerificationFailed as error:
        raise WillNotSign(f"a note that was signed before cannot be read: {error}") from error


def waiting_entries(session: Session, limit: int) -> list[Waiting]:
    """The oldest entries that have no index, by id."""
    rows = session.execute(
        select(*tree.LEAF_PARTS)
        .join(PendingEntry, PendingEntry.entry_id == LedgerEntry.id)
        .order_by(PendingEntry.entry_id)
        .limit(limit)
    )
    return [
        Waiting(entry_id, kind, tree.leaf_hash(kind, hour, commitment))
        for entry_id, kind, hour, commitment in rows
    ]


def store(
    session: Session,
    size: int,
    waiting: Sequence[Waiting],
    completed: Sequence[tuple[Node, bytes]],
) -> None:
    """Write the leaves from this index on and the subtrees they complete; nothing waits then."""
    connection = session.connection().connection.driver_connection
    assert connection is not None
    with connection.cursor() as cursor:
        with cursor.copy('COPY ledger_leaves ("index", entry_id, leaf_hash) FROM STDIN') as copy:
            for index, entry in enumerate(waiting, start=size):
                copy.write_row((index, entry.entry_id, entry.leaf_hash))
        with cursor.copy('COPY ledger_nodes (level, "offset", hash) FROM STDIN') as copy:
            for node, value in completed:
                if node.level > 0:
                    copy.write_row((*node, value))
    ids = literal([entry.entry_id for entry in waiting], ARRAY(BigInteger))
    session.execute(delete(PendingEntry).where(PendingEntry.entry_id == any_(ids)))


def rederived(session: Session, before: int, size: int) -> bytes:
    """The root again, by another way: from the entries as the database now has them.

    The hashes of the older tree are read anew too, and joined by the recursion of RFC 9162, 2.1.1,
    not by the frontier's carrying. A bit flipped on the first way is found before it is signed.
    """
    known = tree.stored(session, frontier.nodes((0, before)))
    rows = session.execute(
        select(LedgerLeaf.index, LedgerLeaf.leaf_hash, *tree.LEAF_PARTS[1:])
        .join(LedgerEntry, LedgerEntry.id == LedgerLeaf.entry_id)
        .where(LedgerLeaf.index >= before)
    )
    for index, leaf_hash, kind, hour, commitment in rows:
        known[Node(0, index)] = tree.leaf_hash(kind, hour, commitment)
        if known[Node(0, index)] != leaf_hash:
            raise WillNotSign(f"the leaf at index {index} is not that of its entry as stored")
    return root_over(known, 0, size)


def root_over(known: Mapping[Node, bytes], start: int, end: int) -> bytes:
    """The hash over leaves start to end - 1, from whatever complete subtrees are known."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        node = Node(level, start >> level)
        if level == 0 or node in known:
            return known[node]
    middle = start + merkle.split(count)
    return merkle.node_hash(root_over(known, start, middle), root_over(known, middle, end))


def refuse_other_root(grown: Frontier, again: bytes) -> None:
    """Nothing is signed that two ways of reading do not agree on."""
    if grown.root != again:
        raise WillNotSign(
            f"the root over {grown.size} entries is {grown.root.hex()} as they were read first and "
            f"{again.hex()} as they are stored"
        )


def refuse_fork(
    session: Session, older: checkpoint.Checkpoint, newer: checkpoint.Checkpoint
) -> None:
    """Never two checkpoints of which neither extends the other (C2SP tlog-checkpoint)."""
    try:
        ranges = merkle.consistency_ranges(older.size, newer.size)
        proof = frontier.proof(ranges, tree.stored(session, frontier.needed(ranges)))
        checkpoint.verify_extends(newer, older, proof)
    except (VerificationFailed, IndexError, KeyError) as error:
        raise WillNotSign(
            f"the tree of {newer.size} entries does not extend the checkpoint of {older.size} that "
            "was signed before; was the database put back to an older state, or changed?"
        ) from error


def sign_statements(session: Session, signer: Signer, waiting: Sequence[Waiting]) -> None:
    """Vouch for the statements among these entries; their bytes are their entries' payloads."""
    ids = [entry.entry_id for entry in waiting if entry.kind.startswith(STATEMENTS)]
    payloads = session.execute(
        select(LedgerPayload.entry_id, LedgerPayload.payload).where(
            LedgerPayload.entry_id == any_(literal(ids, ARRAY(BigInteger)))
        )
    ).all()
    for entry_id, payload in payloads:
        signatures = dsse.to_json(signer.statement(payload.encode()))["signatures"]
        session.execute(
            update(LedgerPayload)
            .where(LedgerPayload.entry_id == entry_id)
            .values(signatures=signatures)
        )
