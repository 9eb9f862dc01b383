"""Attacks on what is to be served, and what they say of it."""
