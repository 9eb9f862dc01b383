import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from models.unlearning.hamu_step import (
    Form,
    capacity,
    clip,
    cosines,
    plan,
    share_of_quota,
    thresholds,
)
from tests.models.gradient_pairs import (
    RATE,
    angles,
    at_angle,
    norms,
    random_pairs,
    seeds,
    shares,
    step_of,
    triples_of,
    unit,
)


@pytest.mark.parametrize("seed", range(40))
def test_the_step_is_the_one_a_generic_convex_solver_finds(seed: int) -> None:
    retain, forget = random_pairs(seed)
    share = np.random.default_rng(seed).uniform(0.05, 0.95)
    own, other = unit(retain[0]), unit(forget[0])

    made = plan(triples_of(retain, forget), rate=RATE, share=share)
    # In units of the radius and of the norms: minimise own·x with other·x ≥ q and |x| ≤ 1.
    solved = minimize(
        lambda x: own @ x,
        share * other,
        jac=lambda _: own,
        method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": lambda x: other @ x - share, "jac": lambda _: other},
            {"type": "ineq", "fun": lambda x: 1 - x @ x, "jac": lambda x: -2 * x},
        ],
        options={"maxiter": 500, "ftol": 1e-11},
    )

    assert solved.status in (0, 8)  # converged, or no descent left at this precision
    radius = RATE * float(np.linalg.norm(retain))
    best = float(np.linalg.norm(retain)) * radius
    assert made.retain_change / best == pytest.approx(solved.fun, abs=1e-6)
    assert step_of(made, retain, forget)[0] / radius == pytest.approx(solved.x, abs=1e-3)


@given(seeds, shares)
def test_a_rectified_step_has_exactly_the_quota_and_the_radius(seed: int, share: float) -> None:
    retain, forget = random_pairs(seed)
    triples = triples_of(retain, forget)

    made = plan(triples, rate=RATE, share=share)
    step = step_of(made, retain, forget)

    radius = RATE * np.linalg.norm(retain)
    assert np.linalg.norm(step) == pytest.approx(radius, rel=1e-6)
    assert made.forget_gain == pytest.approx((forget * step).sum(), rel=1e-6)
    assert made.retain_change == pytest.approx((retain * step).sum(), rel=1e-6)
    if made.direct[0]:
        assert step == pytest.approx(-RATE * retain)
        assert made.forget_gain >= share * radius * np.linalg.norm(forget) * (1 - 1e-9)
    else:
        assert made.forget_gain == pytest.approx(share * radius * np.linalg.norm(forget), rel=1e-6)


@given(shares, norms, norms)
def test_direct_and_rectified_steps_agree_where_one_becomes_the_other(
    share: float, own: float, other: float
) -> None:
    switch = np.arccos(-share)
    before = plan(at_angle(switch + 1e-9, own=own, other=other), rate=RATE, share=share)
    after = plan(at_angle(switch - 1e-9, own=own, other=other), rate=RATE, share=share)

    assert before.direct[0]
    assert not after.direct[0]
    assert after.retain == pytest.approx(before.retain, rel=1e-5)
    assert after.forget * other == pytest.approx(before.forget * other, abs=1e-5 * RATE * own)


@given(angles, shares, norms, norms)
def test_thresholds_say_where_the_branch_changes_and_where_the_retain_loss_must_rise(
    theta: float, share: float, own: float, other: float
) -> None:
    triples = at_angle(theta, own=own, other=other)
    kappa = triples[0, 2]
    made, limits = plan(triples, rate=RATE, share=share), thresholds(triples, share=share)
    margin = 1e-9 * own * other

    if abs(kappa - limits.easy[0]) > margin:
        assert made.direct[0] == (kappa < limits.easy[0])
    if abs(kappa - limits.hard[0]) > margin:
        assert (made.retain_change > 0) == (kappa > limits.hard[0])


@given(angles, angles, shares)
def test_with_norms_held_fixed_a_larger_kappa_never_costs_less(
    one: float, other: float, share: float
) -> None:
    easy, hard = max(one, other), min(one, other)

    cost = [plan(at_angle(theta), rate=RATE, share=share).retain_change for theta in (easy, hard)]

    assert cost[0] <= cost[1] + 1e-12


