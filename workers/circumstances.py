"""How a network was made, as far as it can matter: settings, software, hardware."""

import inspect
import platform
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import torch

from app import build

STATED_ELSEWHERE = ("seed", "progress", "resume")


def circumstances(
    procedure: Callable[..., Any], device: torch.device, /, **given: Any
) -> dict[str, Any]:
    """What a receipt says of the run of an unlearning method or of a recipe's training.

    `given`: the knobs that were turned; the others were left at their defaults.
    """
    return {
        "settings": settings(procedure, given),
        "software": {
            **build.software(),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "hardware": {
            "device": device_name(device),
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
        },
    }


def settings(procedure: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every knob of a procedure, as it was set."""
    knobs = inspect.signature(procedure).parameters.values()
    return {
        knob.name: plain(given.get(knob.name, knob.default))
        for knob in knobs
        if knob.kind is knob.KEYWORD_ONLY and knob.name not in STATED_ELSEWHERE
    }


def plain(value: Any) -> Any:
    """A setting as JSON can say it; a function by its name, all else by the name of its kind.

    Targets, for one, are values of samples, and a receipt gives none of those away.
    """
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int() | float() | str():
            return value
        case tuple() | list():
            return [plain(each) for each in value]
    return getattr(value, "__name__", type(value).__name__)


def device_name(device: torch.device) -> str:
    """For people: the processor's or accelerator's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
