"""Derives the whole ledger again from what the database holds, and names what does not fit.

Nothing here trusts a stored hash: leaves are made from entries, the tree from leaves, and the roots
are held against every checkpoint that was signed, also those that somebody kept elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, exists, func, select
from sqlalchemy.orm import Session

from app.evidence import dsse, frontier
from app.evidence.canonical import commitment_to_bytes
from app.evidence.errors import VerificationFailed
from app.evidence.frontier import Frontier, Node
from app.evidence.note import VerifierKey
from app.evidence.statement import PAYLOAD_TYPE
from app.evidence.strict import to_base64
from app.ledger import cosignatures, tree
from app.ledger.heads import Head, heads
from app.ledger.log_tables import LedgerEntry, LedgerLeaf, LedgerPayload, PendingEntry

CHUNK = 5_000  # leaves at a time


@dataclass
class Examined:
    """How far the ledger was derived, and in words whatever does not fit."""

    size: int = 0
    checkpoints: int = 0
    shredded: int = 0
    waiting: int = 0
    faults: list[str] = field(default_factory=list)
    witnessed: dict[str, int] = field(default_factory=dict)  # by witness, the largest size


def examine(
    session: Session,
    keys: Sequence[VerifierKey],
    *,
    kept: Sequence[bytes] = (),
    witnesses: Sequence[VerifierKey] = (),
) -> Examined:
    """Derive everything; `kept` are notes from elsewhere, such as what the clerk remembers.

    `witnesses`: whose cosignatures are to be there, and to fit.
    """
    found = Examined(waiting=waiting(session))
    signed = heads(session, keys, kept, found.faults)
    found.checkpoints = sum(len(claims) for claims in signed.values())
    whole = walk(session, keys, signed, found)
    if whole:
        compare_size(signed, found)
    lost_entries(session, found.faults)
    found.witnessed = cosignatures.examine(session, witnesses, found.faults)
    return found


def walk(
    session: Session,
    keys: Sequence[VerifierKey],
    signed: dict[int, list[Head]],
    found: Examined,
) -> bool:
    """Leaf by leaf from the first; whether there was no gap after which nothing can be derived."""
    edge, proved = Frontier(), 0
    for chunk in chunks(session):
        completed = list[tuple[Node, bytes]]()
        for row in chunk:
            if row.place != edge.size:
                found.faults.append(
                    f"{span(edge.size, row.place)} removed from the tree; what comes after cannot "
                    "be derived"
                )
                return False
            edge, new = frontier.extend(edge, [row.leaf_hash])
            completed += new
            examine_entry(session, row, keys, found)
            for head in signed.get(edge.size, []):
                proved = compare_root(head, edge, proved, found.faults)
        found.size = edge.size
        compare_nodes(session, completed, found.faults)
    return True


def chunks(session: Session) -> Iterator[Sequence[Row[Any]]]:
    """Every leaf with its entry and payload, as far as they are there, by index."""
    query = (
        select(
            LedgerLeaf.index.label("place"),
            LedgerLeaf.entry_id,
            LedgerLeaf.leaf_hash,
            *tree.LEAF_PARTS,
            LedgerPayload.salt,
            LedgerPayload.payload,
            LedgerPayload.signatures,
        )
        .outerjoin(LedgerEntry, LedgerEntry.id == LedgerLeaf.entry_id)
        .outerjoin(LedgerPayload, LedgerPayload.entry_id == LedgerEntry.id)
        .order_by(LedgerLeaf.index)
    )
    yield from session.execute(query.execution_options(yield_per=CHUNK)).partitions()


def examine_entry(
    session: Session, row: Row[Any], keys: Sequence[VerifierKey], found: Examined
) -> None:
    """Whether an entry is the one that was entered at its index, and its payload the one meant."""
    if row.id is None:
        found.faults.append(f"entry {row.entry_id}, at index {row.place}, was removed")
        return
    name = f"entry {row.entry_id}, {row.kind} at index {row.place},"
    derived = tree.leaf_hash(row.kind, row.hour, row.commitment)
    if derived != row.leaf_hash:
        found.faults.append(f"{name} {what_happened(session, derived)}")
    if row.payload is None:
        found.shredded += 1
        return
    text = row.payload.encode()
    if commitment_to_bytes(row.salt, text) != row.commitment:
        found.faults.append(f"{name} has a payload that is not the one it commits to")
    if row.signatures is not None and not vouched(text, row.signatures, keys):
        found.faults.append(f"{name} has a statement that no key you trust has signed")


def what_happened(session: Session, derived: bytes) -> str:
    """To an entry whose leaf is another's: it was moved, or changed."""
    place = session.scalar(select(LedgerLeaf.index).where(LedgerLeaf.leaf_hash == derived).limit(1))
    if place is not None:
        return f"was entered at index {place}: entries were reordered"
    return "was changed after it was entered"


