"""Runs migrations against one PostgreSQL, with a short lock timeout."""

from typing import Literal

from alembic import context
from sqlalchemy import text

from app.db import Base, BitmapColumn, connect
from app.ledger import (
    calibration_tables,
    canary_tables,
    check_tables,
    clock_tables,
    consumer_tables,
    cosignature_tables,
    derived_tables,
    identification_tables,
    key_tables,
    log_tables,
    opendsr_tables,
    reference_tables,
    refusal_tables,
    signature_tables,
    stored_tables,
    tables,
    tombstone_tables,
    training_log_tables,
    webhook_tables,
    worker_tables,
)

# Importing the tables is what fills the metadata.
for noun in (
    calibration_tables.Calibration,
    canary_tables.Canary,
    check_tables.Check,
    clock_tables.Extension,
    consumer_tables.Consumer,
    cosignature_tables.LedgerCosignature,
    derived_tables.DerivedVersion,
    identification_tables.Identification,
    key_tables.ApiKey,
    log_tables.LedgerEntry,
    opendsr_tables.OpendsrRequest,
    reference_tables.ReferenceScores,
    refusal_tables.SigningRefusal,
    signature_tables.VersionSignature,
    stored_tables.StoredWeights,
    tables.Dataset,
    tombstone_tables.LastingTombstones,
    training_log_tables.TrainingLog,
    webhook_tables.Webhook,
    worker_tables.WorkerMode,
):
    assert noun.metadata is Base.metadata


def render_item(kind: str, item: object, _: object) -> str | Literal[False]:
    """A migration must not change when our types do: write the stored type."""
    return "sa.LargeBinary()" if kind == "type" and isinstance(item, BitmapColumn) else False


def run() -> None:
    """Upgrade over the connection that was handed in, or over the URL."""
    engine = connect(context.config.attributes["url"])
    with engine.connect() as connection:
        # A migration that cannot have its lock gives up instead of queueing everyone behind it.
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_item=render_item,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
