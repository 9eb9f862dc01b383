"""Where in a job's folder a loop of the child leaves its state, and what it has to be about."""

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from models.data import Samples
from models.recipe import Recipe
from models.resuming import Resume
from workers.child_process import STATE
from workers.circumstances import device_name


def place_for(
    loop: str,
    out: str,
    *further: object,
    recipe: Recipe,
    seed: int,
    samples: Samples,
    device: torch.device,
) -> Resume:
    """Beside the loop's result. A later attempt may take it up if it would do the very same.

    `further`: what else the loop depends on, as JSON can say it. Another machine, number of threads
    or release of torch may sum in another order; another release of ours may leave another state.
    """
    about = [
        *(loop, written_by(recipe), seed, samples.ids, further),
        *(torch.__version__, device_name(device), torch.get_num_threads(), version("lacuna")),
    ]
    digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    return Resume(Path(out).with_name(f"{loop}{STATE}"), digest)


def written_by(recipe: Recipe) -> list[str]:
    """Its settings, and digests of the files that its class and its functions are written in.

    It may be mended while a job waits: what the old one left is not gone on with then.
    """
    parts = [type(recipe), *(value for value in vars(recipe).values() if callable(value))]
    modules = {sys.modules.get(getattr(each, "__module__", "")) for each in parts}
    files = {getattr(module, "__file__", None) for module in modules}
    read = sorted(hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files if file)
    return [recipe.name, repr(getattr(recipe, "schedule", None)), *read]
