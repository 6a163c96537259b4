"""Where things stand on a chart."""

from dataclasses import dataclass

from picturebook.pages.chart_data import ChartData
from picturebook.pages.ink import BLACK, RGB, mix, text_width

# Neighbors in this order can be told apart, with reduced colour vision too (after Okabe and Ito).
PALETTE: tuple[RGB, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
)


class LayoutError(ValueError):
    """Text of this size finds no room."""


@dataclass(frozen=True)
class Style:
    """Font of the text, colour of the paper, first colour of the palette, and whether there is a grid."""

    font: str
    paper: RGB
    color: int
    grid: bool


@dataclass(frozen=True)
class Plan:
    """Size of the sheet, the area inside the axes (or around the pie), and the cap height (0: no text)."""

    width: int
    height: int
    left: int
    top: int
    right: int
    bottom: int
    cap: int
    style: Style

    @property
    def ink(self) -> RGB:
        """The colour of axes and text."""
        return mix(BLACK, self.style.paper, 0.1)

    def labels(self, data: ChartData) -> tuple[str, ...]:
        """Return the labels along the x axis, one for each of `places`."""
        return data.categories or tuple(str(data.top * part // 5) for part in range(6))


def bare_plan(kind: str, size: tuple[int, int], style: Style) -> Plan:
    """Return a chart without text: axes close to the edge."""
    width, height = size
    edge = max(round(0.06 * width), 3)
    if kind == "pie chart":
        return Plan(width, height, edge, edge, width - 1 - edge, height - 1 - edge, 0, style)
    low = round(1.6 * edge)
    return Plan(width, height, low, edge, width - 1 - edge, height - 1 - low, 0, style)


def plan_with_text(kind: str, data: ChartData, size: tuple[int, int], cap: int, style: Style) -> Plan:
    """Return a chart with title and labels; LayoutError where they would collide or leave the sheet."""
    width, height = size
    if kind == "pie chart":
        plan = _pie_plan(data, width, height, cap, style)
        center, room = width / 2, width
    else:
        numbers = max(text_width(label, style.font, cap) for label in _numbers(data))
        left = round(2.6 * cap) + numbers + cap
        plan = Plan(width, height, left, round(3.2 * cap), width - 2 * cap, height - 1 - 5 * cap, cap, style)
        center, room = (plan.left + plan.right) / 2, plan.bottom - plan.top
        _check_labels(data, plan)
    half = text_width(data.title, style.font, cap) / 2
    if center - half < cap / 2 or center + half > width - cap / 2:
        raise LayoutError("the title is wider than the chart")
    if kind != "pie chart" and text_width(data.y, style.font, cap) + cap > room:
        raise LayoutError("the word on the y axis is longer than the axis")
    return plan


def _check_labels(data: ChartData, plan: Plan) -> None:
    if plan.bottom - plan.top < 8 * plan.cap:
        raise LayoutError("nothing is left for the chart itself")
    slot = (plan.right - plan.left) / len(places(data, plan))
    if (
        max(text_width(label, plan.style.font, plan.cap) for label in plan.labels(data))
        > slot - 0.5 * plan.cap
    ):
        raise LayoutError("the labels on the x axis touch each other")


def _pie_plan(data: ChartData, width: int, height: int, cap: int, style: Style) -> Plan:
    entries = [f"{name} {value}%" for name, value in zip(data.categories, data.values, strict=True)]
    legend = 4 * cap + max(text_width(entry, style.font, cap) for entry in entries)
    across = min(width - legend - cap, height - 5 * cap)
    if across < 7 * cap:
        raise LayoutError("the legend leaves no room for the pie")
    # A sheet no higher than the pie needs.
    height = min(height, max(across + 5 * cap, round(0.6 * width)))
    top = 3 * cap + (height - 4 * cap - across) // 2
    return Plan(width, height, cap, top, cap + across, top + across, cap, style)


def places(data: ChartData, plan: Plan) -> list[tuple[float, float]]:
    """Where each value stands, in pixels: middle of its slot, top of its bar; a scatter plot's x ticks."""
    across, up = plan.right - plan.left, plan.bottom - plan.top
    if data.points:
        return [(plan.left + across * part / 5, float(plan.bottom)) for part in range(6)]
    top = _axis_top(data)
    slot = across / len(data.values)
    return [
        (plan.left + (number + 0.5) * slot, plan.bottom - up * value / top)
        for number, value in enumerate(data.values)
    ]


def ticks(data: ChartData, plan: Plan) -> list[tuple[str, int]]:
    """Labels of the y axis with their rows."""
    top, up = _axis_top(data), plan.bottom - plan.top
    return [(label, round(plan.bottom - up * int(label) / top)) for label in _numbers(data)]


def _axis_top(data: ChartData) -> float:
    return data.top if data.points else 1.08 * max(data.values)


def _numbers(data: ChartData) -> list[str]:
    top = _axis_top(data)
    step = next(step for step in (1, 2, 5, 10, 20, 25, 50) if top / step < 5.5)
    return [str(value) for value in range(0, int(top) + 1, step)]
