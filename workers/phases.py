"""What the child does, phase by phase: open a job, train, assess, unlearn, audit."""

import json
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models import registry, weights
from models.auditing.audit import audit
from models.auditing.judges import judges, witnesses
from models.auditing.signals import refuse_overlap
from models.auditing.verdict import Thresholds
from models.data import Holdout, Samples, Split
from models.fresh import trained
from models.hardness.measure import affordable, measure
from models.progress import Progress, part, turn
from models.recipe import Recipe
from models.resuming import Resume
from models.training import best_device, evaluate
from models.trial import Known
from models.unlearning import METHODS, RESUMABLE
from workers import against_retrain, said, trials
from workers.aims import Aims, by_references
from workers.audit_seconds import audit_seconds, pass_seconds
from workers.circumstances import circumstances, device_name
from workers.going_on import place_for
from workers.probing import TIMED, probe
from workers.yardstick import SHARE, accounted, yardstick


class Bench:
    """One job on the bench: its recipe, its samples, and the network it starts from."""

    recipe: Recipe
    seed: int
    pool: Samples
    samples: Samples  # all that the new version is to have been trained on
    split: Split | None
    holdout: Holdout
    parent: nn.Module | None
    begins_with: str | None  # the digest of the parent's weights
    place_for: partial[Resume]  # where a loop that is killed leaves its state

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.device = best_device()

    def open(
        self, *, recipe: str, seed: int, retain: str, forget: str | None, parent: str | None
    ) -> dict[str, Any]:
        """Read the recipe's data and, for an unlearning job, the parent's weights."""
        self.progress(0.0, "reading samples")
        self.recipe, self.seed = registry.find(recipe), seed
        self.pool, self.holdout = self.recipe.pool(), self.recipe.holdout()
        refuse_overlap({"pool": self.pool, **vars(self.holdout)})
        self.samples = self.pool.named(said.ids_in(retain))
        self.place_for = partial(
            place_for, recipe=self.recipe, seed=seed, samples=self.samples, device=self.device
        )
        self.parent = self.split = self.begins_with = None
        if parent is not None and forget is not None:
            gone = self.pool.named(said.ids_in(forget))
            self.split = Split(gone, self.samples, self.holdout.validation)
            self.parent = self.loaded(parent)
            self.begins_with = weights.digest(Path(parent))
        return {"device": device_name(self.device), "threads": torch.get_num_threads()}

    @property
    def before(self) -> tuple[nn.Module, Split]:
        """The network that a job starts from where it unlearns, and what that is to forget."""
        assert self.parent is not None
        assert self.split is not None
        return self.parent, self.split

    def train(self, *, out: str) -> dict[str, Any]:
        """Train a first version; tells how well it does and how long it took."""
        resume = self.place_for("train", out)
        network, told = trained(
            self.recipe,
            self.samples,
            seed=self.seed,
            progress=self.progress,
            device=self.device,
            resume=resume,
        )
        return {
            "train_seconds": resume.seconds,
            "weights_digest": weights.save(network, Path(out)),
            "train_samples": len(self.samples),
            "logged": said.leave_confidences(told, len(self.samples), out),
            "made_with": circumstances(self.recipe.fit, self.device),
            "scores": {
                name: evaluate(network, samples, self.recipe.scores).mean().item()
                for name, samples in {"training set": self.samples, **vars(self.holdout)}.items()
            },
        }

    def assess(
        self,
        *,
        steering: str | None,
        confidences: str | None,
        train_seconds: float | None,
        train_samples: int | None,
    ) -> dict[str, Any]:
        """Measure hardness on the parent, and predict what a retrain and an audit will take."""
        started = time.monotonic()
        parent, split = self.before
        timed = 0.0
        if train_seconds is None or train_samples is None:
            timed = TIMED
            watched = part(self.progress, 0.0, timed, "timing a training on a few samples: ")
            train = partial(trained, self.recipe, seed=self.seed, device=self.device)
            train_seconds, train_samples = probe(self.samples, partial(train, progress=watched))
        retrain_seconds = train_seconds * len(split.retain) / train_samples
        per_pass = pass_seconds(parent, self.holdout, self.recipe)
        hardness = measure(
            parent,
            split,
            self.recipe,
            confidences=said.confidences_in(confidences),
            **by_references(steering, parent, split, self.recipe),
            seed=self.seed,
            budget_samples=affordable(split, retrain_passes=retrain_seconds / per_pass),
            progress=part(self.progress, timed, 1.0, ""),
        )
        return {
            "hardness": asdict(replace(hardness, seconds=time.monotonic() - started)),
            "retrain_seconds": retrain_seconds,
            "audit_seconds": audit_seconds(per_pass, split, self.holdout, self.recipe),
        }

    def unlearn(
        self, *, route: str, steering: str | None, confidences: str | None, out: str
    ) -> dict[str, Any]:
        """Run the route's method on the parent, told what is known of single samples."""
        parent, split = self.before
        aims = Aims.of(route, parent, split, self.recipe, steering, confidences)
        begins = (self.begins_with, split.forget.ids, aims.values)
        resume = self.place_for(route, out, *begins)
        knobs: dict[str, Any] = aims.knobs | ({"resume": resume} if route in RESUMABLE else {})
        unlearned = METHODS[route](
            parent, split, self.recipe, seed=self.seed, progress=self.progress, **knobs
        )
        seconds = resume.seconds
        return {
            "weights_digest": weights.save(unlearned.network, Path(out)),
            "movement": weights.distance(parent, unlearned.network),
            "seconds": seconds,
            "trace": asdict(unlearned.trace),
            "logged": said.leave_confidences(unlearned.confidences, len(self.samples), out),
            "made_with": circumstances(METHODS[route], self.device, **aims.stated),
        }

    def audit(
        self,
        *,
        route: str,
        thresholds: dict[str, Any],
        served: str,
        judging: str | None,
        unasked: str,
        canaries: str,
        may_retrain: bool,
    ) -> dict[str, Any]:
        """Attack the weights as served, beside references that are gone, or a retrain if it may.

        Only now is it told which samples ride along.
        """
        parent, split = self.before
        known = said.table_of(judging, split.forget)
        voices = () if known is None else judges(known, split.forget, split.validation)
        reference = None
        resume = self.place_for("reference", served)
        if may_retrain and not voices:
            reference = yardstick(
                parent,
                split,
                self.recipe,
                seed=self.seed + 1,  # not the one of the job's own retrain
                progress=self.progress,
                resume=resume,
            )
        report = audit(
            parent,
            self.loaded(served),
            split,
            self.holdout.test,
            self.recipe,
            route=route,
            references=() if reference is None else (reference.network,),
            judges=voices,
            witnesses=None if known is None else witnesses(known),
            canaries=said.canaries_in(canaries, self.pool),
            unasked=unasked,
            seed=self.seed,
            thresholds=Thresholds(**thresholds),
            progress=part(self.progress, SHARE if reference else 0.0, 1.0, ""),
        )
        resume.over()  # before it is told that the reference is gone
        return {
            **asdict(report),
            **accounted(reference, judging if voices else None, Path(served)),
            "strata_forgotten": len(split.forget.strata.unique()),
        }

    def check(self, *, route: str, served: str, out: str) -> dict[str, Any]:
        """Hold a published version against a retrain, and destroy that."""
        parent, split = self.before
        return against_retrain.carry_out(
            parent,
            self.loaded(served),
            split,
            self.holdout.test,
            self.recipe,
            route=route,
            seed=self.seed,
            out=Path(out),
            resume=self.place_for("check", out),
            progress=self.progress,
        )

    def reference(
        self,
        *,
        number: int,
        dealt_by: int,
        parts: int,
        rounds: int,
        owners: str,
        present: str,
        bystanders: str,
        out: str,
    ) -> dict[str, Any]:
        """Train one reference, score it, destroy it."""
        plan = said.plan_of(
            number,
            json.loads(Path(owners).read_text()),
            json.loads(Path(present).read_text()),
            parts=parts,
            rounds=rounds,
            seed=dealt_by,
        )
        return said.say(
            self.recipe,
            self.samples,
            self.holdout.validation,
            self.pool.named(said.ids_in(bystanders)),
            plan,
            Path(out),
            turn(self.progress, number, parts * rounds, "reference"),
            device=self.device,
        )

    def trial(
        self,
        *,
        number: int,
        of: int,
        share: float,
        high: bool,
        skewed: bool,
        method: str,
        steering: str | None,
        judging: str | None,
        confidences: str | None,
        out: str,
    ) -> dict[str, Any]:
        """Draw a forget set, unlearn and retrain it, and destroy what was made.

        The seed goes with the number: a trial that is repeated is the same trial.
        """
        assert self.parent is not None
        return trials.carry_out(
            self.parent,
            self.samples,
            self.holdout,
            self.recipe,
            Known(
                said.table_of(steering, self.samples),
                said.table_of(judging, self.samples),
                said.confidences_in(confidences),
            ),
            trials.Draw(share, high, skewed, seed=self.seed + number),
            method=method,
            out=Path(out),
            progress=turn(self.progress, number, of, "trial"),
        )

    def loaded(self, path: str) -> nn.Module:
        """A network with these weights, in evaluation mode."""
        network = self.recipe.build().to(self.device)
        weights.load(network, Path(path))
        return network.eval()
