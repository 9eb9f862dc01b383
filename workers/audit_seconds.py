"""Predicts how long forward passes take, an audit's for instance, for whoever has to pay for it."""

import time

import torch
from torch import nn

from models.auditing.signals import RETAIN_CAP, in_one_pass
from models.data import Holdout, Split
from models.recipe import Recipe
from models.training import evaluate


def pass_seconds(parent: nn.Module, holdout: Holdout, recipe: Recipe) -> float:
    """Seconds of a sample's way forward through the network."""
    validation = holdout.validation
    evaluate(parent, validation.take(torch.arange(1)), recipe.losses)  # warms up
    started = time.monotonic()
    evaluate(parent, validation, recipe.losses)
    return (time.monotonic() - started) / len(validation)


def audit_seconds(per_sample: float, split: Split, holdout: Holdout, recipe: Recipe) -> float:
    """Seconds of forward passes: two networks, each measure, every set (some of retain)."""
    validation, test = holdout.validation, holdout.test
    retain = min(len(split.retain), RETAIN_CAP)
    scored = len(split.forget) + retain + len(validation) + len(test)
    passes = 1 if in_one_pass(recipe) else 2
    return 2 * passes * scored * per_sample
