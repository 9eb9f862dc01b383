"""The methods by the name under which a decision's route, or a benchmark, calls them."""

from functools import partial

from models.unlearning.contract import Method
from models.unlearning.finetune import finetune
from models.unlearning.hamu import hamu
from models.unlearning.l1_sparse import l1_sparse
from models.unlearning.msg import msg
from models.unlearning.nabla_tau import nabla_tau
from models.unlearning.neggrad_plus import neggrad_plus
from models.unlearning.retrain import retrain
from models.unlearning.rum import nothing, rum
from models.unlearning.salun import salun
from models.unlearning.scrub import scrub
from models.unlearning.ssd import ssd

METHODS: dict[str, Method] = {
    "hamu": hamu,
    "nabla_tau": nabla_tau,
    "retrain": retrain,
    # The order that its authors found best (NeurIPS 2024, figure 3): least memorized first.
    "rum": partial(rum, methods=(nothing, finetune, salun)),
    "finetune": finetune,
    "l1_sparse": l1_sparse,
    "msg": msg,
    "neggrad_plus": neggrad_plus,
    "salun": salun,
    "scrub": scrub,
    "ssd": ssd,
}

# Those that go on where they were killed, given a `resume`.
RESUMABLE = ("hamu", "nabla_tau", "retrain", "rum")
STEERED = ("hamu", "nabla_tau")  # those that take a target per sample, as `targets`
RANKED = ("rum",)  # those that take a score per sample, as `scores`
