"""The ledger's tree for whoever wants to check it: checkpoint, entries, proofs, keys."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.api.deps import NowDep, SessionDep, SettingsDep, SpooledDep
from app.api.problems import Malformed, refusals
from app.errors import BodyTooLarge, NoCheckpoint, OutOfRange
from app.evidence.strict import to_base64
from app.ledger import cosignatures, log_keys, tree
from app.ledger.cosignatures import (
    BadCosignature,
    BadNote,
    StaleCheckpoint,
    UnknownCheckpoint,
    UnknownWitness,
)
from app.ledger.log_tables import LedgerCheckpoint

router = APIRouter(prefix="/v1/ledger", tags=["ledger"])
MOST_ENTRIES = 1000
NOTE = {"text/plain": {"schema": {"type": "string"}}}
HASHES = "SHA-256 hashes in base64, as checkpoints write them."

Index = Annotated[int, Query(ge=0, le=2**53 - 1, description="0 for the oldest entry.")]
Size = Annotated[
    int | None, Query(ge=0, le=2**53 - 1, description="Default: that of the newest checkpoint.")
]


class EntryRead(BaseModel):
    """What a leaf says: that something of this kind happened in this hour, and a commitment."""

    index: int = Field(description="Its place in the ledger.", examples=[17])
    type: str = Field(description="The kind of fact.", examples=["job.succeeded"])
    hour: datetime = Field(description="The hour, in UTC, in which it was appended.")
    commitment: str = Field(description="SHA-256 of salt and payload, in hex.")
    leaf_hash: str = Field(description="The hash of the leaf, in base64.")


class EntriesRead(BaseModel):
    """A run of entries."""

    size: int = Field(description="Entries in the ledger, as the newest checkpoint has it.")
    entries: list[EntryRead] = Field(description=f"At most {MOST_ENTRIES}; ask again from the end.")


class InclusionRead(BaseModel):
    """That an entry stands in the tree of this size (RFC 9162, section 2.1.3)."""

    index: int = Field(description="The entry's place.")
    size: int = Field(description="The size of the tree.")
    leaf_hash: str = Field(description="The entry's leaf hash, in base64.")
    root: str = Field(description="The root hash, in base64.")
    hashes: list[str] = Field(description=f"The proof, leaf to root. {HASHES}")

    @classmethod
    def of(cls, proof: tree.Inclusion) -> Self:
        return cls(**spelled(vars(proof)))


class ConsistencyRead(BaseModel):
    """That the larger tree begins with all of the smaller (RFC 9162, section 2.1.4)."""

    first: int = Field(description="The smaller size.")
    second: int = Field(description="The larger size.")
    first_root: str = Field(description="The root hash of the smaller tree, in base64.")
    second_root: str = Field(description="The root hash of the larger tree, in base64.")
    hashes: list[str] = Field(description=f"The proof. {HASHES}")

    @classmethod
    def of(cls, proof: tree.Consistency) -> Self:
        return cls(**spelled(vars(proof)))


def spelled(proof: dict[str, Any]) -> dict[str, Any]:
    """A proof with its hashes in base64."""

    def spell(value: Any) -> Any:
        match value:
            case bytes():
                return to_base64(value)
            case tuple():
                return [to_base64(each) for each in value]
        return value

    return {name: spell(value) for name, value in proof.items()}


@router.get(
    "/checkpoint",
    summary="Read the newest checkpoint",
    response_class=PlainTextResponse,
    responses=refusals(NoCheckpoint),
)
def read_checkpoint(
    session: SessionDep,
    witnessed: Annotated[
        bool, Query(description="The newest that a witness has cosigned, instead of the newest.")
    ] = False,
) -> Response:
    """Size and root hash of the ledger, signed: a C2SP checkpoint, with its cosignatures."""
    head = cosignatures.newest(session) if witnessed else tree.current(session)
    return answered(session, head)


@router.post(
    "/checkpoint/cosignatures",
    status_code=201,
    summary="Add a witness's cosignature",
    response_class=PlainTextResponse,
    responses=refusals(
        BadNote, UnknownCheckpoint, UnknownWitness, BadCosignature, StaleCheckpoint, BodyTooLarge
    ),
    openapi_extra={"requestBody": {"required": True, "content": NOTE}},
)
def add_cosignature(
    session: SessionDep, settings: SettingsDep, now: NowDep, body: SpooledDep
) -> Response:
    """The body is a checkpoint of this ledger with `cosignature/v1` lines under it.

    Any checkpoint that was signed may be cosigned, not only the newest. Each line is verified
    before it is kept; those of witnesses that are not in LACUNA_WITNESS_KEYS are ignored. The
    answer is the checkpoint with all its cosignatures.
    """
    head = cosignatures.add(session, body.read(), settings.witnesses, now=now)
    response = answered(session, head)
    response.status_code = 201
    return response


def answered(session: Session, head: LedgerCheckpoint) -> Response:
    """A checkpoint as it is given out."""
    note = cosignatures.cosigned(session, head).decode()
    return PlainTextResponse(note, headers={"Cache-Control": "no-cache"})


@router.get("/entries", summary="List entries", responses=refusals(NoCheckpoint, Malformed))
def list_entries(
    session: SessionDep,
    start: Index = 0,
    end: Annotated[
        int | None, Query(ge=0, description="Up to, and without, this index. Default: all.")
    ] = None,
) -> EntriesRead:
    """What the leaves of the tree are made of; what happened to whom is not in them."""
    size = tree.current(session).size
    stop = min(size if end is None else end, size, start + MOST_ENTRIES)
    return EntriesRead(
        size=size,
        entries=[
            EntryRead(
                index=index,
                type=kind,
                hour=hour,
                commitment=commitment.hex(),
                leaf_hash=to_base64(tree.leaf_hash(kind, hour, commitment)),
            )
            for index, kind, hour, commitment in tree.entries(session, start, stop)
        ],
    )


@router.get(
    "/proof/inclusion",
    summary="Prove that an entry is in the ledger",
    responses=refusals(NoCheckpoint, OutOfRange, Malformed),
)
def prove_inclusion(session: SessionDep, index: Index, size: Size = None) -> InclusionRead:
    """The inclusion proof of one entry in the tree of one size."""
    whole = tree.current(session).size if size is None else size
    return InclusionRead.of(tree.inclusion(session, index, whole))


@router.get(
    "/proof/consistency",
    summary="Prove that nothing was rewritten",
    responses=refusals(NoCheckpoint, OutOfRange, Malformed),
)
def prove_consistency(session: SessionDep, first: Index, second: Size = None) -> ConsistencyRead:
    """That the ledger of the second size begins with the whole ledger of the first."""
    whole = tree.current(session).size if second is None else second
    return ConsistencyRead.of(tree.consistency(session, first, whole))


@router.get(
    "/key",
    summary="Read the ledger's public keys",
    response_class=PlainTextResponse,
    responses=refusals(NoCheckpoint),
)
def read_keys(session: SessionDep) -> Response:
    """Verifier keys, one a line, the newest first: what `lacuna verify --key` takes.

    Get them once from somebody you trust, and keep them: a key that comes with the receipt it is to
    check proves nothing.
    """
    tree.current(session)
    return PlainTextResponse("".join(f"{vkey}\n" for vkey in log_keys.known(session)))