@given(seeds, st.floats(0.05, 0.95))
def test_all_blocks_share_one_quota_share_and_their_quotas_add_up(seed: int, share: float) -> None:
    retain, forget = random_pairs(seed, blocks=6)
    triples = triples_of(retain, forget)
    quota = share * RATE * capacity(triples)

    made = plan(triples, rate=RATE, share=share_of_quota(triples, rate=RATE, quota=quota))
    gains = (forget * step_of(made, retain, forget)).sum(1)
    own = RATE * np.sqrt(triples[:, 0] * triples[:, 1]) * share

    assert made.share == pytest.approx(share)
    assert gains[~made.direct] == pytest.approx(own[~made.direct], rel=1e-6)
    assert own.sum() == pytest.approx(quota)
    assert made.forget_gain >= quota * (1 - 1e-9)


def test_one_block_gives_the_global_problems_answer() -> None:
    retain, forget = random_pairs(3, blocks=4)

    together = plan(triples_of(retain.reshape(1, -1), forget.reshape(1, -1)), rate=RATE, share=0.4)
    apart = plan(triples_of(retain, forget), rate=RATE, share=0.4)
    same_quota = plan(
        triples_of(retain.reshape(1, -1), forget.reshape(1, -1)),
        rate=RATE,
        share=apart.forget_gain / (RATE * float(np.linalg.norm(retain) * np.linalg.norm(forget))),
    )

    step = step_of(together, retain.reshape(1, -1), forget.reshape(1, -1))
    assert np.linalg.norm(step) == pytest.approx(RATE * np.linalg.norm(retain))
    # A bound per block is stricter than one for all, so it cannot cost less for the same gain.
    assert same_quota.retain_change <= apart.retain_change + 1e-12


def test_collinear_gradients_spend_nothing_on_a_noise_direction() -> None:
    made = plan(np.array([[4.0, 9.0, 6.0]]), rate=RATE, share=0.5)

    assert made.retain[0] == 0.0
    assert made.forget_gain == pytest.approx(0.5 * RATE * 6.0)


def test_a_block_without_a_forget_gradient_takes_its_plain_step() -> None:
    triples = np.array([[4.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.5]])

    quota_form = plan(triples, rate=RATE, share=0.5)
    utility_form = plan(triples, rate=RATE, share=0.5, form=Form.UTILITY)

    assert quota_form.direct.tolist() == [True, True, True, False]
    assert quota_form.retain[:3].tolist() == [-RATE] * 3
    assert quota_form.forget[:3].tolist() == [0.0] * 3
    assert utility_form.forget[:3].tolist() == [RATE] * 3
    assert np.isfinite(quota_form.retain).all()
    assert cosines(triples).tolist() == [0.0, 0.0, 0.0, 0.5]


def test_a_bound_that_no_step_can_meet_is_granted_in_part_and_says_what_is_missing() -> None:
    triples = at_angle(1.0, own=2.0, other=3.0)

    made = plan(triples, rate=RATE, share=share_of_quota(triples, rate=RATE, quota=0.9))

    assert made.share == 1.0
    assert made.forget_gain == pytest.approx(RATE * 6.0)
    assert made.shortfall == pytest.approx(0.9 - RATE * 6.0)


@given(seeds, st.floats(0.01, 10))
def test_clipping_triples_is_clipping_gradients(seed: int, limit: float) -> None:
    retain, forget = random_pairs(seed, blocks=4)

    clipped, of_retain, of_forget = clip(triples_of(retain, forget), limit)
    by_hand = triples_of(
        retain * min(1.0, limit / float(np.linalg.norm(retain))),
        forget * min(1.0, limit / float(np.linalg.norm(forget))),
    )

    assert clipped == pytest.approx(by_hand, rel=1e-9)
    assert of_retain * np.linalg.norm(retain) <= limit * (1 + 1e-12)
    assert of_forget <= 1.0


@given(seeds, shares)
def test_a_step_made_from_clipped_gradients_gives_the_raw_ones_no_less(
    seed: int, share: float
) -> None:
    retain, forget = random_pairs(seed, blocks=2)
    clipped, of_retain, of_forget = clip(triples_of(retain, forget), 1.0)

    made = plan(clipped, rate=RATE, share=share)
    step = made.retain[:, None] * of_retain * retain + made.forget[:, None] * of_forget * forget

    assert (forget * step).sum() >= share * RATE * capacity(clipped) * (1 - 1e-9)
