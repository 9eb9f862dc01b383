"""The main job from end to end, shown: train, ask to be forgotten, decide, forget, attack, publish.

Everything goes over HTTP, as a user's own calls would; every number printed comes from an answer.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli import demo_receipt
from app.reports import words

PEOPLE = 5
POLL_SECONDS = 0.3
ENDED = ("succeeded", "failed", "cancelled", "awaiting_approval")
POLICY = {"max_wait_seconds": 2.0, "reference_seconds": 300.0}

console = Console(highlight=False)


def demo(
    data_dir: Annotated[
        Path, typer.Option(help="Where the demo's servers, weights and report lie; emptied first.")
    ] = Path(".lacuna/demo"),
    port: Annotated[int, typer.Option(help="Port of the demo's API.")] = 8765,
    keep: Annotated[bool, typer.Option(help="Leave the stack running afterwards.")] = False,
) -> None:
    """Run the main job on real data, with its own embedded stack, in about two minutes."""
    began = time.monotonic()
    recipe = chosen_recipe()
    with stack(data_dir, port, keep=keep) as base:
        with httpx2.Client(base_url=base, timeout=60) as http:
            people = register(http, recipe)
            first = follow(http, train(http, recipe))
            say(f"Version 1 is live: {scores(http, recipe, 1)}", first)
            asked = submit(http, people)
            job = follow(http, batched(http, recipe))
            show_decision(job)
            report = answer(http.get(f"/v1/jobs/{job['id']}/report"))
            show_audit(report, job)
            page = save_page(http, job, data_dir)
            receipt = demo_receipt.fetch(http, asked[0], recipe, data_dir / "receipt")
        checked = demo_receipt.show(receipt, console)
        console.print(f"\nReport for people: [bold]{page.resolve()}[/bold]")
        console.print(f"Done in {time.monotonic() - began:.0f} s.")
        if keep:
            console.print(
                f"The stack is still up at {base}; stop it with: lacuna down --data-dir {data_dir}"
            )
    if job["state"] != "succeeded" or not checked:
        raise typer.Exit(1)


def chosen_recipe() -> str:
    """Fashion-MNIST where its Debian package can be had, else scikit-learn's digits."""
    fetched = recipe_command("fetch", "fashion")
    recipe = "fashion" if fetched.returncode == 0 else "digits"
    console.print(f"Data: [bold]{recipe}[/bold]. {(fetched.stdout or fetched.stderr).strip()}")
    return recipe


def recipe_command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Ask a process that may load torch; this one does not."""
    return subprocess.run(
        [sys.executable, "-m", "workers.recipe_command", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )


@contextmanager
def stack(data_dir: Path, port: int, *, keep: bool) -> Iterator[str]:
    """A stack of our own in an empty folder, stopped at the end unless it is to be kept."""
    lacuna(data_dir, "down")
    shutil.rmtree(data_dir, ignore_errors=True)
    console.print("Starting PostgreSQL, Valkey, the API, a worker, a clerk and beat …")
    began = time.monotonic()
    up = lacuna(data_dir, "up", "--detach", "--port", str(port))
    if up.returncode != 0:
        console.print(up.stdout + up.stderr)
        raise typer.Exit(1)
    console.print(f"All up after {time.monotonic() - began:.1f} s.")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        if not keep:
            lacuna(data_dir, "down")


def lacuna(data_dir: Path, command: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """One of our own commands, on the demo's folder; its stack is for this machine alone."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", command, "--data-dir", str(data_dir), *options],
        env=os.environ | {"LACUNA_AUTH": "open", "LACUNA_HOST": "127.0.0.1"},
        check=False,
        capture_output=True,
        text=True,
    )


def answer(response: httpx2.Response) -> Any:
    """The JSON of an answer; a refusal is shown as the service words it."""
    if response.is_error:
        console.print(response.text)
        raise typer.Exit(1)
    return response.json()


