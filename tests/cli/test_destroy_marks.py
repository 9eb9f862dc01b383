"""`lacuna ledger destroy-marks`, on a real database."""

from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from app.bitmap import Bitmap
from app.cli.main import app
from app.db import connect, sessions_of, transaction
from app.ledger import datasets, marks
from tests.factories import NOW, make_dataset


@pytest.fixture
def marked(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database in which the first person's samples are only marks."""
    monkeypatch.setenv("LACUNA_DATABASE_URL", fresh_database)
    engine = connect(fresh_database)
    with transaction(sessions_of(engine)) as session:
        mark(session)
    engine.dispose()
    return fresh_database


def mark(session: Session) -> None:
    dataset = make_dataset(session)
    datasets.bury(session, dataset.id, Bitmap([0, 1]), now=NOW)
    marks.take_names(session, dataset.id, Bitmap([0, 1]), now=NOW)


def known(url: str, sample_id: str) -> bool:
    engine = connect(url)
    with transaction(sessions_of(engine)) as session:
        dataset = datasets.get(session, "faces")
        found = datasets.ordinals_by_id(session, dataset.id, [sample_id])
    engine.dispose()
    return sample_id in found


def run(folder: Path, *arguments: str, answer: str = "") -> tuple[int, str]:
    command = ["ledger", "destroy-marks", *arguments, "--data-dir", str(folder)]
    done = CliRunner().invoke(app, command, input=answer)
    return done.exit_code, " ".join(done.output.split())


def test_it_asks_before_it_destroys_anything(marked: str, tmp_path: Path) -> None:
    code, told = run(tmp_path, "faces", answer="n\n")

    assert code == 1
    assert "What the marks of 'faces' keep out could come back. Go on?" in told
    assert known(marked, "ada-0")


def test_the_marks_are_known_no_more_and_what_has_its_name_still_is(
    marked: str, tmp_path: Path
) -> None:
    code, told = run(tmp_path, "faces", "--yes")

    assert (code, told) == (0, "The marks of 'faces' stand for nothing any more.")
    assert not known(marked, "ada-0")
    assert known(marked, "ben-0")


def test_where_there_are_none_it_says_so(marked: str, tmp_path: Path) -> None:
    run(tmp_path, "faces", "--yes")

    code, told = run(tmp_path, "faces", "--yes")

    assert (code, told) == (1, "the dataset 'faces' has no key of marks")
