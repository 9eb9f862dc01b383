"""Trains what a data set's comparison needs, once: the rest of the grid finds it on disk."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.unlearning import clock
from benchmarks.unlearning.rows import Told
from models import weights
from models.data import Holdout, Samples
from models.fresh import built
from models.progress import silent
from models.recipe import Recipe
from models.reference_predictions import Predictions, predicted
from models.references import Plan, Reference, Table, plans, scored
from models.references import trained as train_reference

PARTS, STEERING_ROUNDS, JUDGING_ROUNDS = 4, 2, 1
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Shelf:
    """A folder of networks that one recipe trained; it holds no people's data but in weights."""

    folder: Path
    recipe: Recipe
    pool: Samples
    holdout: Holdout
    device: torch.device = CPU

    def trained(self, name: str, samples: Samples, seed: int) -> tuple[nn.Module, float]:
        """A network trained on these samples, and the seconds it took."""
        kept, timed = self.folder / f"{name}.safetensors", self.folder / f"{name}.seconds"
        network = built(self.recipe, seed=seed, device=self.device)
        if not timed.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            started = clock.now(self.device)
            self.recipe.fit(network, samples, seed=seed, progress=silent)
            seconds = clock.now(self.device) - started
            weights.save(network, kept)
            timed.write_text(str(seconds))
        weights.load(network, kept)
        return network.eval(), float(timed.read_text())

    def table(self, name: str, parts: int, rounds: int, seed: int, told: Told) -> Table:
        """References that leave out one of so many parts of the people each; scored, then gone."""
        drawn = self.plans(parts, rounds, seed)
        rows: list[Reference] = []
        for plan in drawn:
            kept = self.folder / f"{name}-{plan.number}.pt"
            if not kept.exists():
                told(f"{name} reference {plan.number + 1} of {len(drawn)}")
                network = self.reference(plan)
                one = scored(network, self.recipe, self.pool, plan, self.holdout.validation)
                self.folder.mkdir(parents=True, exist_ok=True)
                torch.save({"losses": one.losses, "unseen": one.unseen}, kept)
            values: dict[str, Tensor] = torch.load(kept, weights_only=True)
            rows.append(Reference(values["losses"], plan.left_out, values["unseen"]))
        return Table(self.pool.ids, tuple(rows))

    def predictions(
        self, name: str, parts: int, rounds: int, seed: int, told: Told
    ) -> tuple[Predictions, ...]:
        """What the same references predict, class by class: they are trained again for it."""
        rows: list[Predictions] = []
        for plan in self.plans(parts, rounds, seed):
            kept = self.folder / f"{name}-{plan.number}-predictions.pt"
            if not kept.exists():
                told(f"{name} reference {plan.number + 1}, for its predictions")
                one = predicted(self.reference(plan), self.pool)
                self.folder.mkdir(parents=True, exist_ok=True)
                torch.save(asdict(one), kept)
            rows.append(Predictions(**torch.load(kept, weights_only=True)))
        return tuple(rows)

    def reference(self, plan: Plan) -> nn.Module:
        """The network of a plan, trained anew."""
        return train_reference(self.recipe, self.pool, plan, silent, device=self.device)

    def plans(self, parts: int, rounds: int, seed: int) -> tuple[Plan, ...]:
        """Who is left out by which reference."""
        return plans(self.pool.owners, parts=parts, rounds=rounds, seed=seed)
