"""From which weights an unlearning job starts: the version in use, or the last exact one."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import marks, versions
from app.ledger.policy import Policy
from app.ledger.states import VersionState
from app.ledger.tables import Model, ModelVersion


@dataclass(frozen=True)
class Start:
    """A version, and what has to be forgotten of its training set."""

    version: ModelVersion
    forget_set: Bitmap


def start_for(session: Session, line: Model, live: ModelVersion, samples: Bitmap) -> Start:
    """Where a job begins that is to take these samples from the live version.

    Under `restart: exact` it begins at the last exact version and forgets again what jobs have
    forgotten since: the successor is one approximation away from a training, not one more. Where
    that version's weights are purged, or what was forgotten since has lost its name, it begins at
    the live version all the same.
    """
    asked = samples & live.training_set
    if Policy.of(line.policy).restart != "exact":
        return Start(live, asked)
    exact, _ = versions.last_exact(session, live)
    # Locked, so that its weights are not purged under the job; once it is queued they are safe.
    session.refresh(exact, ["state"], with_for_update={"key_share": True})
    again = exact.training_set - live.training_set
    if exact.state is VersionState.PURGED or again & marks.nameless(session, line.dataset_id):
        return Start(live, asked)
    return Start(exact, again | asked)
