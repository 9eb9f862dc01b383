"""RUM in the service ranks samples by what their own training noted of them, where it noted it."""

import json
from pathlib import Path
from typing import cast

import pytest
import torch
from sqlalchemy.orm import Session

from app.ledger import training_logs
from models import weights
from models.seeding import seeded
from models.unlearning.rum_groups import refined
from tests.reports import stages
from tests.workers import tiny
from workers import steps
from workers.desk import Desk
from workers.phases import Bench

THEIRS = tiny.pool().ids[: tiny.EACH]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A network that was hardly trained, before a child that is to forget the first person."""
    monkeypatch.setenv("LACUNA_RECIPES", "tests.workers.tiny:recipe")
    with seeded(0):
        weights.save(tiny.recipe.build(), tmp_path / "parent")
    (tmp_path / "retain").write_text(json.dumps(tiny.pool().ids[tiny.EACH :]))
    (tmp_path / "forget").write_text(json.dumps(THEIRS))
    made = Bench(lambda share, words: None)
    paths = {name: str(tmp_path / name) for name in ("retain", "forget", "parent")}
    made.open(recipe="tiny", seed=0, **paths)
    return made


def test_the_groups_are_those_of_the_log(bench: Bench, tmp_path: Path) -> None:
    noted = dict(zip(THEIRS, torch.linspace(0.1, 0.9, tiny.EACH).tolist(), strict=True))
    (tmp_path / "noted").write_text(json.dumps(noted))

    made = bench.unlearn(
        route="rum", steering=None, confidences=str(tmp_path / "noted"), out=str(tmp_path / "new")
    )

    assert bench.split is not None
    scores = {sample_id: 1 - told for sample_id, told in noted.items()}
    told = " ".join(made["trace"]["notes"])
    assert all(group.digest in told for group in refined(bench.split.forget, scores, 3))
    assert made["made_with"]["settings"]["scores"] == "confidence"


def test_without_a_log_the_ranking_is_post_hoc(bench: Bench, tmp_path: Path) -> None:
    out = str(tmp_path / "new")

    made = bench.unlearn(route="rum", steering=None, confidences=None, out=out)

    assert made["made_with"]["settings"]["scores"] is None


@pytest.mark.parametrize(("route", "given"), [("rum", "confidences"), ("hamu", None)])
def test_the_child_is_given_the_log_where_the_route_ranks_by_it(
    session: Session, monkeypatch: pytest.MonkeyPatch, route: str, given: str | None
) -> None:
    asked = {}

    class Telling(stages.FakeDesk):
        def ask(self, phase: str, **told: object) -> dict[str, object]:
            asked[phase] = told
            return super().ask(phase, **told)

    monkeypatch.setattr(training_logs, "of", lambda session, version, samples: [0.5] * len(samples))
    job = stages.claimed(session, route=route)

    desk = cast(Desk, Telling(session, job, stages.answers()))
    for step in (steps.begin, steps.assess, steps.unlearn):
        step(desk)

    assert asked["unlearn"]["confidences"] == given
