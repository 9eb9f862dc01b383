"""Weights files: safetensors in, safetensors out, and nothing is ever unpickled."""

import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class WeightsDoNotFit(ValueError):
    """These tensors are not those of the network; the message names the ones that differ."""


def save(network: nn.Module, path: Path) -> str:
    """Write the weights and return the file's SHA-256 in hex; equal weights give equal bytes.

    The file appears under its name only once it is whole. Tied weights are written once. Raises
    `ValueError` where a value is not finite: such a network is not worth keeping.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in own_tensors(network).items()
    }
    refuse_non_finite(tensors)
    unfinished = path.with_name(f"{path.name}.unfinished-{os.getpid()}")
    try:
        save_file(tensors, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return digest(path)


def load(network: nn.Module, path: Path) -> None:
    """Fill the network with the weights in the file, all of them or, on an error, none.

    Raises `WeightsDoNotFit` where names, shapes or types of tensors differ from the network's, and
    `ValueError` where the file is not safetensors or holds values that are not finite.
    """
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from error
    own = own_tensors(network)
    misfits = differences(own, tensors)
    if misfits:
        raise WeightsDoNotFit(f"{path} does not fit this network: {'; '.join(misfits)}")
    refuse_non_finite(tensors)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def digest(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def distance(a: nn.Module, b: nn.Module) -> float:
    """How far the parameters of `b` lie from those of `a`: ‖b − a‖ / ‖a‖ in the 2-norm.

    0 says that nothing moved. Raises `WeightsDoNotFit` where the two are built differently, and
    `ValueError` where a value is not finite.
    """
    old, new = dict(a.named_parameters()), dict(b.named_parameters())
    misfits = differences(old, new)
    if misfits:
        raise WeightsDoNotFit(f"these are different networks: {'; '.join(misfits)}")
    refuse_non_finite(old)
    refuse_non_finite(new)
    moved = norm(new[name].detach().double() - old[name].detach() for name in old)
    if moved == 0:
        return 0.0
    start = norm(old.values())
    return moved / start if start else math.inf


def own_tensors(network: nn.Module) -> dict[str, Tensor]:
    """The state's tensors by name; of tied ones, which are the same memory, only the first."""
    own: dict[str, Tensor] = {}
    places = set()
    for name, tensor in network.state_dict().items():
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name} is not a tensor, so it cannot be kept as weights")
        place = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() == 0 or place not in places:
            own[name] = tensor
        places.add(place)
    return own


def differences(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """What a reader needs to see of names, shapes and types that differ; empty where they fit."""
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    misshapen = [
        f"{name} is {describe(found[name])} and not {describe(tensor)}"
        for name, tensor in expected.items()
        if name in found and describe(found[name]) != describe(tensor)
    ]
    strangers = {"missing": missing, "unexpected": unexpected}
    return [f"{kind}: {', '.join(names)}" for kind, names in strangers.items() if names] + misshapen


def describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def norm(tensors: Iterable[Tensor]) -> float:
    """2-norm of all tensors taken as one vector."""
    return math.sqrt(sum(tensor.detach().double().square().sum().item() for tensor in tensors))


def refuse_non_finite(tensors: Mapping[str, Tensor]) -> None:
    spoilt = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if spoilt:
        raise ValueError(f"not every value is finite in {', '.join(spoilt)}")
