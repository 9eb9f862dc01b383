"""Signs the weights of published versions, so that the public client `model_signing` verifies them.

Every version in use has a signature by every key in use. Nothing is signed anew: bundles that were
given out verify with the key that they name for as long as somebody keeps it.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, exists, select
from sqlalchemy.orm import Session

from app.evidence.model_signature import bundle, hint, model_key, public_pem
from app.evidence.signer import Signer
from app.ledger import model_keys
from app.ledger.signature_tables import VersionSignature
from app.ledger.states import VersionState
from app.ledger.tables import Model, ModelVersion
from app.signature_errors import SignatureNotReady, UnknownKey

AT_ONCE = 500  # versions in one turn; the next takes more


def sign(session: Session, signer: Signer, *, now: datetime) -> None:
    """Sign what is published and has no signature of a key in use, however old it is."""
    model_keys.announce(session, signer, now=now)
    for key in map(model_key, signer.keys):
        key_hint = hint(public_pem(key))
        for version_id, number, weights_digest, name in unsigned(session, key_hint):
            signed = bundle(f"{name}-{number}.safetensors", weights_digest, key)
            session.add(
                VersionSignature(
                    version_id=version_id, key_hint=key_hint, bundle=signed, signed_at=now
                )
            )
    session.flush()


def unsigned(session: Session, key_hint: str) -> Sequence[Row[UUID, int, str, str]]:
    """Id, number, digest and model of published versions that this key has not signed."""
    signed = exists().where(
        VersionSignature.version_id == ModelVersion.id, VersionSignature.key_hint == key_hint
    )
    return session.execute(
        select(ModelVersion.id, ModelVersion.number, ModelVersion.weights_digest, Model.name)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.state == VersionState.PUBLISHED, ~signed)
        .order_by(ModelVersion.created_at, ModelVersion.id)
        .limit(AT_ONCE)
    ).all()


def read(session: Session, version: ModelVersion, key_hint: str | None = None) -> bytes:
    """A version's bundle by this key, or by the newest; the same bytes each time."""
    bundles = made(session, version)
    if not bundles:
        raise SignatureNotReady("the weights wait for the clerk to sign them")
    if key_hint is None:
        key_hint = next(known for known in model_keys.known(session) if known in bundles)
    if key_hint not in bundles:
        raise UnknownKey(f"version {version.number} was not signed with that key")
    return bundles[key_hint]


def made(session: Session, version: ModelVersion) -> dict[str, bytes]:
    """By the key's hint: every bundle of a version."""
    rows = session.scalars(
        select(VersionSignature).where(VersionSignature.version_id == version.id)
    )
    return {row.key_hint: row.bundle for row in rows}
