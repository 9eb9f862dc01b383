"""What numbers HAMU can be set to; others are refused by name, before anything is computed."""

import math


def require_sound(
    *,
    rate: float | None,
    most_rate: float | None,
    max_norm: float | None,
    part: float,
    ceiling: float,
    memory: float,
    share: float | None,
    quota: float | None,
    price: float,
    band: float | None,
) -> None:
    """A `ValueError` that names the setting; None is left to defaults."""
    for name, value in {"rate": rate, "most_rate": most_rate, "part": part}.items():
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} is above nought and finite, not {value}")
    if max_norm is not None and not max_norm > 0:
        raise ValueError(f"max_norm is above nought, not {max_norm}")
    if not 0 < ceiling <= 1:
        raise ValueError(f"ceiling is a share above nought, up to 1, not {ceiling}")
    if not 0 <= memory < 1:
        raise ValueError(f"memory is a share from nought to below 1, not {memory}")
    for name, value in {"share": share, "quota": quota, "price": price}.items():
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name} is finite, not {value}")
    if share is not None and quota is not None:
        raise ValueError("share and quota are two ways to set one bound; give one of them")
    if band is not None and not 0 <= band < math.inf:
        raise ValueError(f"band is nought or above it, and finite, not {band}")
