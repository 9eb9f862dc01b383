"""The end of the demo, and README's words on it, run as they stand."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from rich.console import Console

from app.cli import demo_receipt
from app.cli.surroundings import of_python
from tests.cli.verifying import WEIGHTS, furnished, version

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the demo leaves, where it leaves it; `tmp_path` is the project's root."""
    folder = tmp_path / ".lacuna" / "demo" / "receipt"
    folder.mkdir(parents=True)
    furnished(folder)
    (folder / "weights.safetensors").write_bytes(WEIGHTS)
    (folder / "receipt.json").write_bytes(version(2))
    return folder


def block() -> list[str]:
    """The lines of README's commands that look at what the demo left."""
    (found,) = re.findall(r"```sh\n(home=.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return str(found).splitlines()


def test_what_the_readme_says_of_the_demos_receipt_is_so(folder: Path, tmp_path: Path) -> None:
    lacuna = tmp_path / ".venv" / "bin" / "lacuna"
    lacuna.parent.mkdir(parents=True)
    lacuna.write_text(f'#!/bin/sh\nexec {sys.executable} -m app.cli.main "$@"\n')
    lacuna.chmod(0o755)
    home, genuine, forge, forged = block()

    done = [
        subprocess.run(
            ["bash", "-c", f"{home}\n{line}"],
            cwd=tmp_path,
            env=os.environ | of_python(),
            check=False,
            capture_output=True,
            text=True,
        )
        for line in (genuine, forge, forged)
    ]

    assert [each.returncode for each in done] == [0, 0, 1], [each.stderr for each in done]
    before, after = (folder / "receipt.json").read_bytes(), (tmp_path / "forged.json").read_bytes()
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
    assert all("Traceback" not in each.stderr for each in done)


def test_the_demo_ends_well_where_the_receipt_holds_and_a_flipped_byte_does_not(
    folder: Path,
) -> None:
    told = io.StringIO()

    assert demo_receipt.show(folder, Console(file=told, width=200))

    assert "one byte flipped" in told.getvalue()
    flipped = (folder / "forged.json").read_bytes()
    kept = (folder / "receipt.json").read_bytes()
    assert sum(one != other for one, other in zip(kept, flipped, strict=True)) == 1


def test_the_demo_does_not_end_well_with_other_weights(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(WEIGHTS[:-1] + b"\x00")

    assert not demo_receipt.show(folder, Console(file=io.StringIO()))


def test_the_demo_waits_for_the_receipt_and_takes_all_of_it_home(tmp_path: Path) -> None:
    waits = [demo_receipt.NOT_YET, demo_receipt.NOT_YET]
    bodies = {
        "/v1/deletion-requests/r-1/receipt": b"receipt",
        "/v1/ledger/key": b"key",
        "/v1/models/faces/versions/2/weights": WEIGHTS,
    }

    def served(request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path.endswith("/receipt") and waits:
            return httpx2.Response(waits.pop())
        if path == "/v1/models/faces":
            return httpx2.Response(200, json={"live": {"number": 2}})
        return httpx2.Response(200, content=bodies[path])

    with httpx2.Client(
        transport=httpx2.MockTransport(served), base_url="http://lacuna.test"
    ) as http:
        folder = demo_receipt.fetch(http, "r-1", "faces", tmp_path / "home")

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "receipt.json": b"receipt",
        "log.vkey": b"key",
        "weights.safetensors": WEIGHTS,
    }
