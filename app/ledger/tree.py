"""Reads the Merkle tree of the ledger: its nodes, its checkpoints, and proofs from both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Row, SmallInteger, and_, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.errors import NoCheckpoint, OutOfRange
from app.evidence import frontier, merkle
from app.evidence.canonical import leaf_data
from app.evidence.frontier import Frontier, Node
from app.ledger.log_tables import LedgerCheckpoint, LedgerEntry, LedgerLeaf, LedgerNode

# What a leaf is made of, wherever it is read.
LEAF_PARTS = (LedgerEntry.id, LedgerEntry.kind, LedgerEntry.hour, LedgerEntry.commitment)


@dataclass(frozen=True)
class Inclusion:
    """That a leaf stands at an index of the tree of this size and root."""

    index: int
    size: int
    leaf_hash: bytes
    root: bytes
    hashes: tuple[bytes, ...]


@dataclass(frozen=True)
class Consistency:
    """That the tree of `second` entries begins with all entries of the tree of `first`."""

    first: int
    second: int
    first_root: bytes
    second_root: bytes
    hashes: tuple[bytes, ...]


def leaf_hash(kind: str, hour: datetime, commitment: bytes) -> bytes:
    """The hash under which the tree holds an entry."""
    return merkle.leaf_hash(leaf_data(kind, hour, commitment))


def newest(session: Session) -> LedgerCheckpoint | None:
    """The last checkpoint that was signed; None before the first."""
    return session.scalar(select(LedgerCheckpoint).order_by(LedgerCheckpoint.size.desc()).limit(1))


def current(session: Session) -> LedgerCheckpoint:
    """The last checkpoint that was signed."""
    found = newest(session)
    if found is None:
        raise NoCheckpoint("nothing of the ledger has been signed yet; is the clerk running?")
    return found


def covering(session: Session, index: int) -> LedgerCheckpoint | None:
    """The first checkpoint under which this index stands, so that a receipt is always the same."""
    return session.scalar(
        select(LedgerCheckpoint)
        .where(LedgerCheckpoint.size > index)
        .order_by(LedgerCheckpoint.size)
        .limit(1)
    )


def entries(session: Session, start: int, end: int) -> Sequence[Row[int, str, datetime, bytes]]:
    """Index, kind, hour and commitment of the entries from index `start` up to before `end`."""
    return session.execute(
        select(LedgerLeaf.index, LedgerEntry.kind, LedgerEntry.hour, LedgerEntry.commitment)
        .join(LedgerEntry, LedgerEntry.id == LedgerLeaf.entry_id)
        .where(LedgerLeaf.index >= start, LedgerLeaf.index < end)
        .order_by(LedgerLeaf.index)
    ).all()


def entered(session: Session) -> int:
    """One more than the highest index that is taken."""
    newest = session.scalar(select(func.max(LedgerLeaf.index)))
    return 0 if newest is None else newest + 1


def stored(session: Session, nodes: Iterable[Node]) -> dict[Node, bytes]:
    """The hashes of these complete subtrees; those that are not stored are left out.

    Asked for in arrays: a list of five thousand pairs takes the server a second to plan.
    """
    wanted = set(nodes)
    leaves = [node.offset for node in wanted if node.level == 0]
    above = [node for node in wanted if node.level > 0]
    unnested = func.unnest(
        literal([node.level for node in above], ARRAY(SmallInteger)),
        literal([node.offset for node in above], ARRAY(BigInteger)),
    )
    pairs = unnested.table_valued("level", "offset", name="wanted").render_derived()
    rows = session.execute(
        select(LedgerNode.level, LedgerNode.offset, LedgerNode.hash)
        .join(pairs, and_(LedgerNode.level == pairs.c.level, LedgerNode.offset == pairs.c.offset))
        .union_all(
            select(literal(0), LedgerLeaf.index, LedgerLeaf.leaf_hash).where(
                LedgerLeaf.index == any_(literal(leaves, ARRAY(BigInteger)))
            )
        )
    )
    return {Node(level, offset): value for level, offset, value in rows}


def frontier_of(session: Session, size: int) -> Frontier:
    """The right edge of the tree of this size, from stored hashes. KeyError if one is missing."""
    return frontier.restored(size, stored(session, frontier.nodes((0, size))))


def inclusion(session: Session, index: int, size: int) -> Inclusion:
    """The proof that the entry at this index is in the tree of this size."""
    refuse_beyond(session, size)
    if not 0 <= index < size:
        raise OutOfRange(f"a tree of {size} entries has none at index {index}")
    ranges = merkle.inclusion_ranges(index, size)
    found = stored(session, [Node(0, index), *frontier.nodes((0, size)), *frontier.needed(ranges)])
    return Inclusion(
        index=index,
        size=size,
        leaf_hash=found[Node(0, index)],
        root=frontier.restored(size, found).root,
        hashes=tuple(frontier.proof(ranges, found)),
    )


def consistency(session: Session, first: int, second: int) -> Consistency:
    """The proof that the tree of `second` entries extends that of `first`."""
    refuse_beyond(session, second)
    if not 0 <= first <= second:
        raise OutOfRange(f"a tree of {second} entries does not extend one of {first}")
    ranges = merkle.consistency_ranges(first, second)
    edges = (*frontier.nodes((0, first)), *frontier.nodes((0, second)))
    found = stored(session, [*edges, *frontier.needed(ranges)])
    return Consistency(
        first=first,
        second=second,
        first_root=frontier.restored(first, found).root,
        second_root=frontier.restored(second, found).root,
        hashes=tuple(frontier.proof(ranges, found)),
    )


def refuse_beyond(session: Session, size: int) -> None:
    """Proofs end at the newest checkpoint: beyond it nothing has been signed."""
    largest = current(session).size
    if size > largest:
        raise OutOfRange(f"the ledger's newest checkpoint has {largest} entries, not {size}")
