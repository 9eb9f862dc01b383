import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from models.unlearning.hamu_step import (
    Form,
    attainable_gain,
    capacity,
    jointly_attainable_gain,
    plan,
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


@given(seeds, st.floats(-0.9, 0.95))
def test_the_utility_form_is_the_quota_form_of_swapped_and_negated_gradients(
    seed: int, share: float
) -> None:
    retain, forget = random_pairs(seed, blocks=3)

    utility = plan(triples_of(retain, forget), rate=RATE, share=share, form=Form.UTILITY)
    swapped = plan(triples_of(-forget, -retain), rate=RATE, share=share)

    assert step_of(utility, retain, forget) == pytest.approx(step_of(swapped, -forget, -retain))
    assert utility.retain_change == pytest.approx(-swapped.forget_gain)
    assert -utility.retain_change >= share * RATE * capacity(triples_of(retain, forget)) - 1e-9


@given(angles, norms, norms)
def test_at_half_the_angle_the_step_is_the_normalised_gradient_difference(
    theta: float, own: float, other: float
) -> None:
    made = plan(at_angle(theta, own=own, other=other), rate=RATE, share=np.sin(theta / 2))

    assert made.forget[0] * other == pytest.approx(-made.retain[0] * own, rel=1e-6)


@given(seeds)
def test_a_utility_bound_of_nought_gives_gru_s_direction(seed: int) -> None:
    retain, forget = random_pairs(seed)
    forget = forget * float(np.sign((retain * forget).sum()))
    triples = triples_of(retain, forget)

    made = plan(triples, rate=RATE, share=0.0, form=Form.UTILITY)
    step = step_of(made, retain, forget)
    projected = forget - triples[0, 2] / triples[0, 0] * retain

    along = (step * projected).sum() / np.linalg.norm(step) / np.linalg.norm(projected)
    assert along == pytest.approx(1.0, abs=1e-6)


@given(angles, norms, norms, st.floats(0.01, 0.9))
def test_a_negative_utility_bound_is_a_budget_for_the_retain_loss(
    theta: float, own: float, other: float, budget: float
) -> None:
    triples = at_angle(theta, own=own, other=other)
    spent = budget * RATE * capacity(triples)

    free = plan(triples, rate=RATE, share=-budget, form=Form.UTILITY)
    strict = plan(triples, rate=RATE, share=0.0, form=Form.UTILITY)

    assert free.retain_change <= spent * (1 + 1e-9)
    assert free.forget_gain >= strict.forget_gain - 1e-9 * RATE * other**2


@pytest.mark.parametrize("seed", range(12))
def test_the_gain_without_harm_to_any_block_is_the_numeric_maximum(seed: int) -> None:
    retain, forget = random_pairs(seed, blocks=1, size=3)
    own, other = unit(retain[0]), unit(forget[0])

    solved = minimize(
        lambda x: -(other @ x),
        -0.5 * own,
        jac=lambda _: -other,
        method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": lambda x: -(own @ x), "jac": lambda _: -own},
            {"type": "ineq", "fun": lambda x: 1 - x @ x, "jac": lambda x: -2 * x},
        ],
        options={"ftol": 1e-11, "maxiter": 300},
    )

    most = RATE * capacity(triples_of(retain, forget))
    gain = attainable_gain(triples_of(retain, forget), rate=RATE)
    assert gain / most == pytest.approx(-solved.fun, abs=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_the_gain_without_harm_to_all_blocks_together_is_the_numeric_maximum(seed: int) -> None:
    retain, forget = random_pairs(seed, blocks=3, size=3)
    radii = RATE * np.linalg.norm(retain, axis=1)
    scale = (radii * np.linalg.norm(forget, axis=1)).sum()

    solved = minimize(
        lambda d: -(forget * (d.reshape(3, 3) * radii[:, None])).sum() / scale,
        (-0.5 * retain / np.linalg.norm(retain, axis=1, keepdims=True)).ravel(),
        method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": lambda d: -(retain * d.reshape(3, 3) * radii[:, None]).sum()},
            {"type": "ineq", "fun": lambda d: 1 - (d.reshape(3, 3) ** 2).sum(1)},
        ],
        options={"ftol": 1e-12, "maxiter": 500},
    )

    gain = jointly_attainable_gain(triples_of(retain, forget), rate=RATE)
    assert gain / scale == pytest.approx(-solved.fun, abs=1e-4)


@given(seeds)
def test_the_stopping_rules_are_ordered_by_how_much_they_allow(seed: int) -> None:
    triples = triples_of(*random_pairs(seed, blocks=5))

    blockwise = attainable_gain(triples, rate=RATE)
    jointly = jointly_attainable_gain(triples, rate=RATE)

    assert blockwise <= jointly * (1 + 1e-9)
    assert jointly <= RATE * capacity(triples) * (1 + 1e-9)


@given(shares)
def test_opposed_gradients_never_give_a_reason_to_stop(share: float) -> None:
    triples = np.array([[4.0, 9.0, -6.0], [1.0, 1.0, -1.0]])

    made = plan(triples, rate=RATE, share=share)
    quota = share * RATE * capacity(triples)

    assert made.direct.all()
    assert made.retain_change < 0
    assert quota <= attainable_gain(triples, rate=RATE)
    assert quota <= jointly_attainable_gain(triples, rate=RATE)
