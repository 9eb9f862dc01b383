"""Which Lacuna this is: its version, and, where the environment says so, its commit and image."""

import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from types import MappingProxyType

FROM_ENVIRONMENT = {"commit": "LACUNA_COMMIT", "image": "LACUNA_IMAGE"}


@cache
def software() -> Mapping[str, str]:
    """What receipts and reports say of this software; what is not known is left out.

    Read once: asking the packaging anew takes longer than the rest of a statement.
    """
    told = {name: os.environ.get(variable, "") for name, variable in FROM_ENVIRONMENT.items()}
    known = {name: value for name, value in told.items() if value}
    return MappingProxyType({"lacuna": version("lacuna"), **known})
