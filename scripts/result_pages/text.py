"""How pages write figures, tables and findings."""

import math


class Contradiction(Exception):
    """What was measured does not say what a page says."""


def claim(holds, words):
    """A sentence that the figures must bear out."""
    if not holds:
        raise Contradiction(f"the figures contradict this sentence, which must be written anew: {words}")
    return words


def decimals(half_width, unit):
    """Digits after the point at which a half width in this unit shows two digits, if it begins with a 1, or one."""
    first = half_width / unit
    if first <= 0:
        return 3
    power = math.floor(math.log10(first))
    return min(5, max(0, (1 if first / 10.0**power < 2 else 0) - power))


def with_half_width(value, half_width):
    """0.0123 ± 0.0009, or 1.96e-4 ± 0.07e-4."""
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)))
    if power >= -3:
        digits = decimals(half_width, 1)
        return f"{value:.{digits}f} ± {half_width:.{digits}f}"
    digits = decimals(half_width, 10.0**power)
    return f"{value / 10.0**power:.{digits}f}e{power} ± {half_width / 10.0**power:.{digits}f}e{power}"


def nats(figure):
    """The divergence and the half width of its interval."""
    value, _, high = figure.interval
    return with_half_width(value, high - value)


def short(value):
    """Two or three digits of a number: 0.43, 2.9, 131, 4,660."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:#.2g}".rstrip(".") if value else "0"


def plain_nats(value):
    """A divergence in two digits, without its interval."""
    return short(value) if value == 0 or value >= 0.001 else f"{value:.1e}".replace("e-0", "e-")


def times(ratio):
    """2.9 (2.5 to 3.3)."""
    middle, low, high = ratio
    return f"{short(middle)} ({short(low)} to {short(high)})"


def percent(fraction, digits=1):
    return f"{100 * fraction:.{digits}f} %"


def table(head, rows, right=()):
    """A table in Markdown; right: the columns of numbers."""
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))


def block(command, language="sh"):
    return f"```{language}\n{command}\n```\n"
