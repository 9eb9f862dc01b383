"""A run of RUM that is killed and taken up again ends with the same bits as one that never was."""

import json
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch

from models.data import Split
from models.progress import Progress, silent
from models.resuming import Resume
from models.unlearning.contract import Stop, Trace, Unlearned
from models.unlearning.finetune import finetune
from models.unlearning.rum import nothing, rum, scoring_passes
from models.unlearning.rum_groups import Order, Pending
from models.unlearning.rum_resuming import trace_of
from models.unlearning.salun import salun
from tests.models.blobs import make_split, recipe, same_state, trained
from tests.models.killing import Killed, killed_at

tuned, relabelled = partial(finetune, epochs=2), partial(salun, epochs=2)
WAYS: dict[str, dict[str, Any]] = {
    "as it comes": {"methods": (nothing, tuned, relabelled)},
    "the hardest first": {
        "methods": (tuned, nothing, relabelled),
        "order": Order.HIGH_FIRST,
        "pending": Pending.IN,
    },
    "at random": {"methods": (relabelled, tuned, relabelled), "shuffle": True},
}
MOMENTS = [sixth / 6 for sixth in range(6)]  # as a turn begins, or in its middle


@pytest.fixture
def resume(tmp_path: Path) -> Resume:
    return Resume(tmp_path / "rum.resume", about="this")


def run(
    way: str,
    resume: Resume | None = None,
    progress: Progress = silent,
    split: Split | None = None,
) -> Unlearned:
    given = make_split() if split is None else split
    return rum(trained(), given, recipe, seed=3, progress=progress, resume=resume, **WAYS[way])


@cache
def unbroken(way: str) -> Unlearned:
    return run(way)


def is_unbroken(way: str, ended: Unlearned) -> bool:
    alike = same_state(ended.network, unbroken(way).network)
    return alike and ended.trace == unbroken(way).trace and not ended.network.training


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("way", WAYS)
def test_killed_in_any_turn_and_taken_up_it_ends_with_the_same_bits(
    way: str, moment: float, resume: Resume
) -> None:
    with pytest.raises(Killed):
        run(way, resume, killed_at(moment))
    assert resume.path.exists()

    ended = run(way, resume)

    assert is_unbroken(way, ended)
    assert list(resume.path.parent.iterdir()) == [resume.path]


@pytest.mark.parametrize("way", WAYS)
def test_killed_again_and_again_it_ends_with_the_same_bits(way: str, resume: Resume) -> None:
    for moment in MOMENTS:
        with pytest.raises(Killed):
            run(way, resume, killed_at(moment))

    assert is_unbroken(way, run(way, resume))


@pytest.mark.parametrize("way", WAYS)
def test_repeated_after_its_end_it_takes_the_last_turn_again(way: str, resume: Resume) -> None:
    run(way, resume)

    ended = run(way, resume)

    assert is_unbroken(way, ended)


def test_turns_that_were_taken_are_not_taken_again(resume: Resume) -> None:
    seen: list[float] = []
    with pytest.raises(Killed):
        run("at random", resume, killed_at(5 / 6))

    run("at random", resume, lambda share, words: seen.append(share))

    assert seen == pytest.approx([4 / 6, 5 / 6])


def test_groups_that_were_settled_are_not_settled_again(resume: Resume) -> None:
    unscorable = replace(make_split(), validation=make_split().validation.take(torch.arange(0)))
    with pytest.raises(ValueError, match="no held-out samples"):
        run("as it comes", split=unscorable)
    with pytest.raises(Killed):
        run("as it comes", resume, killed_at(0))

    ended = run("as it comes", resume, split=unscorable)

    fewer = ended.trace.sample_passes + scoring_passes(make_split()) - scoring_passes(unscorable)
    assert is_unbroken(
        "as it comes", replace(ended, trace=replace(ended.trace, sample_passes=fewer))
    )


def test_what_was_left_of_other_samples_is_thrown_away(resume: Resume) -> None:
    others = make_split(forget=21)
    with pytest.raises(Killed):
        run("at random", Resume(resume.path, about="others"), killed_at(5 / 6), others)

    ended = run("at random", resume)

    assert is_unbroken("at random", ended)
    assert list(resume.path.parent.iterdir()) == [resume.path]


def test_a_trace_is_told_as_json_without_loss() -> None:
    trace = Trace(Stop.HARM, steps=2, sample_passes=9, columns={"a": [0.1, 1e-300]}, notes=("b",))

    again = trace_of(json.loads(json.dumps(asdict(trace))))

    assert again == trace
    assert again.stop is Stop.HARM
