"""Attacks that inform and do not decide: their AUCs stand beside those that the verdict uses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from models.auditing.attacks import matched, placements, separation
from models.auditing.class_attacks import tree
from models.auditing.evidence import Attack
from models.auditing.intervals import Floats
from models.auditing.reference_attacks import (
    Witnesses,
    beyond_all,
    degree,
    lira,
    rmia,
    tuned_a,
)
from models.auditing.report import Attacked, Records
from models.auditing.signals import Heard, Said, Signals

UNSEEN = "validation"
Scores = tuple[Floats, Floats]  # of the forgotten and of the unseen samples


@dataclass(frozen=True)
class Asked:
    """What references that never saw them say of the forgotten and of the unseen samples."""

    forgotten: Witnesses
    unseen: Witnesses


def informing(
    heard: Heard, networks: Mapping[str, Said], *, seed: int, confidence: float
) -> list[Attacked]:
    """Every attack that can be run on each of these networks, where a stratum matches."""
    asked = asked_of(heard)
    return [
        attacked(attack, name, said, scores, confidence)
        for name, said in networks.items()
        if name != "reference" and matched(said["forget"].strata, said[UNSEEN].strata).any()
        for attack, scores in (
            *by_output(said, seed=seed),
            *by_tokens(said),
            *by_references(said, asked),
        )
    ]


def attacked(attack: Attack, name: str, said: Said, scores: Scores, confidence: float) -> Attacked:
    placed = placements(scores[0], said["forget"].strata, scores[1], said[UNSEEN].strata)
    return Attacked(attack, name, UNSEEN, separation(placed, confidence=confidence).interval)


def by_output(said: Said, *, seed: int) -> Iterator[tuple[Attack, Scores]]:
    """From a classifier's outputs, where there are any."""
    ours, theirs = said["forget"], said[UNSEEN]
    if ours.outputs is None or theirs.outputs is None:
        return
    yield Attack.ENTROPY, (ours.outputs[:, 0], theirs.outputs[:, 0])
    yield Attack.MARGIN, (ours.outputs[:, 1], theirs.outputs[:, 1])
    yield Attack.TREE, tree(signals(ours), signals(theirs), seed=seed)


def by_tokens(said: Said) -> Iterator[tuple[Attack, Scores]]:
    """From a language model's losses of single tokens, where the recipe tells them."""
    ours, theirs = said["forget"].tokens, said[UNSEEN].tokens
    if ours is None or theirs is None:
        return
    for column, attack in enumerate((Attack.TOKENS, Attack.MIN_K)):
        yield attack, (ours[:, column], theirs[:, column])


def signals(said: Signals) -> Floats:
    """`[N, 3]`: loss, certainty and margin."""
    assert said.outputs is not None
    return np.column_stack([said.losses, said.outputs])


def asked_of(heard: Heard) -> Asked | None:
    """The references of an audit as witnesses; None where there is none."""
    if not heard.yardsticks:
        return None
    of_forget, unseen = (
        Witnesses.of_unseen(np.stack([said[name].losses for said in heard.yardsticks]))
        for name in ("forget", UNSEEN)
    )
    return Asked(heard.witnesses or of_forget, unseen)


def by_references(said: Said, asked: Asked | None) -> Iterator[tuple[Attack, Scores]]:
    """With the help of references, where there are any."""
    if asked is None:
        return
    ours, theirs = said["forget"].losses, said[UNSEEN].losses
    a = tuned_a(asked.forgotten, asked.unseen)
    yield (
        Attack.RMIA,
        (
            rmia(ours, asked.forgotten, theirs, asked.unseen, a=a),
            rmia(theirs, asked.unseen, theirs, asked.unseen, a=a),
        ),
    )
    yield Attack.LIRA, (lira(ours, asked.forgotten), lira(theirs, asked.unseen))


def records(heard: Heard) -> Records | None:
    """What single records look like beside references; None where there is none."""
    if (asked := asked_of(heard)) is None:
        return None
    before, after = heard.parent["forget"].losses, heard.served["forget"].losses
    degrees = degree(before, after, asked.forgotten)
    known = degrees[~np.isnan(degrees)]
    quartiles = np.quantile(known, (0.25, 0.5, 0.75)).tolist() if len(known) else None
    witnesses = asked.forgotten.left_out.sum(axis=0)
    return Records(
        remembered=len(known),
        degrees=quartiles,
        flagged=int(beyond_all(after, asked.forgotten).sum()),
        by_chance=float((1 / (witnesses + 1)).sum()),
    )
