"""One trial: a forget set unlearned, retrained and audited as a job would do it."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from models.auditing.audit import audit
from models.auditing.judges import judges
from models.auditing.report import AuditReport
from models.auditing.verdict import Thresholds
from models.data import Holdout, Samples, Split
from models.diverged import Diverged
from models.hardness.deficit import against_references
from models.hardness.measure import measure
from models.hardness.memorization import (
    ROUNDS,
    confidence_proxy,
    confidence_scores,
    holdout_proxy,
    tuned_on_holdout,
)
from models.hardness.record import Hardness
from models.progress import Progress, part
from models.recipe import Recipe
from models.reference_targets import targets_for
from models.references import Table, memorization, spread
from models.training import PerSample, evaluate
from models.unlearning import METHODS, RANKED, STEERED
from models.unlearning.targets import Aim, can_be_confidence, scaled


@dataclass(frozen=True)
class Known:
    """What earlier trainings said of the samples, as far as anybody knows.

    `steering`, `judging`: what references said. `confidences`: of the training, by sample id.
    """

    steering: Table | None = None
    judging: Table | None = None
    confidences: Mapping[str, float] | None = None

    def of(self, samples: Samples) -> "Known":
        """What is known of these samples."""
        steering, judging = (
            None if table is None else table.of(samples.ids)
            for table in (self.steering, self.judging)
        )
        return Known(steering, judging, self.confidences)

    @property
    def spread(self) -> Tensor | None:
        """`[N]`, around the targets."""
        return None if self.steering is None else spread(self.steering)


@dataclass(frozen=True)
class Tried:
    """What a trial came to: plain facts. The networks are there to be named, then let go."""

    facts: dict[str, Any]
    networks: tuple[nn.Module, ...]


def scores_of(
    network: nn.Module,
    samples: Samples,
    validation: Samples,
    recipe: Recipe,
    known: Known,
    *,
    seed: int,
) -> Tensor:
    """How memorized every sample is, `[N]`, by the best measure at hand; higher is more so."""
    if known.confidences is not None:
        return confidence_proxy(samples, known.confidences)
    if known.steering is not None:
        return memorization(known.steering)
    tuned = tuned_on_holdout(
        network, validation, recipe, passes=ROUNDS * len(validation), seed=seed
    )
    return holdout_proxy(network, tuned, samples, recipe)


@dataclass(frozen=True)
class Scene:
    """What a trial is made of; `known` is of the forget set."""

    network: nn.Module
    split: Split
    holdout: Holdout
    recipe: Recipe
    known: Known
    seed: int
    progress: Progress

    @cached_property
    def targets(self) -> Tensor | None:
        """`[F]`, from the references that steer."""
        told = self.known.steering
        return None if told is None else targets_for(self.network, self.split, self.recipe, told)


def tried(scene: Scene, *, method: str) -> Tried:
    """Measure, retrain, unlearn, audit; the network given is left as it was.

    A method that diverges or refuses is not an error but the trial's verdict.
    """
    hardness = measured(scene)
    retrained, retrain_seconds = made(scene, "retrain", span=(0.1, 0.7), seed=scene.seed + 1)
    facts: dict[str, Any] = {
        "samples": len(scene.split.forget),
        "hardness": asdict(hardness),
        "retrained_exposed": exposed(scene, retrained),
        "seconds": {"assess": hardness.seconds, "retrain": retrain_seconds},
    }
    started = time.monotonic()
    try:
        unlearned, seconds = made(scene, method, span=(0.7, 0.9), seed=scene.seed)
    except (Diverged, ValueError) as error:
        verdict = "diverged" if isinstance(error, Diverged) else "impossible"
        facts |= {"verdict": verdict, "sentences": [str(error)], "gaps": None}
        facts["seconds"] |= {"unlearn": time.monotonic() - started, "audit": None}
        return Tried(facts, (retrained,))
    report = audited(scene, unlearned, retrained, method=method)
    facts["seconds"] |= {"unlearn": seconds, "audit": report.seconds}
    facts |= {
        "verdict": report.verdict,
        "sentences": report.sentences,
        "gaps": gaps(scene, unlearned, retrained),
    }
    return Tried(facts, (unlearned, retrained))


def measured(scene: Scene) -> Hardness:
    """What a job would be decided by."""
    return measure(
        scene.network,
        scene.split,
        scene.recipe,
        confidences=scene.known.confidences,
        targets=scene.targets,
        spread=scene.known.spread,
        seed=scene.seed,
        progress=part(scene.progress, 0.0, 0.1, ""),
    )


def made(
    scene: Scene, method: str, *, span: tuple[float, float], seed: int
) -> tuple[nn.Module, float]:
    """The network that a method makes, and the seconds that it took."""
    told = part(scene.progress, *span, f"{method}: ")
    steered = scene.targets is not None and method in STEERED
    aims: dict[str, Any] = {"targets": scene.targets} if steered else {}
    if method in RANKED and scene.known.confidences is not None:
        aims["scores"] = confidence_scores(scene.split.forget, scene.known.confidences)
    started = time.monotonic()
    done = METHODS[method](
        scene.network, scene.split, scene.recipe, seed=seed, progress=told, **aims
    )
    return done.network, time.monotonic() - started


def audited(
    scene: Scene, unlearned: nn.Module, retrained: nn.Module, *, method: str
) -> AuditReport:
    """A job's audit: by references that steered nothing where there are any, else by a retrain."""
    judging = scene.known.judging
    heard = () if judging is None else judges(judging, scene.split.forget, scene.split.validation)
    return audit(
        scene.network,
        unlearned,
        scene.split,
        scene.holdout.test,
        scene.recipe,
        route=method,
        references=() if heard else (retrained,),
        judges=heard,
        seed=scene.seed,
        thresholds=Thresholds(),
        progress=part(scene.progress, 0.9, 1.0, ""),
    )


def exposed(scene: Scene, retrained: nn.Module) -> float | None:
    """The share of forgotten samples that a network which never saw them seems to remember."""
    due, around = scene.targets, scene.known.spread
    losses = evaluate(retrained, scene.split.forget, scene.recipe.losses)
    if due is None or bool(torch.isnan(due).any()) or not can_be_confidence(losses, due):
        return None
    values, levels = (scaled(Aim.CONFIDENCE, one) for one in (losses, due))
    return against_references(values.double(), levels.double(), around).exposed


def gaps(scene: Scene, unlearned: nn.Module, retrained: nn.Module) -> dict[str, float]:
    """Mean scores, and the forgotten's losses, less those of the retrained network."""
    recipe, split = scene.recipe, scene.split

    def gap(samples: Samples, value: PerSample) -> float:
        one, other = (evaluate(each, samples, value).mean() for each in (unlearned, retrained))
        return float(one - other)

    return {
        "forget": gap(split.forget, recipe.scores),
        "retain": gap(split.retain, recipe.scores),
        "test": gap(scene.holdout.test, recipe.scores),
        "forget_loss": gap(split.forget, recipe.losses),
    }
