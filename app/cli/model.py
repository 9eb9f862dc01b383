"""`lacuna model`: calibrates a model's decisions, and shows what came of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import httpx2
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli import data_folder
from app.cli.options import DEFAULT_DATA_DIR, DataDir, api_key, fail
from app.cli.summary import columns, duration

POLL_SECONDS = 0.5
ENDED = ("succeeded", "failed", "cancelled")
HEADING = ("SIZE", "DRAWN", "SAMPLES", "MEMORIZED", "STRATUM", "VERDICT", "COST", "FORGET", "TEST")

app = typer.Typer(
    no_args_is_help=True,
    help="""Look after the models of a running service.

A model's decisions (unlearn, or retrain?) rest on thresholds. Until it is **calibrated** they are
cautious defaults. A calibration draws synthetic forget sets from the training set, small and large,
memorized and not, from all strata or one; each is unlearned, retrained and audited. Nobody is
forgotten, nothing is published, every network is destroyed.

What is learnt from it: the largest share of a stratum, and of memorized samples, that unlearning
copes with; how many samples may look exposed when nothing is owed; what unlearning costs; how
often an audit sends it back. A threshold moves only on evidence, and with little of it stays.
""",
    epilog="**Start here:** `lacuna model calibrate NAME --dry-run`",
)
Name = Annotated[str, typer.Argument(help="The model's name.")]
Api = Annotated[
    str | None,
    typer.Option(help="URL of the service; default: the stack that runs in the data folder."),
]


@app.command(
    epilog="**Examples**\n\n`lacuna model calibrate faces --dry-run` says what it would cost.\n\n"
    "`lacuna model calibrate faces` follows it to its end; Ctrl-C stops following, not the job.\n\n"
    "`lacuna model calibration faces` shows the trials afterwards."
)
def calibrate(
    name: Name,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would cost, and do nothing.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    api: Api = None,
) -> None:
    """Unlearn and retrain synthetic forget sets, and take the decision's thresholds from them.

    It is done at low priority and goes on where it was stopped. The exit code is 0 only if it came
    to its end.
    """
    with service(data_dir, api) as http:
        typer.echo(cost(read(http, name)["plan"]))
        if dry_run:
            return
        job = answer(http.post(f"/v1/models/{name}:calibrate"))
        job = follow(http, job["id"])
        found = read(http, name)
    show(found)
    if job["state"] != "succeeded":
        why = f" {job['error']['detail']}." if job["error"] else ""
        fail(
            f"The job {job['id']} was {job['state']}; its trials are kept, but teach nothing.{why}"
        )


@app.command(epilog="**Example:** `lacuna model calibration faces`")
def calibration(name: Name, data_dir: DataDir = DEFAULT_DATA_DIR, api: Api = None) -> None:
    """Show the trials of a model's newest calibration, and the thresholds that are in use."""
    with service(data_dir, api) as http:
        show(read(http, name))


@contextmanager
def service(data_dir: Path, api: str | None) -> Iterator[httpx2.Client]:
    """The service that was named, or that of the stack in this folder."""
    stack = None if api else data_folder.running(data_dir)
    if api is None and stack is None:
        fail(f"Nothing runs in {data_dir}. Start it with: lacuna up, or name a service: --api URL")
    base = api or (stack.url if stack else "")
    with httpx2.Client(base_url=base, timeout=60, headers=api_key()) as http:
        try:
            yield http
        except httpx2.TransportError as error:
            fail(f"The service at {http.base_url} does not answer: {error}")


def answer(response: httpx2.Response) -> Any:
    """The JSON of an answer; a refusal is shown as the service words it."""
    if response.is_error:
        fail(refusal(response))
    return response.json()


def refusal(response: httpx2.Response) -> str:
    """A refusal in words; one that is not the service's own, such as a proxy's, is only named."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return f"{response.url} answers {response.status_code} {response.reason_phrase}"
    return f"{problem.get('title', response.reason_phrase)} {problem.get('detail', '')}".strip()


def read(http: httpx2.Client, name: str) -> dict[str, Any]:
    return dict(answer(http.get(f"/v1/models/{name}/calibration")))


def cost(plan: dict[str, Any]) -> str:
    """What a calibration takes, before anybody pays it."""
    taking = "" if plan["seconds"] is None else f", some {duration(plan['seconds'])} here"
    return (
        f"{plan['trials']} trials, each unlearned, retrained and audited: "
        f"about {plan['retrains']:g} retrains{taking}, and the audits' forward passes."
    )


def follow(http: httpx2.Client, job_id: str) -> dict[str, Any]:
    """Show how far it is until it has ended; returns it as it ended."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
    )
    with bar:
        task = bar.add_task("waiting for a worker", total=1.0)
        while True:
            job = answer(http.get(f"/v1/jobs/{job_id}"))
            told = job["progress"]
            done = job["state"] == "succeeded"
            share, words = (1.0, "") if done else (told["share"], told["words"])
            bar.update(task, completed=share, description=words or job["state"])
            if job["state"] in ENDED:
                return dict(job)
            time.sleep(POLL_SECONDS)


def show(found: dict[str, Any]) -> None:
    """The trials, a line each, and what decisions take from them."""
    if found["job"] is None:
        typer.echo(f"Never calibrated: defaults are in use. {cost(found['plan'])}")
        return
    typer.echo(f"Calibration {found['job']}: {found['state']}")
    typer.echo(columns([HEADING, *map(row, found["cells"])]))
    typer.echo("\n".join(taught(found["taught"])))


def row(cell: dict[str, Any]) -> tuple[str, ...]:
    """One trial; in the end the mean scores, less those of the retrained network."""
    drawn = " ".join(word for word in ("memorized", "skewed") if cell[word]) or "at random"
    seconds, gaps = cell["seconds"], cell["gaps"]
    memorized = cell["memorized_share"]
    return (
        f"{cell['share']:.0%}",
        drawn,
        str(cell["samples"]),
        "" if memorized is None else f"{memorized:.0%}",
        f"{cell['stratum_share']:.0%}",
        cell["verdict"],
        f"{seconds['unlearn'] / seconds['retrain']:.2f}",
        *(f"{gaps[of]:+z.3f}" if gaps else "" for of in ("forget", "test")),
    )


def taught(known: dict[str, Any] | None) -> Iterator[str]:
    """What is in use, in a few lines."""
    if known is None:
        yield "Decisions use defaults alone."
        return
    yield f"Decisions by {known['method']} with {known['rule']} targets use, of job {known['job']}:"
    for name in ("stratum_share", "memorized_share", "exposed_share"):
        value = known[name]
        yield f"  {name:<16} {'the default' if value is None else f'{value:.3g}'}"
    every = known["precedents"]
    if took := [one["unlearn"] for one in every if one["unlearn"] is not None]:
        yield f"  {'cost':<16} {fmean(took):.3g} of a retrain"
    yield f"  {'escalated':<16} {sum(one['escalated'] for one in every)} of {len(every)}"
