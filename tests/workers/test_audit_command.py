import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.auditing import deep
from tests.models import blobs
from workers.audit_command import cli, kept


def test_a_round_that_was_done_is_read_and_not_done_again(tmp_path: Path) -> None:
    once = kept(tmp_path, blobs.recipe, "finetune", 0, 0.2, 0)
    path = tmp_path / "round-000.json"
    written = path.stat().st_mtime_ns

    again = kept(tmp_path, blobs.recipe, "finetune", 0, 0.2, 0)

    assert once == again == json.loads(path.read_text())
    assert set(once) == set(deep.WORLDS)
    assert path.stat().st_mtime_ns == written
    assert list(tmp_path.iterdir()) == [path]


def test_a_round_that_was_torn_is_done_anew(tmp_path: Path) -> None:
    (tmp_path / "round-000.part").write_text('{"unlearned": {"for')

    kept(tmp_path, blobs.recipe, "finetune", 0, 0.2, 0)

    assert [path.name for path in tmp_path.iterdir()] == ["round-000.json"]


def test_what_cannot_be_calibrated_is_refused_with_what_can_be(tmp_path: Path) -> None:
    knobs = ["--rounds", "16", "--share", "0.05", "--seed", "0"]

    unknown = CliRunner().invoke(cli, ["deep", "digits", str(tmp_path), "--method", "x", *knobs])
    knobs[1] = "3"
    few = CliRunner().invoke(cli, ["deep", "digits", str(tmp_path), "--method", "hamu", *knobs])

    assert (unknown.exit_code, few.exit_code) == (1, 1)
    assert "there is no method 'x'; there are: hamu, nabla_tau" in unknown.stderr
    assert few.stderr.strip() == "3 rounds say nothing: 4 at least"


def test_rounds_that_are_all_there_are_summed_up_beside_what_retrains_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUNA_RECIPES", "tests.models.blobs:recipe")
    folder = tmp_path / "blobs-finetune-0.2-0"
    folder.mkdir()
    for number in range(deep.FEWEST):
        told = {world: {"forget": [1.0 * number, 2.0 * number]} for world in deep.WORLDS}
        (folder / f"round-{number:03d}.json").write_text(json.dumps(told))
    knobs = ["--method", "finetune", "--rounds", "4", "--share", "0.2", "--seed", "0"]

    done = CliRunner().invoke(cli, ["deep", "blobs", str(tmp_path), *knobs])

    assert done.exit_code == 0
    assert done.stderr == ""  # nothing was trained
    (row,) = [line for line in done.stdout.splitlines() if "forget" in line]
    assert [cell.strip() for cell in row.strip("│ ").split("│")][1:4] == ["0.00", "0.00", "+0.00"]
    assert "4 rounds; nought above is what one more retrain would have." in done.stdout
