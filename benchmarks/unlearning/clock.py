"""The time that work takes, where other work goes on beside it."""

import time

import torch


def now(device: torch.device) -> float:
    """Seconds of this process's processor; where a GPU works: of the wall, once it has finished."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()
