"""Why a job cannot succeed: in the words of models/, and with a code where more is known."""

from contextlib import suppress
from typing import Any

from models import registry
from workers.said import ids_in


def refusal(error: ValueError, phase: str, command: dict[str, Any]) -> dict[str, Any]:
    """What models/ raised for its input, as the job row keeps it.

    No repetition makes it right, but where another worker may have the recipe.
    """
    if isinstance(error, registry.NoSuchRecipe):
        return {"code": "recipe_missing", "detail": f"on this worker {error}"}
    if phase == "open" and (detail := strangers(command)):
        return {"code": "unknown_to_recipe", "detail": detail, "final": True}
    return {"code": "impossible", "detail": str(error), "final": True}


def strangers(command: dict[str, Any]) -> str:
    """What is wrong with the job's samples if its recipe does not know them all; else empty.

    It reads the recipe's pool once more, so it is asked only after a failure.
    """
    with suppress(ValueError):  # the recipe itself, or its data, may be what failed
        pool = registry.find(command["recipe"]).pool()
        lists = [path for path in (command["retain"], command["forget"]) if path is not None]
        wanted = {sample_id for path in lists for sample_id in ids_in(path)}
        if unknown := wanted.difference(pool.ids):
            return (
                f"the recipe {command['recipe']!r} does not know {len(unknown)} of the job's "
                f"{len(wanted)} samples; the ids in a dataset must be those of the recipe's pool"
            )
    return ""
