"""`lacuna up`: runs the whole service on this machine."""

from typing import Annotated

import typer

from app import auth, opendsr_signing
from app.auth import Auth
from app.cli import api_keys, data_folder
from app.cli.data_folder import InUse, Stack, Unusable
from app.cli.detached import DidNotStart, start_detached
from app.cli.embedded import ServerFailed
from app.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from app.cli.stack import CannotListen, Plan, Teller, run
from app.cli.summary import how_to_stop, summary
from app.config import Settings
from app.log_key import NoLogKey
from app.opendsr_signing import BadIdentity

DEFAULTS = Settings.model_fields

EPILOG = """
**Examples**

`lacuna up` runs it here until Ctrl-C.

`lacuna up --detach` leaves it running; `lacuna status` looks at it, `lacuna down` stops it.

`LACUNA_DATABASE_URL=postgresql+psycopg://me@db/lacuna lacuna up` uses a PostgreSQL of yours, and
`LACUNA_REDIS_URL=redis://cache/0 lacuna up` a broker of yours.
"""

FIRST_KEY = """\
  API key  {key}

It may do everything, and nothing shows it again. Send it as `Authorization: Bearer …`;
`lacuna` itself takes it from LACUNA_API_KEY. Make others with: lacuna api-keys create
"""


def up(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    host: Annotated[
        str,
        typer.Option(envvar="LACUNA_HOST", help="Where the API listens; 0.0.0.0 for everywhere."),
    ] = DEFAULTS["host"].default,
    port: Annotated[
        int, typer.Option(envvar="LACUNA_PORT", min=1, max=65535, help="The API's port.")
    ] = DEFAULTS["port"].default,
    workers: Annotated[
        int, typer.Option(min=1, help="How many jobs may run at once, a worker process for each.")
    ] = 1,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only the API: requests are accepted, and wait.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when the API answers, and leave it running.")
    ] = False,
    first_key: Annotated[
        bool,
        typer.Option(help="Where API keys are needed and there is none: make one, and show it."),
    ] = True,
) -> None:
    """Run the service: API, workers, and a PostgreSQL and a Valkey where you have none of your own.

    All its data lie in one folder and survive `lacuna down`. What crashes is restarted.
    On a loopback address callers need no API key, unless LACUNA_AUTH=required; elsewhere they do.
    """
    plan = Plan(
        data_dir=data_dir,
        host=host,
        port=port,
        workers=0 if no_worker else workers,
        settings=Settings(data_dir=data_dir, host=host),
    )
    access = plan.settings.access
    if why := auth.obstacle(access, host):
        fail(why)

    def ready(stack: Stack) -> None:
        typer.echo(summary(stack, data_dir, attached=not detach))
        if access is Auth.REQUIRED and first_key and (key := api_keys.first(data_dir)):
            typer.echo(FIRST_KEY.format(key=key))

    try:
        opendsr_signing.load(plan.settings)  # or the API would end again and again
        if detach:
            ready(start_detached(plan))
        else:
            run(plan, Teller(say=typer.echo, ready=ready))
    except InUse:
        fail(in_use(plan))
    except (Unusable, NoLogKey, BadIdentity, CannotListen, ServerFailed, DidNotStart) as refusal:
        fail(str(refusal))


def in_use(plan: Plan) -> str:
    """What to say where a stack runs already."""
    stack = data_folder.running(plan.data_dir)
    if stack is None:
        return f"A stack is just starting or ending in {plan.data_dir}; try again in a moment."
    return (
        f"Lacuna runs already in {plan.data_dir}: pid {stack.pid}, {stack.url}. "
        f"Stop it with: {how_to_stop(plan.data_dir)}"
    )
