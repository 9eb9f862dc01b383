"""What ends every loop whose numbers are none any more."""


class Diverged(ArithmeticError):
    """A loss or a gradient is not finite, or runs away; such weights are not worth publishing."""
