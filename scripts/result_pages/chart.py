"""Charts as SVG: dots with intervals, curves over layers, and points in a plane. Values are on logarithmic axes.

A chart has a background of its own and follows the reader's light or dark theme. The same values give the same file,
byte for byte.
"""

import math
from html import escape

WIDTH, MARGIN = 860, 16
MARKS = ("circle", "square", "triangle", "diamond", "cross", "ring")
STYLE = """<style>
svg { --paper: #ffffff; --ink: #1f2328; --faint: #d8dee4; --muted: #59636e;
      --s0: #0b67b2; --s1: #c2410c; --s2: #177245; --s3: #8a3fa0; --s4: #7a5c00; --s5: #b4235a; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #14181d; --ink: #e6edf3; --faint: #30363d; --muted: #9aa5b1;
        --s0: #6cb6ff; --s1: #ff9d5c; --s2: #6bd49b; --s3: #d2a8ff; --s4: #e3c55f; --s5: #ff8fb5; }
}
text { font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
       font-size: 13px; fill: var(--ink); }
.title { font-size: 15px; font-weight: 600; } .muted { fill: var(--muted); } .grid { stroke: var(--faint); }
.axis { stroke: var(--muted); } .dashed { stroke-dasharray: 4 4; }
</style>"""


def number(value):
    """A coordinate, the same on all machines."""
    return f"{value:.1f}"


def tick_text(value):
    """A power of ten on an axis: 0.001 as it is, smaller ones as 1e-5."""
    return f"{value:.0e}".replace("e-0", "e-") if value < 0.001 else f"{value:g}"


