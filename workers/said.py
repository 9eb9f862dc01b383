"""The child's side of what references said: reading it, and having one more reference say it."""

import json
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import weights
from models.auditing.riders import Canaries, Side
from models.data import Samples
from models.diverged import Diverged
from models.hardness.memorization import are_confidences, confidence_scores
from models.progress import Progress
from models.recipe import Recipe
from models.references import Plan, Reference, Table, plans, scored, trained
from models.training import evaluate


def table_of(path: str | None, samples: Samples) -> Table | None:
    """What references said of these samples; None where there is nothing to be read."""
    if path is None:
        return None
    rows: list[dict[str, Any]] = json.loads(Path(path).read_text())
    return Table(samples.ids, tuple(reference_of(row, len(samples)) for row in rows))


def reference_of(row: dict[str, Any], count: int) -> Reference:
    """One reference's row; of samples that it says nothing of, it is no witness."""
    losses = torch.tensor([float("nan") if loss is None else loss for loss in row["losses"]])
    left_out = torch.zeros(count, dtype=torch.bool)
    left_out[row["left_out"]] = True
    return Reference(losses.nan_to_num(), left_out & ~losses.isnan(), torch.tensor(row["unseen"]))


def digests_in(path: str) -> list[str]:
    """Of the weights of all references whose word this is, destroyed long ago."""
    return [row["weights_digest"] for row in json.loads(Path(path).read_text())]


def canaries_in(path: str, pool: Samples) -> Canaries:
    """The canaries of an audit, from what the supervisor wrote of them."""
    told = json.loads(Path(path).read_text())
    groups = [group["samples"] for group in told["canaries"]]
    owners = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    ids = [sample_id for group in groups for sample_id in group]
    return Canaries(
        samples=pool.named(ids) if ids else None,
        owners=owners.astype(np.int64),
        sides=tuple(Side(group["side"]) for group in told["canaries"]),
        untested=told["untested"],
    )


def say(
    recipe: Recipe,
    samples: Samples,
    validation: Samples,
    bystanders: Samples,
    plan: Plan,
    out: Path,
    progress: Progress,
    *,
    device: torch.device,
) -> dict[str, Any]:
    """Train a reference, leave its losses in the folder, and destroy it: its digest remains.

    `bystanders`: samples that no reference is trained on, and all are asked about. Raises
    `Diverged` where it has a loss that is not finite.
    """
    network = trained(recipe, samples, plan, progress, device=device)
    said = scored(network, recipe, samples, plan, validation)
    if not bool(torch.cat((said.losses, said.unseen)).isfinite().all()):
        raise Diverged(
            f"reference {plan.number} has losses that are not finite, and would again: its seed is"
            " fixed; mend the recipe (a lower rate, clipped gradients) and train the model anew"
        )
    left = plan.left_out.nonzero().flatten().tolist()
    (out / "left_out.json").write_text(json.dumps(left))
    aside = evaluate(network, bystanders, recipe.losses).float()
    for name, values in (("losses", said.losses), ("unseen", said.unseen), ("bystanders", aside)):
        leave(values, out / f"{name}.f32")
    kept = out / "reference.safetensors"
    digest = weights.save(network, kept)
    kept.unlink()
    return {"weights_digest": digest}


def leave_confidences(told: Tensor | None, count: int, out: str) -> bool:
    """Leave what a training told beside its weights; False where that is no confidence each."""
    if told is None or not are_confidences(told, count):
        return False
    leave(told, Path(out).with_name("confidences.f32"))
    return True


def leave(values: Tensor, file: Path) -> None:
    """Numbers for the supervisor, `[N]`, as float32."""
    file.write_bytes(array("f", values.tolist()).tobytes())


def plan_of(
    number: int,
    owners: Sequence[int],
    present: Sequence[bool],
    *,
    parts: int,
    rounds: int,
    seed: int,
) -> Plan:
    """The plan of one reference over the samples that are still there.

    People are dealt over all that the generation was trained on, so that every claim deals them
    alike, whoever has been forgotten meanwhile.
    """
    plan = plans([str(owner) for owner in owners], parts=parts, rounds=rounds, seed=seed)[number]
    still: Tensor = torch.tensor(present)
    return replace(plan, left_out=plan.left_out[still])


def confidences_in(path: str | None) -> dict[str, float] | None:
    """What a training told, by sample id, from a file the supervisor wrote."""
    return None if path is None else dict(json.loads(Path(path).read_text()))


def memorization_in(path: str | None, samples: Samples) -> dict[str, float] | None:
    """How memorized each sample is by such a file, by its id: 0..1, higher is more."""
    told = confidences_in(path)
    return None if told is None else confidence_scores(samples, told)


def ids_in(path: str) -> list[str]:
    """Sample ids from a file the supervisor wrote: a JSON list, since ids may hold anything."""
    return list(json.loads(Path(path).read_text()))
