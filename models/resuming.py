"""Lets a long loop leave its state behind, so that whoever repeats it goes on where it was killed.

A loop that goes on ends with the same bits as one that was never killed: the state holds weights,
optimizer, random generators and what was counted. It was made from people's data, so it lies in the
job's folder, is removed when what the loop made is written down, and goes with the job.
"""

import json
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

ABOUT, FACTS, SECONDS = "about", "facts", "seconds"
NETWORK = "network."


@dataclass(frozen=True)
class Left:
    """What a loop left: tensors by name, and facts as JSON can say them."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


@dataclass
class Resume:
    """A file for the state of one loop; `about` says on what it runs, so that no other takes it.

    `before`: the seconds that earlier runs of the loop took to come to what they left.
    """

    path: Path
    about: str
    before: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """What the loop has taken until now, over all of its runs."""
        return self.before + time.monotonic() - self.began

    def leave(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Write the state, whole or not at all; an earlier one is replaced."""
        unfinished = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        copies = {
            name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()
        }
        told = {ABOUT: self.about, FACTS: json.dumps(dict(facts)), SECONDS: repr(self.seconds)}
        save_file(copies, unfinished, told)
        unfinished.replace(self.path)

    def left(self) -> Left | None:
        """What an earlier run of the same loop left; None where there is nothing to go on with.

        What was left of other samples goes: somebody may have asked to have one of them forgotten.
        """
        try:
            with safe_open(self.path, framework="pt") as file:
                told = file.metadata() or {}
                if told.get(ABOUT) != self.about:
                    self.over()
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no mapping
        except (FileNotFoundError, SafetensorError):  # after a power cut it may be damaged
            return None
        self.before = float(told.get(SECONDS, 0))
        return Left(tensors, json.loads(told[FACTS]))

    def over(self) -> None:
        """What the loop made is in safe hands, or of no use: nothing of it stays behind."""
        self.path.unlink(missing_ok=True)


def network_state(network: nn.Module) -> dict[str, Tensor]:
    """A network's weights and buffers."""
    return {f"{NETWORK}{name}": value for name, value in network.state_dict().items()}


def put_back_network(network: nn.Module, left: Left) -> None:
    """What `network_state` told of a network of the same form."""
    own = {k.removeprefix(NETWORK): v for k, v in left.tensors.items() if k.startswith(NETWORK)}
    network.load_state_dict(own)


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as tensors and facts."""
    stated = optimizer.state_dict()
    tensors = {
        f"optimizer.{place}.{name}": value
        for place, values in stated["state"].items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }
    return tensors, {"groups": stated["param_groups"]}


def put_back_optimizer(optimizer: torch.optim.Optimizer, left: Left) -> None:
    """The state of `optimizer_state` into an optimizer of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in left.tensors.items():
        if key.startswith("optimizer."):
            _, place, name = key.split(".", 2)
            state.setdefault(int(place), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": left.facts["groups"]})


def random_state(generator: torch.Generator) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Where all random generators stand that `seeded` has seeded, and this one for shuffles."""
    version, numbers, gauss = random.getstate()
    _, keys, place, has_gauss, cached = np.random.get_state(legacy=True)
    tensors = {
        "random.torch": torch.get_rng_state(),
        "random.shuffles": generator.get_state(),
        "random.numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)),
    }
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    facts = {"python": [version, list(numbers), gauss], "numpy": [place, has_gauss, cached]}
    return tensors, facts


def put_back_random(generator: torch.Generator, left: Left) -> None:
    """Let the generators go on where they stood."""
    torch.set_rng_state(left.tensors["random.torch"])
    generator.set_state(left.tensors["random.shuffles"])
    if "random.cuda" in left.tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(left.tensors["random.cuda"])
    version, numbers, gauss = left.facts["python"]
    random.setstate((version, tuple(numbers), gauss))
    keys = left.tensors["random.numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, *left.facts["numpy"]))
