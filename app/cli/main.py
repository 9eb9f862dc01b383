"""The `lacuna` command: puts its commands together, each from a file of its own."""

import typer
from pydantic import ValidationError

from app.cli import (
    api_keys,
    audit,
    check_invariants,
    demo,
    down,
    keys,
    ledger,
    migrate,
    model,
    recipe,
    restore_check,
    status,
    tombstone_key,
    up,
    verify,
    version,
    withdrawals,
)
from app.cli.options import fail
from app.config import settings

app = typer.Typer(
    name="lacuna",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    # A traceback that shows variables would show secrets.
    pretty_exceptions_show_locals=False,
    help="Make trained models forget people, and prove what was done.",
    epilog="**Start here:** `lacuna up`, then open http://127.0.0.1:8000/docs",
)
app.command(epilog=up.EPILOG)(up.up)
app.command(epilog=status.EPILOG)(status.status)
app.command(epilog=down.EPILOG)(down.down)
app.command(epilog=migrate.EPILOG)(migrate.migrate)
app.add_typer(recipe.app, name="recipe")
app.add_typer(model.app, name="model")
app.add_typer(audit.app, name="audit")
app.command(epilog=check_invariants.EPILOG)(check_invariants.check_invariants)
app.command(epilog=verify.EPILOG)(verify.verify)
app.command(epilog=withdrawals.EPILOG)(withdrawals.withdrawals)
ledger.app.command(epilog=restore_check.EPILOG)(restore_check.restore_check)
ledger.app.command(epilog=tombstone_key.EPILOG)(tombstone_key.destroy_marks)
app.add_typer(ledger.app, name="ledger")
app.add_typer(keys.app, name="keys")
app.add_typer(api_keys.app, name="api-keys")
app.command()(demo.demo)
app.command()(version.version)


@app.callback()
def main() -> None:
    """Refuse a malformed environment before any command starts."""
    try:
        settings()
    except ValidationError as error:
        fail(f"The environment has a LACUNA_ setting that cannot be used.\n{error}")


if __name__ == "__main__":
    app()
