import json
from pathlib import Path

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
