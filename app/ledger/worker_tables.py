"""The table of workers that somebody has told to take no more jobs."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.ledger.tables import stored

WORKING = "working"  # the mode of whoever was told nothing


class Mode(StrEnum):
    """What a worker was told; one without a row works."""

    PAUSED = "paused"  # claims no more jobs; the one that it has goes on
    DRAINING = "draining"  # and lets go of that one after its present step, for others to go on


class WorkerMode(Base):
    """Stays until somebody says `resume`, also while the worker is away or is started anew."""

    __tablename__ = "worker_modes"

    name: Mapped[str] = mapped_column(primary_key=True)
    mode: Mapped[Mode] = mapped_column(stored(Mode))
    since: Mapped[datetime]
