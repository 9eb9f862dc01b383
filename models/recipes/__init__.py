"""Recipes that ship: each is found through the entry points in pyproject.toml."""
