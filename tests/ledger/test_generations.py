"""Which generations are in use, and that the sweep does not ask for them one by one."""

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import generations, references, training_logs, versions
from app.ledger.tables import Model, ModelVersion
from tests.factories import (
    NOW,
    digest_of,
    make_dataset,
    make_job,
    make_model,
    make_version,
    run_through,
    whole,
)
from tests.statements import noted

SWEPT = (references.drop_ended, training_logs.drop_ended)


def make_line(session: Session, name: str, *routes: str) -> Model:
    """A model that was trained, and from which a sample was then forgotten by each route."""
    line = make_model(session, make_dataset(session, name), name)
    version = trained(session, line)
    for ordinal, route in enumerate(routes):
        forget = Bitmap([ordinal])
        version = run_through(
            session, make_job(session, parent=version, forget=forget), route=route
        )
        references.add(
            session,
            version,
            0,
            left_out=forget,
            losses={},
            unseen=[],
            weights_digest=digest_of(""),
            now=NOW,
        )
    session.flush()
    return line


def trained(session: Session, line: Model) -> ModelVersion:
    return versions.publish(
        session,
        line,
        made_by="trained",
        weights_digest=digest_of(""),
        training_set=whole(session, line),
        manifest={},
        now=NOW,
    )


def asked_by_a_sweep(session: Session) -> int:
    session.expire_all()
    with noted(session) as asked:
        for drop in SWEPT:
            drop(session)
    return len(asked)


def test_they_are_those_that_live_versions_descend_from(session: Session) -> None:
    lines = [
        make_line(session, "young"),
        make_line(session, "old", "hamu", "hamu", "nabla_tau"),
        make_line(session, "renewed", "hamu", "retrain", "hamu"),
        make_line(session, "just-renewed", "hamu", "retrain"),
    ]
    uploaded = make_model(session, make_dataset(session, "uploaded"), "uploaded")
    make_version(session, uploaded)
    make_model(session, make_dataset(session, "empty"), "empty")

    found = generations.in_use(session)

    lives = versions.lives(session, [line.id for line in [*lines, uploaded]]).values()
    begun = [versions.last_exact(session, live)[0] for live in lives]
    assert len(begun) == 5
    assert sorted(found) == sorted((version.id, version.job_id) for version in begun)


def test_a_sweep_asks_as_much_of_many_models_as_of_one(session: Session) -> None:
    make_line(session, "first", "hamu")
    of_one = asked_by_a_sweep(session)

    for name in ("second", "third", "fourth"):
        make_line(session, name, "hamu", "hamu", "nabla_tau")

    assert asked_by_a_sweep(session) == of_one == 2 * len(SWEPT)


def test_people_are_dealt_by_the_generation_and_not_by_the_job(session: Session) -> None:
    """References that a second job goes on with leave out each person as often as one job's."""
    first, second = (
        make_version(session, make_model(session, make_dataset(session, name), name))
        for name in ("faces", "voices")
    )

    seeds = [references.dealt_by(version) for version in (first, first, second)]

    assert seeds[0] == seeds[1] != seeds[2]
    assert all(0 <= seed < 2**48 for seed in seeds)
