"""A recipe module that prints, as one that downloads its data may."""

import sys

from tests.workers.tiny import recipe

__all__ = ["recipe"]

sys.stdout.write("loading faces ...\n")
