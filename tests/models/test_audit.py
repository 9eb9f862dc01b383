import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from models.auditing.audit import audit
from models.auditing.measuring import kept_share
from models.auditing.report import AuditReport
from models.auditing.signals import RETAIN_CAP, capped, movement
from models.auditing.verdict import Thresholds
from models.data import Samples, Split
from models.progress import silent
from models.recipe import labelled
from models.recipes import digits
from models.recipes.digits import recipe
from models.seeding import seeded

FORGOTTEN = 100


@dataclass(frozen=True)
class Case:
    """Networks whose truth is known: they overfit labels of which one in five is wrong."""

    split: Split
    test: Samples
    before: nn.Module
    retrained: nn.Module
    reference: nn.Module


@pytest.fixture(scope="module")
def case() -> Iterator[Case]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    everything = with_wrong_labels(digits.read())
    unseen = digits.POOL + digits.VALIDATION
    pool, validation, test = (
        everything.take(rows)
        for rows in torch.arange(len(everything)).tensor_split((digits.POOL, unseen))
    )
    split = Split(
        pool.take(torch.arange(FORGOTTEN)),
        pool.take(torch.arange(FORGOTTEN, len(pool))),
        validation,
    )
    yield Case(
        split,
        test,
        before=trained(pool, seed=1),
        retrained=trained(split.retain, seed=2),
        reference=trained(split.retain, seed=3),
    )
    torch.set_num_threads(threads)


def with_wrong_labels(samples: Samples) -> Samples:
    inputs, labels = labelled(samples.batch)
    chance = torch.Generator().manual_seed(0)
    wrong = torch.rand(len(labels), generator=chance) < 0.2
    shift = torch.randint(1, 10, labels.shape, generator=chance)
    labels = torch.where(wrong, (labels + shift) % 10, labels)
    return Samples(samples.ids, (inputs, labels), labels)


def trained(samples: Samples, *, seed: int) -> nn.Module:
    with seeded(seed):
        network = recipe.build()
    recipe.fit(network, samples, seed=seed, progress=silent)
    return network.eval()


def nudged(network: nn.Module) -> nn.Module:
    """Moved, but by nothing that matters."""
    student = deepcopy(network)
    for parameter in student.parameters():
        parameter.data += 1e-4
    return student


def pushed_on(network: nn.Module, split: Split) -> nn.Module:
    """Driven to a forget loss of 10, the retain set held: a retrain's is about 3."""
    student = deepcopy(network)
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-3)
    with seeded(0) as generator:
        for _ in range(200):
            rows = torch.randperm(len(split.retain), generator=generator)[:128]
            held = recipe.losses(student, split.retain.rows(rows)).mean()
            owed = F.relu(10 - recipe.losses(student, split.forget.batch)).mean()
            optimizer.zero_grad()
            (held + 5 * owed).backward()
            optimizer.step()
    return student


def report_of(
    case: Case,
    after: nn.Module,
    *,
    split: Split | None = None,
    test: Samples | None = None,
    route: str = "hamu",
    references: tuple[nn.Module, ...] = (),
    seed: int = 0,
) -> AuditReport:
    return audit(
        case.before,
        after,
        split or case.split,
        test or case.test,
        recipe,
        route=route,
        references=references,
        seed=seed,
        thresholds=Thresholds(),
        progress=silent,
    )


def told(report: AuditReport) -> str:
    return " ".join(report.sentences)


def of_class(pool: Samples, label: int, *, share: float) -> tuple[Samples, Samples]:
    """A part of a class, and all else."""
    places = (pool.strata == label).nonzero().flatten()
    gone = torch.zeros(len(pool), dtype=torch.bool)
    gone[places[: round(share * len(places))]] = True
    return pool.take(gone), pool.take(~gone)


def test_a_network_that_knows_a_whole_class_as_before_is_not_passed(case: Case) -> None:
    forget, retain = of_class(case.split.retain, 3, share=1.0)
    split = Split(forget, retain, case.split.validation)

    report = report_of(case, nudged(case.retrained), split=split)

    assert report.verdict != "pass"
    assert "100% of the forgotten samples are of strata that lose more" in told(report)


@pytest.mark.parametrize(("share", "kept"), [(0.4, 1.0), (0.6, 0.0), (1.0, 0.0)])
def test_a_class_is_kept_that_keeps_as_many_as_it_loses(
    case: Case, share: float, kept: float
) -> None:
    split = Split(*of_class(case.split.retain, 3, share=share), case.split.validation)

    assert kept_share(split) == kept