def vouched(payload: bytes, signatures: Any, keys: Sequence[VerifierKey]) -> bool:
    """Whether a statement's signatures are worth anything."""
    envelope = {
        "payload": to_base64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": signatures,
    }
    try:
        dsse.verify(dsse.from_json(envelope), keys, payload_type=PAYLOAD_TYPE)
    except VerificationFailed:
        return False
    return True


def compare_root(head: Head, edge: Frontier, proved: int, faults: list[str]) -> int:
    """Hold a signed root against the derived one; returns the largest size known to be right."""
    if head.root == edge.root:
        return edge.size
    faults.append(
        f"{head.source} was signed over another history: {span(proved, edge.size)} changed, "
        "reordered, added or removed, together with their hashes, or the history was forked"
    )
    return proved


def compare_nodes(
    session: Session, completed: Sequence[tuple[Node, bytes]], faults: list[str]
) -> None:
    """Hold stored subtrees against derived ones; of those inside each other, the smallest."""
    inner = [(node, value) for node, value in completed if node.level > 0]
    stored = tree.stored(session, [node for node, _ in inner])
    wrong = {node for node, value in inner if stored.get(node) != value}
    for node in sorted(wrong):
        below = Node(node.level - 1, 2 * node.offset), Node(node.level - 1, 2 * node.offset + 1)
        if wrong.isdisjoint(below):
            start = node.offset << node.level
            faults.append(
                f"the stored hash over {span(start, start + (1 << node.level), plural='')} is not "
                "the one that they give: they, their order or the hash were changed"
            )


def compare_size(signed: dict[int, list[Head]], found: Examined) -> None:
    """Whether the tree ends where it was signed last."""
    last = max(signed, default=0)
    if found.size > last:
        found.faults.append(f"{span(last, found.size)} added without a signature")
    for size in sorted(size for size in signed if size > found.size):
        found.faults.append(
            f"{signed[size][0].source} covers {size} entries and there are {found.size}: "
            f"{span(found.size, size)} removed, or the database was put back to an older state"
        )


def waiting(session: Session) -> int:
    """How many entries have no index yet."""
    return session.scalar(select(func.count()).select_from(PendingEntry)) or 0


def lost_entries(session: Session, faults: list[str]) -> None:
    """Entries that are neither in the tree nor on their way to it."""
    lost = session.execute(
        select(LedgerEntry.id, LedgerEntry.kind).where(
            ~exists().where(LedgerLeaf.entry_id == LedgerEntry.id),
            ~exists().where(PendingEntry.entry_id == LedgerEntry.id),
        )
    )
    for entry_id, kind in lost:
        faults.append(f"entry {entry_id}, {kind}, is neither in the tree nor waiting for its index")


def span(start: int, end: int, *, plural: str = " were") -> str:
    """The entries from one index up to before another, in words."""
    if end - start == 1:
        return f"the entry at index {start}{' was' if plural else ''}"
    return f"the entries at index {start} to {end - 1}{plural}"
