"""How datasets and models may be called, and lists of names in which each stands once."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

Word = TypeVar("Word", bound=str)

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$",
        description="Lower-case letters, digits, dot, dash and underscore; at most 63 characters.",
        examples=["fashion"],
    ),
]


def once_each(names: list[Word]) -> list[Word]:
    if len(set(names)) < len(names):
        raise ValueError("one of them is named twice")
    return names


OnceEach = AfterValidator(once_each)
