from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.auth import Scope
from app.config import Settings
from app.ledger import datasets, identifications
from app.ledger.tables import Dataset, Erasure
from tests.api.conftest import Call, Clock, FakeQueue
from tests.api.keys import make_key
from tests.factories import NOW, grow, make_child, make_dataset, make_model, make_version, ordinals

PATH = "/v1/deletion-requests"
ADA = {"subject": "ada", "external_id": "T-1", "verify_first": True}


@pytest.fixture(autouse=True)
def dataset(session: Session) -> Dataset:
    dataset = make_dataset(session)
    make_version(session, make_model(session, dataset))
    return dataset


def owed(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Erasure)) or 0


def test_a_request_that_is_not_verified_has_no_effect(
    session: Session, dataset: Dataset, post: Call, queue: FakeQueue
) -> None:
    asked = post(PATH, **ADA)

    assert (asked["state"], asked["sample_count"], asked["erasures"]) == ("verifying", 0, [])
    assert owed(session) == 0
    assert not datasets.tombstones(session, dataset.id)
    assert queue.rung == []


def test_who_is_not_verified_learns_nothing_of_the_person(
    session: Session, dataset: Dataset, post: Call
) -> None:
    """Not even which of the versions derived elsewhere had seen their samples."""
    make_child(session, make_version(session, make_model(session, dataset, "smiles")))

    asked = post(PATH, **ADA)

    stranger = post(PATH, subject="nobody", verify_first=True)
    telling = asked.keys() - {"id", "external_id"}
    assert {key: asked[key] for key in telling} == {key: stranger[key] for key in telling}
    assert asked["derived"] == []
    assert len(post(f"{PATH}/{asked['id']}:verify")["derived"]) == 1


def test_once_verified_it_counts_with_the_samples_of_then(
    session: Session, dataset: Dataset, post: Call, queue: FakeQueue, clock: Clock
) -> None:
    asked = post(PATH, **ADA)
    grow(session, dataset, "ada", each=3)
    clock.now = NOW + timedelta(days=3)

    verified = post(f"{PATH}/{asked['id']}:verify")

    assert (verified["state"], verified["sample_count"]) == ("accepted", 3)
    assert datetime.fromisoformat(verified["due_at"]) == datetime.fromisoformat(asked["due_at"])
    assert len(datasets.tombstones(session, dataset.id)) == 3
    assert len(queue.rung) == 1


def test_once_verified_who_was_trained_on_by_no_model_is_done_with(post: Call, get: Call) -> None:
    asked = post(PATH, subject="nobody", verify_first=True)

    verified = post(f"{PATH}/{asked['id']}:verify")

    assert (verified["state"], verified["erasures"]) == ("completed_no_data", [])
    assert get(f"{PATH}/{asked['id']}") == verified


def test_it_is_verified_once(post: Call, refused: Call) -> None:
    asked = post(PATH, **ADA)
    post(f"{PATH}/{asked['id']}:verify")

    refused("POST", f"{PATH}/{asked['id']}:verify", 409, "illegal_transition")


def test_samples_that_were_named_stay_those(session: Session, dataset: Dataset, post: Call) -> None:
    asked = post(PATH, dataset="faces", sample_ids=["ada-0"], verify_first=True)
    grow(session, dataset, "ada", each=3)

    verified = post(f"{PATH}/{asked['id']}:verify")

    assert verified["sample_count"] == 1


def test_who_is_not_verified_changes_nothing_for_who_is(
    session: Session, dataset: Dataset, post: Call
) -> None:
    """An impostor who takes a request back brings nobody's samples back, nor keeps them buried."""
    impostor = post(PATH, dataset="faces", sample_ids=["ada-0", "ada-1"], verify_first=True)
    genuine = post(PATH, subject="ada")

    post(f"{PATH}/{impostor['id']}:cancel", reason="a try")
    assert datasets.tombstones(session, dataset.id) == ordinals(session, dataset, "ada")

    second = post(PATH, dataset="faces", sample_ids=["ada-0", "ada-1"], verify_first=True)
    post(f"{PATH}/{genuine['id']}:cancel", reason="a change of mind")
    assert not datasets.tombstones(session, dataset.id)
    assert second["state"] == "verifying"


def test_a_request_that_nobody_verifies_lapses(session: Session, post: Call, get: Call) -> None:
    asked = post(PATH, **ADA)
    soon, late = NOW + timedelta(days=29), NOW + timedelta(days=30)

    assert list(identifications.overdue(session, now=soon, limit=9)) == []
    (due,) = identifications.overdue(session, now=late, limit=9)
    assert identifications.lapse(session, due, now=late)
    assert not identifications.lapse(session, due, now=late)

    read = get(f"{PATH}/{asked['id']}")
    assert (read["state"], read["external_id"]) == ("cancelled", None)
    assert post(PATH, **ADA)["external_id"] == "T-1"


@pytest.mark.usefixtures("keys_required")
def test_verifying_has_a_scope_of_its_own(
    app: FastAPI, configured: Settings, http: TestClient, session: Session
) -> None:
    app.state.settings = app.state.settings.model_copy(update={"verify_first": True})
    desk = make_key(session, Scope.REQUESTS_WRITE)
    officer = make_key(session, Scope.REQUESTS_VERIFY)

    asked = http.post(PATH, json={"subject": "ada"}, headers=desk).json()
    around = http.post(PATH, json={"subject": "ada", "verify_first": False}, headers=desk)

    assert asked["state"] == "verifying"
    assert (around.status_code, around.json()["code"]) == (403, "missing_scope")
    verify = f"{PATH}/{asked['id']}:verify"
    assert http.post(verify, headers=desk).status_code == 403
    assert http.post(verify, headers=officer).json()["state"] == "accepted"
