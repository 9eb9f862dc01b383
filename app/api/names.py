"""How datasets and models may be called."""

from typing import Annotated

from pydantic import Field

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$",
        description="Lower-case letters, digits, dot, dash and underscore; at most 63 characters.",
        examples=["fashion"],
    ),
]
