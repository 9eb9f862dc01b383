"""The environment in which Lacuna starts Python programs of its own."""

import os
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]  # where `app`, `workers` and `models` lie


def of_python() -> dict[str, str]:
    """What to add to ours, so that our packages are found before others of the same name.

    `app`, `workers` and `models` are names that many a project uses; its folder comes last, so
    that its recipes are found all the same.
    """
    path = [str(HOME), *filter(None, [os.environ.get("PYTHONPATH")]), str(Path.cwd())]
    return {
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
