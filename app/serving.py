"""What uvicorn starts: the application as a process of its own has it."""

import gc

from fastapi import FastAPI

from app.main import create_app


def serve() -> FastAPI:
    """The application by the environment's settings."""
    app = create_app()
    settle()
    return app


def settle() -> None:
    """What is loaded by now stays to the end; collections of garbage need not look at it again."""
    gc.collect()
    gc.freeze()
