import json

import torch

from models.unlearning import METHODS
from models.unlearning.hamu import hamu
from workers.circumstances import circumstances, plain

CPU = torch.device("cpu")


def test_settings_are_the_defaults_but_for_what_was_given() -> None:
    told = circumstances(hamu, CPU, steps=7)["settings"]

    assert (told["steps"], told["batch_size"], told["metric"]) == (7, 256, "adam")
    assert "seed" not in told
    assert "progress" not in told


def test_values_of_samples_are_not_given_away() -> None:
    told = circumstances(hamu, CPU, targets=torch.tensor([0.25, 4.5]))["settings"]

    assert told["targets"] == "Tensor"


def test_every_method_can_be_told_in_json_and_says_the_same_each_time() -> None:
    for method in METHODS.values():
        told = json.dumps(circumstances(method, CPU), allow_nan=False)

        assert " at 0x" not in told
        assert told == json.dumps(circumstances(method, CPU), allow_nan=False)


def test_functions_are_told_by_name() -> None:
    assert plain((len, 1, [None, True])) == ["len", 1, [None, True]]


def test_software_and_hardware_are_this_machines() -> None:
    told = circumstances(hamu, CPU)

    assert told["software"]["torch"] == torch.__version__
    assert told["hardware"]["threads"] == torch.get_num_threads()
