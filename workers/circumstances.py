"""How a network was made, as far as it can matter: settings, software, hardware."""

import inspect
import platform
from collections.abc import Callable
from enum import Enum
from typing import Any

import torch

GIVEN = ("seed", "progress")  # stated elsewhere, or no setting


def circumstances(procedure: Callable[..., Any], device: torch.device) -> dict[str, Any]:
    """What a receipt says of the run of an unlearning method or of a recipe's training."""
    return {
        "settings": settings(procedure),
        "software": {"python": platform.python_version(), "torch": torch.__version__},
        "hardware": {
            "device": device_name(device),
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
        },
    }


def settings(procedure: Callable[..., Any]) -> dict[str, Any]:
    """The defaults of a procedure's knobs, which are what the workers run it with."""
    knobs = inspect.signature(procedure).parameters.values()
    return {
        knob.name: plain(knob.default)
        for knob in knobs
        if knob.kind is knob.KEYWORD_ONLY and knob.name not in GIVEN
    }


def plain(value: Any) -> Any:
    """A default as JSON can say it; what is no plain value, by its name or in its own words."""
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int() | float() | str():
            return value
        case tuple() | list():
            return [plain(each) for each in value]
    return getattr(value, "__name__", str(value))


def device_name(device: torch.device) -> str:
    """For people: the processor's or accelerator's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