def test_a_retrain_passes_without_a_reference(case: Case) -> None:
    assert report_of(case, case.retrained).verdict == "pass"


def test_a_retrain_passes_beside_a_reference(case: Case) -> None:
    assert report_of(case, case.retrained, references=(case.reference,)).verdict == "pass"


def test_an_untouched_network_fails_for_not_moving_and_for_what_it_remembers(case: Case) -> None:
    report = report_of(case, case.before)

    assert report.verdict == "escalate"
    assert report.movement == 0
    assert "did not move" in told(report)
    assert "look remembered" in told(report)


@pytest.mark.parametrize("with_reference", [False, True])
def test_a_network_that_only_pretends_to_move_fails(case: Case, with_reference: bool) -> None:
    references = (case.reference,) if with_reference else ()

    report = report_of(case, nudged(case.before), references=references)

    assert report.verdict == "escalate"
    assert report.movement is not None
    assert report.movement > 0
    assert report.numbers["loss.leak"] > report.numbers["loss.margin"]


@pytest.mark.parametrize("with_reference", [False, True])
def test_an_over_forgotten_network_fails(case: Case, with_reference: bool) -> None:
    references = (case.reference,) if with_reference else ()

    report = report_of(case, pushed_on(case.before, case.split), references=references)

    assert report.verdict == "escalate"
    assert "they look pushed further than forgotten" in told(report)


def test_a_network_left_alone_by_decision_is_attacked_all_the_same(case: Case) -> None:
    report = report_of(case, case.before, route="none")

    assert report.verdict == "escalate"
    assert "left as they were, as decided" in told(report)
    assert "look remembered" in told(report)


def test_a_network_that_says_nan_fails_and_its_report_is_still_json(case: Case) -> None:
    broken = deepcopy(case.retrained)
    next(broken.parameters()).data[0, 0] = torch.nan

    report = report_of(case, broken)

    assert report.verdict == "escalate"
    assert not report.finite
    assert json.loads(json.dumps(asdict(report), allow_nan=False))["movement"] is None


def test_a_network_that_says_the_same_of_all_fails_for_its_utility(case: Case) -> None:
    constant = deepcopy(case.retrained)
    for parameter in constant.parameters():
        parameter.data.zero_()

    report = report_of(case, constant)

    assert report.verdict == "escalate"
    assert report.numbers["loss.leak"] == 0
    assert "more than the 0.06 allowed" in told(report)


def test_five_samples_are_too_few(case: Case) -> None:
    few = replace(case.split, forget=case.split.forget.take(torch.arange(5)))

    report = report_of(case, case.retrained, split=few)

    assert report.verdict == "inconclusive"
    assert "5 forgotten samples are too few" in told(report)


def test_a_class_that_nobody_held_out_cannot_be_compared(case: Case) -> None:
    forget = case.split.forget
    split = replace(case.split, forget=replace(forget, strata=torch.full_like(forget.strata, 77)))

    report = report_of(case, case.retrained, split=split)

    assert report.verdict == "inconclusive"
    assert "Only 0% of the forgotten samples" in told(report)
    assert report.attacks == []


def test_a_class_forgotten_as_a_whole_is_no_loss_of_utility(case: Case) -> None:
    kept = case.split.retain.strata != 3
    without = replace(case.split, retain=case.split.retain.take(kept))
    blind = never_answering(case.before, label=3)

    fair, unfair = report_of(case, blind, split=without), report_of(case, blind)

    assert "more than the 0.06 allowed" not in told(fair)
    assert "more than the 0.06 allowed" in told(unfair)


def never_answering(network: nn.Module, *, label: int) -> nn.Module:
    student = deepcopy(network)
    *_, bias = student.parameters()
    bias.data[label] -= 100
    return student


@pytest.mark.parametrize("name", ["forget", "retain", "validation"])
def test_sets_that_overlap_are_refused(case: Case, name: str) -> None:
    shared = getattr(case.split, name).take(torch.arange(3))

    with pytest.raises(ValueError, match=f"the test set shares samples with: {name}"):
        report_of(case, case.retrained, test=shared)


def test_a_forgotten_sample_among_the_unseen_is_refused(case: Case) -> None:
    split = replace(case.split, validation=case.split.forget)

    with pytest.raises(ValueError, match="the validation set shares samples with: forget"):
        report_of(case, case.retrained, split=split)


def test_an_empty_set_is_refused(case: Case) -> None:
    split = replace(case.split, forget=case.split.forget.take(torch.arange(0)))

    with pytest.raises(ValueError, match="forget has fewer"):
        report_of(case, case.retrained, split=split)


