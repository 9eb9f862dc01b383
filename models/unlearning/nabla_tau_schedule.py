"""How long ∇τ runs and how strongly it pulls, for sets of a given size."""

from dataclasses import dataclass, replace

from models.unlearning.gradients import at_least_one

LARGEST_ALPHA = 0.95  # the rule of thumb exceeds 1 from a forget share of 60 % on


@dataclass(frozen=True)
class Preset:
    """What the authors set for one kind of data.

    `alpha`: α₀, None for (5/3)·|D_f|/|D|. `sweeps`: K in E = ⌊K·b_R/b_F⌋ forget-epochs.
    `final_rate`: what is left of the learning rate in the end, as a share, falling linearly.
    """

    alpha: float | None
    sweeps: float
    rate: float
    final_rate: float
    batch_size: int


IMAGE = Preset(alpha=None, sweeps=3.0, rate=1e-3, final_rate=0.1, batch_size=256)
TEXT = Preset(alpha=0.5, sweeps=0.5, rate=3e-4, final_rate=1.0, batch_size=128)
PRESETS = {"image": IMAGE, "text": TEXT}


@dataclass(frozen=True)
class Schedule:
    """How long and how strongly: E forget-epochs, steps in each, α₀."""

    epochs: int
    steps_per_epoch: int
    alpha: float

    def alpha_at(self, epoch: int, step: int, *, decay_per_step: bool) -> float:
        """α falls linearly, once per forget-epoch or with every step; it never reaches 0."""
        steps = self.epochs * self.steps_per_epoch
        done = (
            (epoch * self.steps_per_epoch + step) / steps if decay_per_step else epoch / self.epochs
        )
        return self.alpha * (1 - done)


def schedule_of(
    forget: int,
    retain: int,
    *,
    preset: Preset,
    alpha: float | None = None,
    epochs: int | None = None,
    most_epochs: int | None = None,
) -> Schedule:
    """E and α₀ for set sizes; the two belong together: change one only with the other in mind.

    `ValueError` for an α₀ that is no share and for fewer forget-epochs than one.
    """
    at_least_one(epochs=epochs, most_epochs=most_epochs)
    if alpha is not None and not 0 <= alpha <= 1:
        raise ValueError(f"alpha is a share, 0 to 1, not {alpha}")
    of_forget, of_retain = (-(-count // preset.batch_size) for count in (forget, retain))
    own_alpha = preset.alpha if preset.alpha is not None else 5 / 3 * forget / (forget + retain)
    passes = max(1, int(preset.sweeps * of_retain / of_forget)) if epochs is None else epochs
    return Schedule(
        epochs=passes if most_epochs is None else min(passes, most_epochs),
        steps_per_epoch=of_forget,
        alpha=min(own_alpha, LARGEST_ALPHA) if alpha is None else alpha,
    )


def settings_of(preset: str, *, rate: float | None, batch_size: int | None) -> Preset:
    """The preset of this name with what is given in place of its own; `ValueError` for others."""
    if preset not in PRESETS:
        raise ValueError(f"there is no preset {preset!r}; there are {', '.join(PRESETS)}")
    own = PRESETS[preset]
    return replace(
        own,
        rate=own.rate if rate is None else rate,
        batch_size=own.batch_size if batch_size is None else batch_size,
    )
