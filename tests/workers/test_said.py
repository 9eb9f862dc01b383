from pathlib import Path

import pytest
import torch

from models.diverged import Diverged
from models.progress import silent
from models.references import Plan
from tests.models.blobs import recipe
from tests.models.spoilt import spoilt
from workers import said


def test_a_reference_with_losses_that_are_no_numbers_says_nothing(tmp_path: Path) -> None:
    pool = recipe.pool()
    plan = Plan(3, 7, torch.arange(len(pool)) % 4 == 0)
    held_out = recipe.holdout()

    with pytest.raises(Diverged, match="reference 3 has losses that are not finite"):
        said.say(
            spoilt(lambda own: own + torch.nan),
            pool,
            held_out.validation,
            held_out.test,
            plan,
            tmp_path,
            silent,
            device=torch.device("cpu"),
        )
    assert list(tmp_path.iterdir()) == []
