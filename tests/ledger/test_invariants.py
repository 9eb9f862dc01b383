"""Each invariant is broken on purpose, past what guards it, and is named then; no other one is."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.ledger import batching, endings, holds, identifications, requests
from app.ledger.invariants import INVARIANTS, check
from app.ledger.reasons import HoldReason
from app.ledger.requests import Submission
from app.ledger.surroundings import Surroundings
from tests.factories import DAY, NOW, claim, key_of, make_request, make_version, run_through
from tests.ledger.checks import check_now
from tests.ledger.signing import SIGNER, append, sequence, tamper

Spoil = Callable[[Session], None]


@pytest.fixture
def lived(session: Session) -> Session:
    """A ledger in which much has happened, all of it signed."""
    version = make_version(session)
    make_request(session, "ada", external_id="ticket-1234")
    job = batching.batch(session, version.model_id, now=NOW, flush=True)
    assert job is not None
    claim(session, job)
    job.audit = {"verdict": "pass"}
    run_through(session, job)
    make_request(session, "nobody")
    requests.cancel(session, make_request(session, "ben").id, now=NOW, reason="a mistake")
    held = make_request(session, "eve")
    holds.hold(session, held.id, reason=next(iter(HoldReason)), now=NOW)
    make_request(session, "kim")
    failing = batching.batch(session, version.model_id, now=NOW, flush=True)
    assert failing is not None
    claim(session, failing)
    error = {"code": "impossible", "detail": "", "final": True}
    endings.fail_attempt(session, failing, error, now=NOW, max_attempts=5, retry_seconds=60.0)
    batching.batch(session, version.model_id, now=NOW + DAY, flush=True)
    sequence(session)
    check_now(session)
    return session


def broken(session: Session, *told: str, stored: bool | None = True) -> dict[str, list[str]]:
    """By name: the violations of those that do not hold."""
    around = Surroundings(
        keys=SIGNER.verifier_keys,
        stored=lambda _: bool(stored),
        key_of=key_of,
        now=NOW + DAY,
        told=[("worker.log", line) for line in told],
    )
    return {each.name: each.violations for each in check(session, around) if each.violations}


def test_a_ledger_that_was_left_alone_breaks_none(lived: Session) -> None:
    assert broken(lived, '{"event": "claimed", "job": "2b1c"}') == {}


def test_a_request_that_waits_to_be_verified_has_a_timer(lived: Session) -> None:
    told = Submission({}, key_of("mia"), received_at=NOW, due_at=NOW + 30 * DAY)
    asked = identifications.submit(lived, told, lapses_at=NOW + 30 * DAY, now=NOW)
    sequence(lived)

    assert broken(lived) == {}

    identifications.forget(lived, asked.id)
    assert f"{asked.id} is verifying" in broken(lived)["I1"][0]


def test_there_are_nine_and_each_is_said() -> None:
    assert [each.name for each in INVARIANTS] == [f"I{number}" for number in range(1, 10)]
    assert all(each.says for each in INVARIANTS)


def run(*statements: str) -> Spoil:
    def spoil(session: Session) -> None:
        for statement in statements:
            tamper(session, statement)

    return spoil


def job_forgotten(session: Session) -> None:
    """A crash between the end of a job and the giving back of its erasures."""
    tamper(session, "UPDATE erasures SET job_id = NULL WHERE state = 'batched'")


def another(table: str, which: str, **changed: str) -> str:
    """A statement that copies one row of a table, with an id of its own and these changes."""
    changed = {"id": f"'{uuid4()}'"} | changed
    new = ", ".join(f"'{name}', {value}" for name, value in changed.items())
    row = f"(jsonb_populate_record(t, jsonb_build_object({new}))).*"
    # Names and values are this module's own.
    return f"INSERT INTO {table} SELECT {row} FROM {table} AS t WHERE {which}"  # noqa: S608


GONE = {"number": "9", "state": "'purged'", "weights_digest": "'gone'"}
TWO_VERSIONS = run(
    "ALTER TABLE model_versions DROP CONSTRAINT uq_model_versions_job_id",
    another("model_versions", "job_id IS NOT NULL", **GONE),
)
TWO_JOBS = run(
    "DROP INDEX uq_jobs_one_active_per_model",
    another("jobs", "state = 'queued'"),
)

# What is done past all guards; which invariant it breaks; a part of what is said of it.
SPOILT: list[tuple[str, str, Spoil]] = [
    (
        "I1",
        "its erasures say",
        run("UPDATE deletion_requests SET state = 'accepted' WHERE state = 'on_hold'"),
    ),
    ("I1", "its job None is missing", job_forgotten),
    ("I1", "is failed", run("UPDATE jobs SET state = 'failed' WHERE state = 'queued'")),
    (
        "I1",
        "has no owner",
        run(
            "UPDATE ledger_payloads SET payload = '{}' WHERE entry_id IN "
            "(SELECT id FROM ledger_entries WHERE kind = 'job.failed')"
        ),
    ),
    (
        "I1",
        "nobody was told",
        run(
            "UPDATE deletion_requests SET received_at = received_at - "
            "interval '60 days', due_at = due_at - interval '60 days' WHERE state = 'on_hold'"
        ),
    ),
    ("I2", "has 2 versions", TWO_VERSIONS),
    ("I2", "has 2 active jobs", TWO_JOBS),
    ("I2", "its version is missing", run("UPDATE model_versions SET job_id = NULL")),
    (
        "I3",
        "not all of its erasures",
        run("UPDATE erasures SET state = 'pending' WHERE state = 'forgotten'"),
    ),
    ("I3", "by no version", run("UPDATE erasures SET version_id = NULL")),
    ("I3", "has the verdict", run("UPDATE jobs SET audit = NULL")),
    (
        "I3",
        "is in use and saw",
        run("UPDATE model_versions SET state = 'published' WHERE state = 'withdrawn'"),
    ),
    ("I4", "with 1 entries", run("DELETE FROM ledger_entries WHERE kind = 'job.queued'")),
    (
        "I4",
        "after 2 steps",
        run("UPDATE deletion_requests SET revision = 1 WHERE state = 'completed_no_data'"),
    ),
    (
        "I4",
        "which is no step",
        run("UPDATE ledger_entries SET kind = 'job.auditing' WHERE kind = 'job.assessing'"),
    ),
    (
        "I4",
        "signed over another history",
        run("UPDATE ledger_leaves SET leaf_hash = 'x' WHERE index = 3"),
    ),
    (
        "I5",
        "leads to version 1, which is withdrawn",
        run(
            "UPDATE aliases SET version_id = "
            "(SELECT id FROM model_versions WHERE state = 'withdrawn')"
        ),
    ),
    ("I6", "have no tombstone", run("DELETE FROM tombstones")),
    (
        "I6",
        "saw 2 samples that erasure",
        run(another("model_versions", "number = 1", job_id="NULL", **GONE)),
    ),
    ("I7", "is due", run("UPDATE deletion_requests SET due_at = due_at + interval '1 day'")),
    ("I7", "is due", run("UPDATE erasures SET due_at = due_at + interval '1 day'")),
    (
        "I8",
        "names a sample",
        run(
            'UPDATE ledger_payloads SET payload = \'{"id": "ada-01"}\' '
            "WHERE entry_id = (SELECT min(entry_id) FROM ledger_payloads)",
            "UPDATE samples SET sample_id = 'ada-01' WHERE ordinal = 0",
        ),
    ),
    ("I9", "its weights were kept", run("UPDATE model_versions SET weights_digest = 'same'")),
    (
        "I9",
        "its weights were changed",
        run("UPDATE model_versions SET made_by = 'none' WHERE number = 2"),
    ),
]


@pytest.mark.parametrize(("name", "said", "spoil"), SPOILT)
def test_what_is_broken_is_named(lived: Session, name: str, said: str, spoil: Spoil) -> None:
    spoil(lived)

    violations = broken(lived)

    assert name in violations
    assert any(said in violation for violation in violations[name]), violations


def test_an_alias_that_was_moved_back_for_a_while_is_found_in_the_log(lived: Session) -> None:
    withdrawn = lived.execute(text("SELECT id FROM model_versions WHERE number = 1")).scalar_one()
    (entry,) = append(lived, kind="alias.moved")
    tamper(
        lived,
        "UPDATE ledger_entries SET row_id = :version WHERE id = :entry",
        version=withdrawn,
        entry=entry.id,
    )

    assert any("which was withdrawn" in each for each in broken(lived)["I5"])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"event": "imported", "subject": "Person-001"}', "a subject"),
        (f'{{"key": "{key_of("person-001").hex()}"}}', "a subject"),
        ("KeyError: 'sample-77'", "a sample"),
        ("GET /v1/deletion-requests?external_id=ticket-1234", "a request's outside id"),
    ],
)
def test_a_log_that_names_somebody_is_named(lived: Session, line: str, what: str) -> None:
    lived.execute(
        text("UPDATE samples SET subject_key = :key, sample_id = 'sample-77' WHERE ordinal = 9"),
        {"key": key_of("person-001")},
    )

    assert broken(lived, "nothing", line) == {"I8": [f"worker.log names {what}"]}


def test_weights_that_the_store_lost_are_named(lived: Session) -> None:
    assert any("the store does not have them" in each for each in broken(lived, stored=None)["I9"])


def test_purged_weights_that_the_store_still_has_are_named(lived: Session) -> None:
    tamper(lived, "UPDATE model_versions SET state = 'purged' WHERE number = 1")

    assert any("the store has them" in each for each in broken(lived)["I9"])
