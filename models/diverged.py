"""What ends every loop whose numbers are none any more."""


class Diverged(ArithmeticError):
    """A loss or a gradient was not finite; the last good weights are not worth publishing."""