class Axis:
    """Maps values to coordinates from start to end, on a logarithmic scale or a linear one."""

    def __init__(self, values, start, end, logarithmic=True, steps=None):
        self.start, self.end, self.logarithmic = start, end, logarithmic
        low, high = min(values), max(values)
        if logarithmic:
            self.low, self.high = math.log10(low) - 0.08, math.log10(high) + 0.08
            if self.high - self.low < 1.2:  # two ticks at least
                self.low, self.high = math.floor(self.low), math.ceil(self.high)
            powers = range(math.ceil(self.low), math.floor(self.high) + 1)
            every = max(1, math.ceil(len(powers) / 9))
            self.ticks = [10.0**power for power in powers][::every]
        else:
            pad = 0.05 * (high - low) or 1
            self.low, self.high = low - pad, high + pad
            self.ticks = [tick for tick in steps if self.low <= tick <= self.high]

    def at(self, value):
        scaled = math.log10(value) if self.logarithmic else value
        share = (min(max(scaled, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


class Picture:
    """The elements of a chart, from top to bottom."""

    def __init__(self, title):
        self.title, self.elements = title, []
        self.text(MARGIN, MARGIN + 14, title, 'class="title"')

    def add(self, element):
        self.elements.append(element)

    def text(self, x, y, words, attributes=""):
        self.add(
            f'<text x="{number(x)}" y="{number(y)}"{" " + attributes if attributes else ""}>{escape(words)}</text>'
        )

    def line(self, x1, y1, x2, y2, attributes):
        self.add(f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" {attributes}/>')

    def mark(self, x, y, series):
        """A sign of its own for each series, so that colour is not needed to tell them apart."""
        color = f'fill="var(--s{series % 6})"'
        kind = MARKS[series % len(MARKS)]
        if kind == "circle":
            self.add(f'<circle cx="{number(x)}" cy="{number(y)}" r="4.5" {color}/>')
        elif kind == "ring":
            self.add(
                f'<circle cx="{number(x)}" cy="{number(y)}" r="4" fill="none" stroke="var(--s{series % 6})"'
                ' stroke-width="2"/>'
            )
        elif kind == "square":
            self.add(f'<rect x="{number(x - 4)}" y="{number(y - 4)}" width="8" height="8" {color}/>')
        else:
            shape = {
                "triangle": ((0, -5.5), (5, 4), (-5, 4)),
                "diamond": ((0, -6), (6, 0), (0, 6), (-6, 0)),
                "cross": (
                    (-5, -2),
                    (-2, -2),
                    (-2, -5),
                    (2, -5),
                    (2, -2),
                    (5, -2),
                    (5, 2),
                    (2, 2),
                    (2, 5),
                    (-2, 5),
                    (-2, 2),
                    (-5, 2),
                ),
            }[kind]
            points = " ".join(f"{number(x + dx)},{number(y + dy)}" for dx, dy in shape)
            self.add(f'<polygon points="{points}" {color}/>')

    def legend(self, names, y):
        """Names of the series in lines; returns where the next element may begin."""
        x = MARGIN
        for index, name in enumerate(names):
            width = 34 + 7.8 * len(name)
            if x + width > WIDTH - MARGIN:
                x, y = MARGIN, y + 20
            self.mark(x + 6, y - 4, index)
            self.text(x + 17, y, name)
            x += width
        return y + 18

    def svg(self, height):
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {number(height)}" width="{WIDTH}" role="img"'
            f' aria-label="{escape(self.title)}">\n{STYLE}\n<rect width="100%" height="100%" rx="8"'
            ' fill="var(--paper)"/>\n'
            + "\n".join(self.elements)
            + "\n</svg>\n"
        )


def dots(title, x_label, names, rows):
    """A row for each label with a dot and an interval for each series.

    rows: (label, [(value, low, high) or None]); a label without values is a heading.
    """
    picture = Picture(title)
    top = picture.legend(names, MARGIN + 40) if len(names) > 1 else MARGIN + 30
    left = MARGIN + max(7.0 * len(label) for label, values in rows if values) + 14
    shown = [value for _, values in rows for value in values if value and value[0] > 0]
    row_height = 20
    bottom = top + row_height * len(rows) + 6
    axis = Axis([max(bound, value[0] / 10) for value in shown for bound in value], left, WIDTH - MARGIN - 10)
    for tick in axis.ticks:
        picture.line(axis.at(tick), top, axis.at(tick), bottom, 'class="grid"')
        picture.text(axis.at(tick), bottom + 17, tick_text(tick), 'text-anchor="middle" class="muted"')
    for row, (label, values) in enumerate(rows):
        y = top + row_height * (row + 0.5)
        picture.text(MARGIN, y + 4, label, "" if values else 'font-weight="600"')
        for series, value in enumerate(values):
            if value and value[0] == 0:
                picture.text(left + 4, y + 4, "exactly 0", 'class="muted"')
            elif value:
                shift = y + (series - (len(values) - 1) / 2) * min(5, 12 / len(values))
                low = axis.at(max(value[1], value[0] / 10))
                picture.line(low, shift, axis.at(value[2]), shift, f'stroke="var(--s{series % 6})" stroke-width="1.5"')
                picture.mark(axis.at(value[0]), shift, series)
    picture.text((left + WIDTH - MARGIN) / 2, bottom + 38, x_label, 'text-anchor="middle"')
    return picture.svg(bottom + 50)


def frame(picture, x_axis, y_axis, x_label, y_label, x_text=tick_text):
    """Grid, ticks and labels of a plane; the axes say where it is."""
    for tick in y_axis.ticks:
        picture.line(x_axis.start, y_axis.at(tick), x_axis.end, y_axis.at(tick), 'class="grid"')
        picture.text(x_axis.start - 7, y_axis.at(tick) + 4, tick_text(tick), 'text-anchor="end" class="muted"')
    for tick in x_axis.ticks:
        picture.line(x_axis.at(tick), y_axis.start, x_axis.at(tick), y_axis.end, 'class="grid"')
        picture.text(x_axis.at(tick), y_axis.start + 17, x_text(tick), 'text-anchor="middle" class="muted"')
    picture.line(x_axis.start, y_axis.start, x_axis.end, y_axis.start, 'class="axis"')
    picture.text((x_axis.start + x_axis.end) / 2, y_axis.start + 37, x_label, 'text-anchor="middle"')
    middle = (y_axis.start + y_axis.end) / 2
    picture.text(
        MARGIN + 10,
        middle,
        y_label,
        f'text-anchor="middle" transform="rotate(-90 {number(MARGIN + 10)} {number(middle)})"',
    )


def curves(title, x_label, y_label, series):
    """A curve for each (name, [(x, value, low, high)]), over whole numbers such as layers."""
    picture = Picture(title)
    top = picture.legend([name for name, _ in series], MARGIN + 40)
    xs = [point[0] for _, points in series for point in points]
    x_axis = Axis(xs, MARGIN + 70, WIDTH - MARGIN - 10, False, range(0, max(xs) + 1, 5 if max(xs) > 12 else 1))
    y_axis = Axis(
        [max(bound, point[1] / 10) for _, points in series for point in points for bound in point[1:]], top + 300, top
    )
    frame(picture, x_axis, y_axis, x_label, y_label, str)
    for index, (_, points) in enumerate(series):
        color = f'stroke="var(--s{index % 6})"'
        path = " ".join(f"{number(x_axis.at(x))},{number(y_axis.at(value))}" for x, value, *_ in points)
        picture.add(f'<polyline points="{path}" fill="none" {color} stroke-width="1.5"/>')
        for x, value, low, high in points:
            picture.line(
                x_axis.at(x),
                y_axis.at(max(low, value / 10)),
                x_axis.at(x),
                y_axis.at(high),
                f'{color} stroke-opacity="0.5"',
            )
            picture.mark(x_axis.at(x), y_axis.at(value), index)
    return picture.svg(top + 350)


def plane(title, x_label, y_label, series, linear_x=None, diagonal=False):
    """Points (x, y, low, high, label) of each (name, points).

    linear_x: the ticks of a linear x axis; diagonal: whether to draw the line x = y.
    """
    picture = Picture(title)
    series = [(name, group) for name, group in series if group]
    top = picture.legend([name for name, _ in series], MARGIN + 40) if len(series) > 1 else MARGIN + 34
    points = [point for _, group in series for point in group]
    x_axis = Axis([point[0] for point in points], MARGIN + 70, WIDTH - MARGIN - 90, linear_x is None, linear_x)
    y_axis = Axis([max(bound, point[1] / 10) for point in points for bound in point[1:4]], top + 470, top)
    frame(picture, x_axis, y_axis, x_label, y_label, (lambda tick: f"{tick:g}") if linear_x else tick_text)
    if diagonal:
        low, high = max(x_axis.low, y_axis.low), min(x_axis.high, y_axis.high)
        picture.line(
            x_axis.at(10**low), y_axis.at(10**low), x_axis.at(10**high), y_axis.at(10**high), 'class="axis dashed"'
        )
    labels = []
    for index, (_, group) in enumerate(series):
        for x, value, low, high, label in group:
            at_x, at_y = x_axis.at(x), y_axis.at(value)
            picture.line(
                at_x,
                y_axis.at(max(low, value / 10)),
                at_x,
                y_axis.at(high),
                f'stroke="var(--s{index % 6})" stroke-opacity="0.5"',
            )
            picture.mark(at_x, at_y, index)
            if label:
                labels.append((at_y, at_x, label))
    place_labels(picture, sorted(labels))
    return picture.svg(top + 520)


def place_labels(picture, labels):
    """Writes (y, x, label) beside their points, where no marks and no other labels are; a line leads to one far off."""
    taken = [(x - 5, x + 5, y) for y, x, _ in labels]
    for y, x, label in labels:
        width = 6.4 * len(label)
        places = [(left, y + shift) for shift in (0, 12, -12, 24, -24, 36, -36) for left in (x + 8, x - 8 - width)]
        left, place = next((at for at in places if is_free(*at, width, taken)), places[0])
        taken.append((left, left + width, place))
        if place != y:
            picture.line(x, y, left if left > x else left + width, place, 'stroke="var(--muted)" stroke-opacity="0.6"')
        picture.text(left, place + 4, label, 'style="font-size: 11.5px"')


def is_free(left, y, width, taken):
    """Whether a label has room there, within the picture."""
    return left > 90 and all(
        left + width < other_left or other_right < left or abs(y - other_y) > 10
        for other_left, other_right, other_y in taken
    )