def register(http: httpx2.Client, recipe: str) -> list[str]:
    """Import the recipe's samples and their subjects; returns the people who will ask."""
    answer(http.post("/v1/datasets", json={"name": recipe}))
    lines = recipe_command("subjects", recipe).stdout
    imported = answer(
        http.post(
            f"/v1/datasets/{recipe}/samples",
            content=lines.encode(),
            headers={"Content-Type": "application/x-ndjson"},
        )
    )
    subjects = sorted({json.loads(line)["subject"] for line in lines.splitlines()})
    console.print(f"Imported {imported['new']} samples of {len(subjects)} subjects.")
    return subjects[:: len(subjects) // PEOPLE][:PEOPLE]


def train(http: httpx2.Client, recipe: str) -> str:
    """Register the model, once a worker has announced the recipe; returns the training job."""
    while not any(recipe in worker["recipes"] for worker in answer(http.get("/v1/workers"))):
        time.sleep(POLL_SECONDS)
    model = {"name": recipe, "recipe": recipe, "dataset": recipe, "policy": POLICY}
    return str(answer(http.post("/v1/models", json=model))["active_job"])


def submit(http: httpx2.Client, people: list[str]) -> list[str]:
    """One deletion request per person; returns their ids."""
    table = Table("subject", "request", "state", "samples", "due by", title="Deletion requests")
    ids = []
    for person in people:
        request = answer(http.post("/v1/deletion-requests", json={"subject": person}))
        ids.append(str(request["id"]))
        table.add_row(
            person,
            request["id"],
            request["state"],
            str(request["sample_count"]),
            request["due_at"][:10],
        )
    console.print(table)
    return ids


def batched(http: httpx2.Client, recipe: str) -> str:
    """The job that the pending erasures become."""
    while (job := answer(http.get(f"/v1/models/{recipe}"))["active_job"]) is None:
        time.sleep(POLL_SECONDS)
    read = answer(http.get(f"/v1/jobs/{job}"))
    console.print(
        f"One batch: {read['forget_count']} samples to forget, {read['retain_count']} to keep."
    )
    return str(job)


def follow(http: httpx2.Client, job_id: str) -> dict[str, Any]:
    """Show a job's progress until it ends; returns it."""
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        TextColumn("{task.fields[doing]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        state, bar = "", None
        while True:
            job = answer(http.get(f"/v1/jobs/{job_id}"))
            if job["state"] != state:
                if bar is not None:
                    bars.update(bar, completed=1.0, doing="")
                    bars.stop_task(bar)
                state = job["state"]
                if state in ENDED:
                    return dict(job)
                bar = bars.add_task(state, total=1.0, doing="")
            progress = job["progress"]
            if bar is not None:
                bars.update(bar, completed=progress["share"], doing=progress["words"])
            time.sleep(POLL_SECONDS)


def scores(http: httpx2.Client, recipe: str, number: int) -> str:
    """What a trained version is worth, as its manifest says."""
    manifest = answer(http.get(f"/v1/models/{recipe}/versions/{number}"))["manifest"]
    return ", ".join(f"{name} {score:.3f}" for name, score in manifest["scores"].items())


def say(words: str, job: dict[str, Any]) -> None:
    """A line about a job, or what went wrong with it."""
    if job["state"] != "succeeded":
        console.print(f"[red]The job {job['state']}:[/red] {job['error']}")
        raise typer.Exit(1)
    console.print(words)


def show_decision(job: dict[str, Any]) -> None:
    """The route, its reasons, and the numbers behind them."""
    decision = job["decision"]
    if decision is None:
        say("", job)
    console.print(f"\nDecision: [bold]{words.ROUTES[decision['route']]}[/bold]")
    for reason in decision["reasons"]:
        console.print(f"  {reason}")
    numbers, limits = decision["numbers"], decision["thresholds"]
    table = Table("measured", "value", "threshold", title="Hardness and cost")
    for name, (called, limit) in words.DECIDED_BY.items():
        if numbers.get(name) is not None:
            table.add_row(
                called, f"{numbers[name]:.4g}", "" if limit is None else f"{limits[limit]:.4g}"
            )
    console.print(table)


def show_audit(report: dict[str, Any], job: dict[str, Any]) -> None:
    """The verdict in its own words, and before and after beside a retrain."""
    audit = report["audit"]
    console.print(f"Audit: [bold]{audit['verdict']}[/bold]")
    for sentence in audit["sentences"]:
        console.print(f"  {sentence}")
    table = Table(
        "samples", "measure", *words.NETWORKS.values(), title="Before and after, 90 % intervals"
    )
    for samples, called in words.SETS.items():
        for measure in ("score", "loss"):
            cells = (measured(audit, name, samples, measure) for name in words.NETWORKS)
            table.add_row(called, measure, *cells)
    console.print(table)
    run = report["run"]
    if run is not None and report["costs"]["reference"] is not None:
        console.print(
            f"The {words.ROUTES[run['route']]} took {run['seconds']:.1f} s; retraining "
            f"the reference it was compared with took {report['costs']['reference']:.1f} s."
        )
    console.print(f"The job {job['state']}.")


def measured(audit: dict[str, Any], network: str, samples: str, measure: str) -> str:
    """One cell: an estimate with its interval, or a dash for what was not measured."""
    for row in audit["utility"]:
        if (row["network"], row["samples"], row["stratum"]) == (network, samples, None):
            value = row["utility"][measure]
            return f"{value['estimate']:.2f} ± {(value['high'] - value['low']) / 2:.2f}"
    return "–"


def save_page(http: httpx2.Client, job: dict[str, Any], folder: Path) -> Path:
    """The report as a page, kept where the stack is not needed to read it."""
    response = http.get(f"/v1/jobs/{job['id']}/report", params={"format": "html"})
    page = folder / "report.html"
    page.write_text(response.text)
    return page
