from dataclasses import replace

import numpy as np
import pytest

from models.auditing import doubts
from models.auditing.evidence import Doubts
from models.auditing.finding import Verdict
from models.auditing.holdout import constant, copied, suspicion
from models.auditing.intervals import Interval
from models.auditing.signals import Signals
from models.recipe import labelled
from tests.models.blobs import blobs


def said(losses: list[float] | np.ndarray, stratum: int = 0) -> Signals:
    values = np.asarray(losses, dtype=np.float64)
    return Signals(values, np.zeros(len(values)), np.full(len(values), stratum))


def test_copies_under_other_ids_are_found_by_what_is_in_them() -> None:
    trained, unseen = blobs(40, seed=0, name="pool"), blobs(20, seed=1, name="val")
    theirs, labels = labelled(trained.batch)
    inputs, others = (leaf.clone() for leaf in labelled(unseen.batch))
    inputs[:5], others[:5] = theirs[3:8], labels[3:8]

    leaking = replace(unseen, batch=(inputs, others))

    assert copied([trained], unseen) == 0.0
    assert copied([trained], leaking) == 0.25


def test_the_same_values_with_another_label_are_no_copy() -> None:
    trained = blobs(10, seed=0, name="pool")
    inputs, labels = labelled(trained.batch)

    assert copied([trained], replace(trained, batch=(inputs, (labels + 1) % 4))) == 0.0


def test_a_validation_set_that_was_trained_on_is_suspicious_and_another_is_not() -> None:
    chance = np.random.default_rng(0)
    test = said(chance.exponential(1.0, 300))

    honest = suspicion(
        {"validation": said(chance.exponential(1.0, 300)), "test": test}, confidence=0.9
    )
    trained = suspicion(
        {"validation": said(chance.exponential(0.3, 300)), "test": test}, confidence=0.9
    )

    assert honest is not None
    assert honest.low < doubts.SUSPICIOUS
    assert trained is not None
    assert trained.low > doubts.SUSPICIOUS


def test_sets_without_a_common_stratum_raise_no_suspicion() -> None:
    assert (
        suspicion({"validation": said([1, 2], 0), "test": said([1, 2], 1)}, confidence=0.9) is None
    )


def test_a_network_that_says_the_same_of_everything_is_constant() -> None:
    assert constant({"forget": said([0.7, 0.7]), "validation": said([0.7, 0.7, 0.7])})
    assert not constant({"forget": said([0.7, 0.7]), "validation": said([0.7, 0.8])})


SUSPICIOUS = Interval(0.2, 0.15, 0.25)


@pytest.mark.parametrize(
    ("doubt", "words"),
    [
        (Doubts(constant=True), "scores all samples alike"),
        (Doubts(copied=0.25), "25% of the samples that are called unseen are copies"),
        (Doubts(suspicion=SUSPICIOUS), "look as if they had been trained on"),
    ],
)
def test_doubts_make_an_audit_inconclusive_and_are_only_told_of_a_retrain(
    doubt: Doubts, words: str
) -> None:
    (found,) = doubts.findings(doubt, "hamu")
    (told,) = doubts.findings(doubt, "retrain")

    assert found.verdict is Verdict.INCONCLUSIVE
    assert words in found.sentence
    assert told == replace(found, verdict=Verdict.PASS)


def test_without_doubts_nothing_is_said() -> None:
    assert list(doubts.findings(Doubts(copied=0.005), "hamu")) == []