def test_a_broken_reference_is_refused(case: Case) -> None:
    broken = deepcopy(case.reference)
    next(broken.parameters()).data[0, 0] = torch.nan

    with pytest.raises(ValueError, match="the parent or a reference gives"):
        report_of(case, case.retrained, references=(broken,))


def test_networks_of_another_shape_are_refused(case: Case) -> None:
    with pytest.raises(ValueError, match="different parameters"):
        movement(case.before, nn.Linear(64, 10))


def test_movement_is_relative_and_leaves_running_statistics_out() -> None:
    before = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    after = deepcopy(before).train()
    after(torch.full((4, 3), 5.0))
    scaled = deepcopy(before)
    for parameter in scaled.parameters():
        parameter.data *= 1.25

    assert movement(before, after) == 0
    assert movement(before, scaled) == pytest.approx(0.25)


def test_a_report_is_small_json_that_names_nobody(case: Case) -> None:
    report = report_of(case, case.retrained, references=(case.reference, case.before))

    text = json.dumps(asdict(report), allow_nan=False)

    assert len(text) < 50_000
    assert json.loads(text)["samples"]["forget"] == FORGOTTEN
    assert not [sample_id for sample_id in case.split.forget.ids if sample_id in text]


def test_a_report_shows_every_network_on_every_set(case: Case) -> None:
    report = report_of(case, case.retrained, references=(case.reference,))

    pairs = {
        (network, samples)
        for network in ("parent", "served", "reference")
        for samples in ("forget", "retain", "validation", "test")
    }
    whole = [one for one in report.utility if one.stratum is None]
    assert {(one.network, one.samples) for one in whole} == pairs
    assert {(one.network, one.samples) for one in report.distributions} == pairs
    assert all(one.losses == sorted(one.losses) for one in report.distributions)


def test_subgroups_of_the_test_set_are_told_apart_where_the_recipe_names_them(case: Case) -> None:
    names = tuple("old" if place % 4 else "young" for place in range(len(case.test)))

    report = report_of(replace(case, test=replace(case.test, groups=names)), case.retrained)

    told = {
        one.group: one.utility.samples
        for one in report.utility
        if one.network == "served" and one.group is not None
    }
    assert told == {"old": names.count("old"), "young": names.count("young")}
    assert {one.samples for one in report.utility if one.group is not None} == {"test"}
    assert not [one for one in report_of(case, case.retrained).utility if one.group is not None]


def test_strata_of_the_test_set_add_up_to_it(case: Case) -> None:
    report = report_of(case, case.retrained)

    served = [one for one in report.utility if (one.network, one.samples) == ("served", "test")]
    whole, *parts = sorted(served, key=lambda one: one.stratum is not None)
    weighted = sum(part.utility.samples * part.utility.score.estimate for part in parts)
    assert [part.stratum is None for part in parts] == [False] * 10
    assert weighted / whole.utility.samples == pytest.approx(whole.utility.score.estimate)


def test_the_attack_is_told_for_samples_that_steered_nothing_too(case: Case) -> None:
    report = report_of(case, case.before)

    aucs = {
        (one.network, one.unseen): one.auc.estimate
        for one in report.attacks
        if one.attack == "loss"
    }
    assert aucs["served", "validation"] == pytest.approx(0.5 + report.numbers["loss.leak"])
    assert aucs["served", "test"] == pytest.approx(aucs["served", "validation"], abs=0.1)


def test_an_audit_repeats_and_leaves_the_networks_alone(case: Case) -> None:
    weights = deepcopy(case.before.state_dict())
    case.before.train()

    one, other = (report_of(case, case.retrained, seed=7) for _ in range(2))

    assert replace(one, seconds=0.0) == replace(other, seconds=0.0)
    assert case.before.training
    assert all(
        torch.equal(value, weights[name]) for name, value in case.before.state_dict().items()
    )


def test_retained_samples_are_capped_by_the_seed() -> None:
    count = RETAIN_CAP + 500
    samples = Samples(
        tuple(map(str, range(count))), torch.arange(count), torch.zeros(count, dtype=torch.int64)
    )

    one, same, other = (capped(samples, seed=seed).ids for seed in (1, 1, 2))

    assert len(one) == RETAIN_CAP
    assert one == same
    assert one != other


def test_whoever_watches_can_stop_an_audit(case: Case) -> None:
    def stop(share: float, words: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(
            case.before,
            case.retrained,
            case.split,
            case.test,
            recipe,
            route="hamu",
            seed=0,
            thresholds=Thresholds(),
            progress=stop,
        )
