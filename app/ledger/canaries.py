"""Canaries: subjects whose place in a training set is decided by a coin, on record beforehand.

Steinke et al., Privacy Auditing with One (1) Training Run (arXiv 2305.08846): the coins are what
makes a score of one network a valid test. All samples of a subject share its coin.
"""

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import any_, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import Integer, LargeBinary

from app.bitmap import Bitmap
from app.evidence import coins
from app.ledger import entries
from app.ledger.canary_tables import Canary, CanaryDeal
from app.ledger.tables import Job, Model, Sample

# With fewer than ten, split evenly, no result is as rare as the one in a hundred that a verdict
# asks for; two more, as coins do not fall evenly.
FEWEST = 12
LOT = random.SystemRandom()  # nobody may know a coin beforehand


# Built once: every deletion request asks it, and mostly there are none.
DEALT = (
    select(CanaryDeal.id, Model.dataset_id)
    .join(Model, Model.id == CanaryDeal.model_id)
    .where(Model.dataset_id.in_(bindparam("datasets", expanding=True)))
    .order_by(CanaryDeal.id)
)


@dataclass(frozen=True)
class Coin:
    """One subject's samples, and whether they are trained on."""

    samples: Bitmap
    included: bool


def flip(
    session: Session,
    dataset_id: UUID,
    training_set: Bitmap,
    *,
    most: int,
    lot: random.Random = LOT,
) -> list[Coin]:
    """A fair coin for each of some subjects, drawn by lot, with at most so many samples in all.

    None where that is fewer than `FEWEST` subjects: they would cost samples and tell nothing.
    """
    coins: list[Coin] = []
    for samples in drawn(session, dataset_id, training_set, most=most, lot=lot):
        if len(samples) <= most:
            most -= len(samples)
            coins.append(Coin(samples, included=bool(lot.getrandbits(1))))
    return coins if len(coins) >= FEWEST else []


def drawn(
    session: Session, dataset_id: UUID, training_set: Bitmap, *, most: int, lot: random.Random
) -> list[Bitmap]:
    """What subjects have in the training set, in random order: those of samples drawn by lot."""
    places = lot.sample(range(len(training_set)), min(most, len(training_set)))
    keys = session.scalars(
        select(Sample.subject_key)
        .distinct()
        .where(
            Sample.dataset_id == dataset_id,
            Sample.ordinal
            == any_(literal([training_set.at(place) for place in places], ARRAY(Integer))),
        )
    ).all()
    rows = session.execute(
        select(func.array_agg(Sample.ordinal))
        .where(
            Sample.dataset_id == dataset_id,
            Sample.subject_key == any_(literal(list(keys), ARRAY(LargeBinary))),
        )
        .group_by(Sample.subject_key)
        .order_by(func.min(Sample.ordinal))
    )
    found = [Bitmap(ordinals) & training_set for (ordinals,) in rows]
    lot.shuffle(found)
    return found


def left_out(flipped: Sequence[Coin]) -> Bitmap:
    """The samples that their coins keep out of the training set."""
    return union([coin.samples for coin in flipped if not coin.included])


def deal(
    session: Session, line: Model, job: Job, flipped: Sequence[Coin], *, now: datetime
) -> CanaryDeal | None:
    """Keep the coins, and commit to them in the ledger before the job has begun to train."""
    if not flipped:
        return None
    rows = [canary(coin) for coin in flipped]
    dealt = CanaryDeal(
        model_id=line.id,
        job_id=job.id,
        size=len(rows),
        samples=union([coin.samples for coin in flipped]),
        digest=coins.digest(row.leaf for row in rows),
        dealt_at=now,
    )
    session.add(dealt)
    session.flush()
    for row in rows:
        row.deal_id = dealt.id
    session.add_all(rows)
    entries.append(
        session,
        "canaries.dealt",
        machine="canary_deal",
        row_id=dealt.id,
        now=now,
        payload={
            "id": str(dealt.id),
            "model": line.name,
            "job": str(job.id),
            "subjects": dealt.size,
            "samples": len(dealt.samples),
            "coins_sha256": dealt.digest.hex(),
        },
    )
    return dealt


def canary(coin: Coin) -> Canary:
    nonce = secrets.token_bytes(coins.NONCE_SIZE)
    leaf = coins.leaf(nonce, coin.samples.digest, included=coin.included)
    return Canary(
        included=coin.included, samples=coin.samples, nonce=nonce, leaf=leaf, hardness=None, heard=0
    )


def union(several: Sequence[Bitmap]) -> Bitmap:
    """All samples of these sets."""
    total = Bitmap()
    for samples in several:
        total |= samples
    return total


def leave(session: Session, samples: Mapping[UUID, Bitmap]) -> None:
    """Whoever asks to be forgotten is no canary any more, in or out; the coin's leaf remains."""
    for dealt, asked in holding(session, samples):
        session.refresh(dealt, with_for_update=True)
        for row in session.scalars(select(Canary).where(Canary.deal_id == dealt.id)):
            if row.samples & asked:
                dealt.samples -= row.samples
                row.samples, row.nonce, row.hardness, row.heard = Bitmap(), None, None, 0


def holding(
    session: Session, samples: Mapping[UUID, Bitmap], *, model_id: UUID | None = None
) -> list[tuple[CanaryDeal, Bitmap]]:
    """The deals among whose canaries are some of these samples, and which: of one model, or any."""
    query = DEALT if model_id is None else DEALT.where(CanaryDeal.model_id == model_id)
    session.flush()
    found = session.connection().execute(query, {"datasets": list(samples)}).all()
    dealt = [(session.get_one(CanaryDeal, deal_id), samples[of]) for deal_id, of in found]
    return [(deal, asked) for deal, asked in dealt if deal.samples & asked]
