from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from models.auditing.audit import audit
from models.auditing.judges import judges
from models.auditing.report import AuditReport
from models.auditing.verdict import Thresholds
from models.data import Samples, Split
from models.progress import silent
from models.recipes.digits import recipe
from models.references import Plan, Reference, Table, plans, table, targets, trained
from models.training import evaluate
from models.unlearning.hamu import hamu

FORGOTTEN = 96  # eight writers


@dataclass(frozen=True)
class Case:
    """A network, one trained without eight writers, and references that left out a quarter each."""

    split: Split
    test: Samples
    before: nn.Module
    retrained: nn.Module
    steering: Table
    judging: Table

    def judged(self, after: nn.Module) -> AuditReport:
        known = self.judging.of(self.split.forget.ids)
        return audit(
            self.before,
            after,
            self.split,
            self.test,
            recipe,
            route="hamu",
            judges=judges(known, self.split.forget, self.split.validation),
            seed=0,
            thresholds=Thresholds(),
            progress=silent,
        )


@pytest.fixture(scope="module")
def case() -> Iterator[Case]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pool, holdout = recipe.pool(), recipe.holdout()
    places = torch.arange(len(pool))
    assert pool.subjects is not None
    drawn = plans(pool.subjects, parts=4, rounds=2, seed=0)
    known = table(recipe, pool, holdout.validation, drawn, silent)
    yield Case(
        Split(pool.take(places < FORGOTTEN), pool.take(places >= FORGOTTEN), holdout.validation),
        holdout.test,
        before=trained(recipe, pool, Plan(0, 1, places < 0), silent),
        retrained=trained(recipe, pool, Plan(0, 2, places < FORGOTTEN), silent),
        steering=Table(known.ids, known.references[:4]),
        judging=Table(known.ids, known.references[4:]),
    )
    torch.set_num_threads(threads)


def test_an_untouched_network_is_caught_by_references_that_are_gone(case: Case) -> None:
    report = case.judged(case.before)

    assert report.verdict == "escalate"
    assert report.references == 1  # of four, one for each sample
    assert report.numbers["calibrated.leak"] > 0.1


def test_a_retrain_passes_before_them(case: Case) -> None:
    report = case.judged(case.retrained)

    assert report.verdict == "pass"
    assert abs(report.numbers["calibrated.leak"]) < 0.1


def test_what_one_set_of_references_steered_stands_before_another(case: Case) -> None:
    due = targets(case.steering.of(case.split.forget.ids))
    made = hamu(case.before, case.split, recipe, seed=0, progress=silent, targets=due)

    report = case.judged(made.network)

    assert report.verdict == "pass"
    assert abs(report.numbers["calibrated.leak"]) < 0.5 * report.numbers["calibrated.before"]


def test_who_saw_a_sample_has_no_voice_on_it(case: Case) -> None:
    forget, validation = case.split.forget, case.split.validation
    known = case.judging.of(forget.ids)

    (voice,) = judges(known, forget, validation)

    honest = torch.where(known.left_out, known.losses, 0).sum(dim=0)
    assert voice["forget"].losses == pytest.approx(honest.numpy(), rel=1e-6)
    assert np.isnan(voice["forget"].scores).all()


def test_a_voice_takes_turns_among_its_references_on_held_out_samples(case: Case) -> None:
    forget, validation = case.split.forget, case.split.validation
    twice = Table(case.steering.ids, case.steering.references + case.judging.references)

    voices = judges(twice.of(forget.ids), forget, validation)

    people = list(dict.fromkeys(validation.subjects or validation.ids))
    for voice, four in zip(voices, (case.steering, case.judging), strict=True):
        for place, owner in enumerate(validation.subjects or validation.ids):
            turn = four.unseen[people.index(owner) % 4, place]
            assert voice["validation"].losses[place] == pytest.approx(float(turn))


def test_references_that_all_saw_a_sample_or_other_held_out_ones_are_no_judges(case: Case) -> None:
    forget, validation = case.split.forget, case.split.validation
    losses = evaluate(case.before, forget, recipe.losses)
    unseen = evaluate(case.before, validation, recipe.losses)
    out = torch.ones(FORGOTTEN, dtype=torch.bool)

    knew_one = Table(forget.ids, (Reference(losses, out & (torch.arange(FORGOTTEN) > 0), unseen),))
    asked_others = Table(forget.ids, (Reference(losses, out, unseen[1:]),))

    assert judges(knew_one, forget, validation) == ()
    assert judges(asked_others, forget, validation) == ()
