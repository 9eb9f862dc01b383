"""Whether a text names somebody, told from hexadecimal digits that happen to spell the name."""

import re


def names(text: str, word: str) -> bool:
    """Whether the word stands in the text by itself."""
    return re.search(rf"\b{re.escape(word)}\b", text) is not None
