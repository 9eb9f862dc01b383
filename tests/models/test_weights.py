import hashlib
import math
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.weights import WeightsDoNotFit, digest, distance, load, save


class Tied(nn.Module):
    """A tiny language model: what embeds a word also scores it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.score = nn.Linear(3, 5, bias=False)
        self.score.weight = self.embed.weight

    def forward(self, words: Tensor) -> Tensor:
        scores: Tensor = self.score(self.embed(words))
        return scores


def make_network(*, seed: int = 0, width: int = 4) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))


def scaled(network: nn.Module, factor: float) -> nn.Module:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(factor)
    return network


def test_loaded_weights_are_the_saved_ones_bit_for_bit(tmp_path: Path) -> None:
    network, other = make_network(seed=0), make_network(seed=1)
    network(torch.randn(8, 3))  # moves the running statistics, which are weights too

    save(network, tmp_path / "w")
    load(other, tmp_path / "w")

    for name, tensor in network.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)


def test_saving_gives_the_digest_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w"

    saved = save(make_network(), path)

    assert saved == digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    first = save(make_network(seed=3), tmp_path / "a")
    again = save(make_network(seed=3), tmp_path / "b")
    other = save(make_network(seed=4), tmp_path / "c")

    assert first == again
    assert first != other


def test_saving_leaves_nothing_but_the_file(tmp_path: Path) -> None:
    save(make_network(), tmp_path / "w")

    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_tied_weights_are_written_once_and_stay_tied(tmp_path: Path) -> None:
    network, other = Tied(), Tied()

    save(network, tmp_path / "w")
    load(other, tmp_path / "w")

    assert list(load_file(tmp_path / "w")) == ["embed.weight"]
    assert other.score.weight is other.embed.weight
    assert torch.equal(other.score.weight, network.embed.weight)


def test_views_into_one_memory_are_saved_whole(tmp_path: Path) -> None:
    network, other = nn.Module(), nn.Module()
    table = torch.arange(6.0)
    network.register_buffer("low", table[:4])
    network.register_buffer("high", table[2:])
    other.register_buffer("low", torch.zeros(4))
    other.register_buffer("high", torch.zeros(4))

    save(network, tmp_path / "w")
    load(other, tmp_path / "w")

    assert other.get_buffer("low").tolist() == [0, 1, 2, 3]
    assert other.get_buffer("high").tolist() == [2, 3, 4, 5]


def test_weights_that_do_not_fit_are_named_and_nothing_is_changed(tmp_path: Path) -> None:
    save(nn.Sequential(nn.Linear(3, 5), nn.Identity(), nn.Identity(), nn.ReLU()), tmp_path / "w")
    first, second = nn.Linear(3, 4), nn.Linear(4, 2, bias=False)
    before = first.weight.clone()

    with pytest.raises(WeightsDoNotFit) as refusal:
        load(nn.Sequential(first, second), tmp_path / "w")

    assert "missing: 1.weight" in str(refusal.value)
    assert "0.weight is float32[5, 3] and not float32[4, 3]" in str(refusal.value)
    assert torch.equal(first.weight, before)


def test_tensors_that_the_network_lacks_are_named(tmp_path: Path) -> None:
    save(make_network(), tmp_path / "w")

    with pytest.raises(WeightsDoNotFit, match=r"unexpected: .*1\.bias, .*1\.weight"):
        load(nn.Sequential(nn.Linear(3, 4), nn.Identity(), nn.Linear(4, 2)), tmp_path / "w")


def test_another_precision_does_not_fit(tmp_path: Path) -> None:
    save(nn.Linear(2, 2).double(), tmp_path / "w")

    with pytest.raises(WeightsDoNotFit, match=r"weight is float64\[2, 2\] and not float32"):
        load(nn.Linear(2, 2), tmp_path / "w")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_not_saved(tmp_path: Path, value: float) -> None:
    network = nn.Linear(2, 2)
    nn.init.constant_(network.bias, value)

    with pytest.raises(ValueError, match="not every value is finite in bias"):
        save(network, tmp_path / "w")

    assert list(tmp_path.iterdir()) == []


def test_values_that_are_not_finite_are_not_loaded(tmp_path: Path) -> None:
    save_file({"weight": torch.full((2, 2), math.nan), "bias": torch.zeros(2)}, tmp_path / "w")
    network = nn.Linear(2, 2)

    with pytest.raises(ValueError, match="not every value is finite in weight"):
        load(network, tmp_path / "w")

    assert torch.isfinite(network.weight).all()


class Bomb:
    """Unpickling this leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "exploded"
    (tmp_path / "w").write_bytes(pickle.dumps(Bomb(mark)))

    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        load(nn.Linear(2, 2), tmp_path / "w")

    assert not mark.exists()


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    save(make_network(), tmp_path / "w")
    whole = (tmp_path / "w").read_bytes()
    (tmp_path / "w").write_bytes(whole[:-1])

    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        load(make_network(), tmp_path / "w")


@given(factor=st.floats(-4, 4))
def test_scaling_all_parameters_moves_them_by_the_factor_less_one(factor: float) -> None:
    network = nn.Linear(3, 2).double()

    moved = distance(network, scaled(nn.Linear(3, 2).double(), 0.0))
    by_factor = distance(network, scaled(copy_of(network), factor))

    assert moved == pytest.approx(1.0)
    assert by_factor == pytest.approx(abs(factor - 1), abs=1e-12)


def copy_of(network: nn.Linear) -> nn.Linear:
    other = nn.Linear(network.in_features, network.out_features, dtype=network.weight.dtype)
    other.load_state_dict(network.state_dict())
    return other


def test_a_network_has_not_moved_from_its_copy() -> None:
    network = nn.Linear(3, 2)

    assert distance(network, copy_of(network)) == 0.0


def test_any_movement_from_zero_weights_is_infinitely_far() -> None:
    network = nn.Linear(3, 2)

    assert distance(scaled(copy_of(network), 0.0), network) == math.inf


def test_networks_that_are_built_differently_have_no_distance() -> None:
    with pytest.raises(WeightsDoNotFit, match=r"0\.weight is float32\[5, 3\] and not"):
        distance(make_network(width=4), make_network(width=5))


def test_a_network_that_is_not_finite_has_no_distance() -> None:
    spoilt = copy_of(nn.Linear(3, 2))
    nn.init.constant_(spoilt.weight, math.nan)

    with pytest.raises(ValueError, match="not every value is finite in weight"):
        distance(nn.Linear(3, 2), spoilt)
