"""Finds recipes: those that ship, those of installed packages, those named in LACUNA_RECIPES."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from models.recipe import Recipe

GROUP = "lacuna.recipes"
SHIPPED = "models.recipes."  # where their modules are
VARIABLE = "LACUNA_RECIPES"
PROMISED = ("name", "build", "pool", "holdout", "fit", "losses", "scores", "embeddings")


class NoSuchRecipe(ValueError):
    """No recipe has this name here; where others are installed, one may."""


@dataclass(frozen=True)
class Discovery:
    """Recipes by their name, and the reason for each declared one that cannot be used."""

    found: Mapping[str, Recipe]
    broken: Mapping[str, str]


def recipes() -> dict[str, Recipe]:
    """Every recipe that can be used, by name."""
    return dict(discover().found)


def find(name: str) -> Recipe:
    """The recipe of this name; `NoSuchRecipe` for an unknown one lists those that exist."""
    discovery = discover()
    if name not in discovery.found:
        existing = ", ".join(sorted(discovery.found)) or "none"
        broken = "".join(f"; {source} is broken: {why}" for source, why in discovery.broken.items())
        raise NoSuchRecipe(f"there is no recipe {name!r}; those that exist: {existing}{broken}")
    return discovery.found[name]


def discover() -> Discovery:
    """Load every declared recipe."""
    return loaded(declared())


def load_shipped() -> None:
    """Import what ships and all that it needs, which takes a second: `discover` finds it done."""
    loaded(entry for entry in declared() if entry.value.startswith(SHIPPED))


def loaded(entries: Iterable[EntryPoint]) -> Discovery:
    """Load these recipes; one that fails to load does not hide the others.

    Raises `ValueError` where two different recipes have one name: which of them a model meant must
    never depend on the order of installation.
    """
    found: dict[str, Recipe] = {}
    sources: dict[str, str] = {}
    broken: dict[str, str] = {}
    for entry in entries:
        source = f"{entry.name} = {entry.value}"
        try:
            recipe = usable(entry.load())
        except Exception as error:  # whatever a stranger's module raises while it is imported
            broken[source] = f"{type(error).__name__}: {error}"
            continue
        if found.setdefault(recipe.name, recipe) is not recipe:
            raise ValueError(
                f"two recipes are named {recipe.name!r}: {sources[recipe.name]} and {source}"
            )
        sources.setdefault(recipe.name, source)
    return Discovery(found=found, broken=broken)


def declared() -> list[EntryPoint]:
    """Where recipes are said to be: installed entry points, then `package.module:object[,…]`."""
    wanted = [spec.strip() for spec in os.environ.get(VARIABLE, "").split(",")]
    named = [EntryPoint(name=VARIABLE, value=spec, group=GROUP) for spec in wanted if spec]
    return [*entry_points(group=GROUP), *named]


def usable(candidate: object) -> Recipe:
    """The candidate, if it is a recipe; else a `ValueError` that says what it lacks."""
    if isinstance(candidate, type):
        raise ValueError(f"{candidate.__name__} is a class; name an instance of it")
    if not isinstance(candidate, Recipe):
        lacking = ", ".join(name for name in PROMISED if not hasattr(candidate, name))
        raise ValueError(f"a {type(candidate).__name__} is no recipe, it lacks: {lacking}")
    return candidate
