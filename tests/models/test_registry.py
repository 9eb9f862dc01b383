from dataclasses import replace
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from models import registry
from models.recipe import Recipe
from models.recipes import digits


def module_with(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> None:
    """An importable module with these things in it, for this test."""
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(__import__("sys").modules, name, module)


def test_the_shipped_recipes_are_found_by_their_names() -> None:
    assert {"careers", "digits", "fashion"} <= registry.recipes().keys()
    assert registry.find("digits") is digits.recipe


def test_recipes_named_in_the_environment_are_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, yours = replace(digits.recipe, name="mine"), replace(digits.recipe, name="yours")
    module_with(monkeypatch, "my_recipes", mine=mine, yours=yours)
    monkeypatch.setenv("LACUNA_RECIPES", "my_recipes:mine, my_recipes:yours,")

    found = registry.recipes()

    assert found["mine"] is mine
    assert found["yours"] is yours
    assert "digits" in found


def test_only_what_ships_is_loaded_ahead_and_what_is_broken_hides_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = []

    class Entry(EntryPoint):
        def load(self) -> None:
            loaded.append(self.value)
            raise RuntimeError("broken")

    specs = ["models.recipes.one:recipe", "theirs:recipe", "models.recipes.two:recipe"]
    entries = [Entry("", spec, registry.GROUP) for spec in specs]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)

    registry.load_shipped()

    assert loaded == [specs[0], specs[2]]


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"no recipe 'mnist'; .*careers, digits, fashion"):
        registry.find("mnist")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("no_such_module:recipe", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("my_recipes:absent", "AttributeError"),
        ("my_recipes:number", "lacks: name, build, pool, holdout, fit, losses"),
        ("my_recipes:protocol", "Classifier is a class"),
        ("my recipes", "AttributeError"),
    ],
)
def test_a_broken_recipe_is_reported_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, spec: str, reason: str
) -> None:
    module_with(monkeypatch, "my_recipes", number=3, protocol=type(digits.recipe))
    monkeypatch.setenv("LACUNA_RECIPES", spec)

    discovery = registry.discover()

    assert reason in discovery.broken[f"LACUNA_RECIPES = {spec}"]
    assert discovery.found.keys() >= {"careers", "digits", "fashion"}


def test_the_refusal_of_an_unknown_name_tells_which_recipes_are_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LACUNA_RECIPES", "no_such_module:recipe")

    with pytest.raises(ValueError, match="no_such_module:recipe is broken: ModuleNotFoundError"):
        registry.find("mine")


def test_two_recipes_of_one_name_are_refused_and_both_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module_with(monkeypatch, "my_recipes", recipe=replace(digits.recipe))
    monkeypatch.setenv("LACUNA_RECIPES", "my_recipes:recipe")

    with pytest.raises(ValueError, match=r"'digits': .*digits:recipe and .*my_recipes:recipe"):
        registry.discover()


def test_one_recipe_named_twice_is_no_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUNA_RECIPES", "models.recipes.digits:recipe")

    assert registry.find("digits") is digits.recipe


def test_what_is_found_keeps_the_contract() -> None:
    assert all(isinstance(recipe, Recipe) for recipe in registry.recipes().values())
