"""Known answers in a form that CI runs in seconds; the long form is `make bench-conformance`."""

from collections.abc import Iterator

import pytest
import torch

from benchmarks.conformance import answers
from benchmarks.known_answers import World, recipe
from models.auditing.finding import Verdict
from models.auditing.signals import audited_sets, movement
from models.auditing.verdict import Thresholds
from models.data import Split
from models.decision_terms import Route
from models.progress import silent
from models.training import evaluate
from models.unlearning import METHODS
from tests.models.blobs import same_state

WORLDS = 8
FURTHEST = 2.0  # lengths of the parameters; a retrain from fresh weights moves 1.4


@pytest.fixture(scope="module")
def worlds() -> Iterator[list[World]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield [World(seed) for seed in range(WORLDS)]
    torch.set_num_threads(threads)


def test_the_verdict_is_right_where_the_truth_is_known(worlds: list[World]) -> None:
    given = [answers(world) for world in worlds]

    def passed(network: str) -> list[bool]:
        return [
            verdict is Verdict.PASS
            for one in given
            for (_, name), verdict in one.items()
            if name == network
        ]

    assert not any(passed("untouched"))
    assert not any(passed("pushed on"))
    assert not any(passed("not moved"))
    assert sum(passed("retrain")) >= 2 * WORLDS - 2


@pytest.fixture(scope="module")
def world(worlds: list[World]) -> World:
    return worlds[0]


def mean_loss(world: World, network: torch.nn.Module) -> float:
    return evaluate(network, world.split.forget, recipe.losses).mean().item()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_registered_only_if_what_it_makes_is_sound_and_judged_truly(
    world: World, name: str
) -> None:
    """It moves what it may, the right way; and it passes only where a retrain would be."""
    untouched = {key: value.clone() for key, value in world.before.state_dict().items()}

    made = METHODS[name](world.before, world.split, recipe, seed=1, progress=silent).network

    moved = movement(world.before, made)
    verdict = world.verdict(made, referenced=True, moved=moved)
    loss, due = mean_loss(world, made), mean_loss(world, world.retrained)
    assert all(
        torch.equal(value, untouched[key]) for key, value in world.before.state_dict().items()
    )
    assert all(value.isfinite().all() for value in made.state_dict().values())
    assert moved <= FURTHEST
    assert loss >= mean_loss(world, world.before) - 0.01
    if verdict is Verdict.PASS:
        assert moved >= Thresholds().min_movement
        assert 0.5 * due <= loss <= 2 * due


@pytest.mark.parametrize("route", [Route.HAMU, Route.RETRAIN])
def test_what_the_decision_takes_by_itself_passes(world: World, route: Route) -> None:
    made = METHODS[route](world.before, world.split, recipe, seed=1, progress=silent).network

    moved = movement(world.before, made)

    assert world.verdict(made, referenced=True, moved=moved) is Verdict.PASS


def test_every_route_that_runs_something_is_a_registered_method() -> None:
    assert {route.value for route in Route} - {"none"} <= set(METHODS)


def test_a_method_that_returns_what_it_was_given_fails(world: World) -> None:
    assert world.verdict(world.before, referenced=True, moved=0.0) is Verdict.ESCALATE


def test_ids_that_nobody_knows_are_refused_and_never_verified(world: World) -> None:
    with pytest.raises(ValueError, match="not among these samples"):
        world.split.retain.named(["a-typo"])
    nothing = world.split.forget.take(torch.zeros(0, dtype=torch.int64))
    empty = Split(nothing, world.split.retain, world.split.validation)
    with pytest.raises(ValueError, match="forget has fewer"):
        audited_sets(empty, world.test, seed=0)


def test_the_same_world_gives_the_same_networks() -> None:
    assert same_state(World(3).before, World(3).before)
