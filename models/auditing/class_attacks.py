"""Attacks on the whole output of a classifier, not on the loss alone. Pure functions."""

import numpy as np
from scipy import special

from models.auditing.attacks import Ints
from models.auditing.intervals import Floats

FOLDS = 2
DEPTH = 3


def certainty(logits: Floats) -> Floats:
    """`[N]`: the negated entropy of the output, `[N, C]`: members get more certain ones.

    Salem et al., ML-Leaks (NDSS 2019, arXiv 1806.01246), threshold on the entropy.
    """
    return -special.entr(special.softmax(logits, axis=1)).sum(axis=1)


def margin(logits: Floats, labels: Ints) -> Floats:
    """`[N]`: the true class's logit less the highest other: members lie further inside.

    The hinge of Carlini et al., arXiv 2112.03570, section 5.
    """
    others = logits.copy()
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    np.put_along_axis(others, labels[:, None], -np.inf, axis=1)
    return own[:, 0] - others.max(axis=1)


def tree(forgotten: Floats, unseen: Floats, *, seed: int) -> tuple[Floats, Floats]:
    """How much a small tree takes each for a forgotten sample, `[n]` and `[m]`.

    Of signals `[n, k]` and `[m, k]`, such as loss, entropy and margin (Breiman et al. 1984; the
    attack that learns, as in Yeom et al., arXiv 1709.01604). Each half is scored by a tree that was
    grown on the other, so that an AUC of 0.5 is chance. It finds either direction, and bands.
    """
    # Here: every child would wait for scikit-learn, half as long as for torch, and most need none.
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415

    signals = np.concatenate([forgotten, unseen])
    truth = np.concatenate([np.ones(len(forgotten)), np.zeros(len(unseen))])
    fold = np.concatenate([folds(len(forgotten), seed), folds(len(unseen), seed + 1)])
    scores = np.empty(len(signals))
    for here in range(FOLDS):
        learnt = DecisionTreeClassifier(
            max_depth=DEPTH, min_samples_leaf=5, class_weight="balanced", random_state=0
        ).fit(signals[fold != here], truth[fold != here])
        scores[fold == here] = learnt.predict_proba(signals[fold == here])[:, -1]
    return scores[: len(forgotten)], scores[len(forgotten) :]


def folds(count: int, seed: int) -> Ints:
    """`[N]`: 0 or 1, as often as one another."""
    return np.random.default_rng(seed).permutation(count) % FOLDS
