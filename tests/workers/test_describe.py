"""What a worker announces of its recipes, so that weights can be checked without torch."""

import json

import pytest
import torch
from torch import nn

from models.recipe import Classifier
from models.training import Schedule
from tests.workers import tiny
from workers import announcing, describe


class Mixed(nn.Module):
    """Tensors of several types, one of them under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 3, dtype=torch.float16))
        self.tied = self.weight
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mask", torch.ones(4, dtype=torch.bool))


def mixed() -> Classifier:
    return Classifier(
        name="mixed",
        network=Mixed,
        read_pool=tiny.pool,
        read_holdout=tiny.holdout,
        schedule=Schedule(epochs=1),
    )


def test_each_tensor_is_announced_once_with_its_type_and_its_shape() -> None:
    assert describe.forms(mixed()) == {
        "weight": {"dtype": "F16", "shape": [2, 3]},
        "seen": {"dtype": "I64", "shape": []},
        "mask": {"dtype": "BOOL", "shape": [4]},
    }


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (torch.float64, "F64"),
        (torch.float32, "F32"),
        (torch.float16, "F16"),
        (torch.bfloat16, "BF16"),
        (torch.uint8, "U8"),
        (torch.int32, "I32"),
    ],
)
def test_a_type_goes_by_the_name_that_safetensors_has_for_it(dtype: torch.dtype, name: str) -> None:
    assert describe.type_name(dtype) == name


def test_a_recipe_that_prints_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_RECIPES", "tests.workers.talkative:recipe")

    assert "tiny" in announcing.described()["recipes"]


def test_what_is_announced_can_be_written_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_RECIPES", "tests.workers.tiny:recipe")

    announced = json.loads(json.dumps(describe.described()))["recipes"]["tiny"]

    assert announced == {
        "parameters": {
            "0.weight": {"dtype": "F32", "shape": [64, 16]},
            "0.bias": {"dtype": "F32", "shape": [64]},
            "2.weight": {"dtype": "F32", "shape": [4, 64]},
            "2.bias": {"dtype": "F32", "shape": [4]},
        },
        "samples": 400,
    }
