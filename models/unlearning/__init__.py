"""The methods by the name under which a decision's route calls them."""

from models.unlearning.contract import Method
from models.unlearning.hamu import hamu
from models.unlearning.nabla_tau import nabla_tau
from models.unlearning.retrain import retrain

METHODS: dict[str, Method] = {
    "hamu": hamu,
    "nabla_tau": nabla_tau,
    "retrain": retrain,
}
