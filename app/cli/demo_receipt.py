"""The end of the demo: a request's receipt, checked with no server, and refused once changed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2
from rich.console import Console

from app.cli.surroundings import of_python

NOT_YET = 409
PAUSE = 0.3  # seconds


def fetch(http: httpx2.Client, request_id: str, model: str, folder: Path) -> Path:
    """Lay receipt, public key and the live weights into a folder, as somebody takes them home."""
    path = f"/v1/deletion-requests/{request_id}/receipt"
    while (response := http.get(path)).status_code == NOT_YET:
        time.sleep(PAUSE)
    folder.mkdir()
    save(response, folder / "receipt.json")
    save(http.get("/v1/ledger/key"), folder / "log.vkey")
    live = http.get(f"/v1/models/{model}").raise_for_status().json()["live"]["number"]
    weights = http.get(f"/v1/models/{model}/versions/{live}/weights")
    save(weights, folder / "weights.safetensors")
    return folder


def save(response: httpx2.Response, path: Path) -> None:
    """Keep the body of an answer, which must not be a refusal."""
    path.write_bytes(response.raise_for_status().content)


def show(folder: Path, console: Console) -> bool:
    """Check the receipt, then the same with one byte flipped; whether both went as they should."""
    console.print(f"\nThe receipt of the first request, checked offline in {folder}:")
    genuine = verify(folder, "receipt.json", console)
    content = bytearray((folder / "receipt.json").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "forged.json").write_bytes(content)
    console.print("\nThe same with one byte flipped:")
    forged = verify(folder, "forged.json", console)
    return genuine and not forged


def verify(folder: Path, name: str, console: Console) -> bool:
    """Run the command that anybody could run, where only these files are; whether it was content.

    Weights that are not those of the statement fail it too.
    """
    command = ["verify", name, "--key", "log.vkey", "--weights", "weights.safetensors"]
    console.print(f"  $ lacuna {' '.join(command)}", style="bold")
    done = subprocess.run(
        [sys.executable, "-m", "app.cli.main", *command],
        cwd=folder,
        env={**os.environ, **of_python()},
        check=False,
        capture_output=True,
        text=True,
    )
    console.print((done.stdout + done.stderr).rstrip(), markup=False)
    return done.returncode == 0
