"""Prints, as JSON, what a worker on this machine can run; a process of its own may load torch."""

import json
import os
import platform
from functools import cache
from typing import Any

import torch
from safetensors import deserialize
from safetensors.torch import save

from models import registry
from models.recipe import Recipe
from models.weights import own_tensors


def described() -> dict[str, Any]:
    """The recipes whose networks can be built and whose data is here, and why the others cannot."""
    discovery = registry.discover()
    announced, broken = {}, dict(discovery.broken)
    for name, recipe in discovery.found.items():
        try:
            announced[name] = {"parameters": forms(recipe), "samples": len(recipe.pool())}
        except Exception as error:  # whatever a stranger's recipe raises must not hide the others
            broken[name] = f"{type(error).__name__}: {error}"
    return {
        "recipes": announced,
        "broken": broken,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def forms(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """By tensor: its type, as safetensors names it, and its shape in a network of this recipe."""
    return {
        name: {"dtype": type_name(tensor.dtype), "shape": list(tensor.shape)}
        for name, tensor in own_tensors(recipe.build()).items()
    }


@cache
def type_name(dtype: torch.dtype) -> str:
    """`F32` for `torch.float32`: read off a file, as the library does not publish its table."""
    file = save({"": torch.empty(0, dtype=dtype)})
    ((_, facts),) = deserialize(file)  # type: ignore[no-untyped-call]  # the library has no types
    return str(facts["dtype"])


if __name__ == "__main__":
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a recipe prints is not the answer
    answer.write(json.dumps(described()))
    answer.flush()
