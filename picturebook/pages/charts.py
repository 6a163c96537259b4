"""Bar, line and pie charts and scatter plots, in the manner of matplotlib but drawn in a millisecond."""

from collections.abc import Mapping

from numpy.random import Generator
from PIL import Image, ImageDraw

from picturebook.kind import Box, Drawing, Fact, Kind, Look, Printed
from picturebook.pages.chart_data import ChartData, chart_data
from picturebook.pages.chart_layout import (
    PALETTE,
    LayoutError,
    Plan,
    Style,
    bare_plan,
    places,
    plan_with_text,
    ticks,
)
from picturebook.pages.ink import RGB, SMALLEST_CAP, cap_font, mix, scale_of, write

CHARTS = ("bar chart", "line chart", "pie chart", "scatter plot")
_PAPERS: tuple[RGB, ...] = ((255, 255, 255), (250, 247, 238), (240, 244, 248))
_GRID: RGB = (176, 180, 186)
_FONTS = ("sans", "sans bold", "serif", "grotesque")
_TEXT_FROM = 160


def draw_chart(
    kind: str, side: int, rng: Generator, *, with_text: bool | None = None, cap_height: int | None = None
) -> Drawing:
    """Return a chart of this kind on paper, longer side `side`.

    Text is printed from a side of 160 pixels on unless `with_text` says otherwise, with capitals of
    `cap_height` pixels (by default as large as suits the side). The facts hold what is printed (`title`,
    `x`, `y`, `categories`, `highest`, `lowest`, `cap_height`) and, printed or not, `values` with
    `highest_position` (from 1) and the `trend`. ValueError where text of this size finds no room.
    """
    if kind not in CHARTS:
        raise ValueError(f"no chart {kind!r}; there are: {', '.join(CHARTS)}")
    data = chart_data(kind, rng)
    height = side if kind == "pie chart" else round(side * rng.uniform(0.74, 0.95))
    style = Style(
        font=_FONTS[rng.integers(len(_FONTS))],
        paper=_PAPERS[rng.integers(len(_PAPERS))],
        color=int(rng.integers(len(PALETTE))),
        grid=bool(rng.integers(2)),
    )
    if with_text if with_text is not None else side >= _TEXT_FROM:
        caps = [cap_height] if cap_height else range(max(side // 30, SMALLEST_CAP + 1), SMALLEST_CAP - 1, -1)
        plan, data = _first_fitting(kind, data, (side, height), list(caps), style)
    else:
        plan = bare_plan(kind, (side, height), style)
    image = _paint(kind, data, plan)
    prints = _print(kind, image, data, plan) if plan.cap else ()
    parts = _extremes(data, plan) if plan.cap and kind == "bar chart" else {}
    return Drawing(image.convert("RGBA"), _facts(kind, data, plan.cap), prints, parts)


def _first_fitting(
    kind: str, data: ChartData, size: tuple[int, int], caps: list[int], style: Style
) -> tuple[Plan, ChartData]:
    """Return the plan with the largest of `caps` that fits all print, with fewer categories if necessary."""
    fault: LayoutError | None = None
    for cap in caps:
        shorter: ChartData | None = data
        while shorter is not None:
            try:
                return plan_with_text(kind, shorter, size, cap, style), shorter
            except LayoutError as error:
                fault = error
            shorter = shorter.with_one_less() if kind != "pie chart" else None
    raise ValueError(f"a {kind} of {size[0]} px has no room for text of {caps[-1]} px: {fault}")


def _facts(kind: str, data: ChartData, cap: int) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"trend": data.trend} if data.trend else {}
    if kind == "scatter plot":
        facts["points"] = len(data.points)
    else:
        facts |= {"values": data.values, "highest_position": data.highest + 1}
    if cap:
        facts |= {"title": data.title, "cap_height": cap}
        if kind != "pie chart":
            facts |= {"x": data.x, "y": data.y}
        if data.categories:
            highest, lowest = data.categories[data.highest], data.categories[data.lowest]
            facts |= {"categories": data.categories, "highest": highest, "lowest": lowest}
    return facts


def _paint(kind: str, data: ChartData, plan: Plan) -> Image.Image:
    """Return the chart without its text: shapes drawn large and reduced, axes on whole pixels."""
    scale = scale_of(plan.width) // 2 + 1
    image = Image.new("RGB", (plan.width * scale, plan.height * scale), plan.style.paper)
    pen = ImageDraw.Draw(image)
    if plan.style.grid and kind != "pie chart":
        for _, y in ticks(data, plan):
            top = round((y + 0.5) * scale)
            pen.line((plan.left * scale, top, plan.right * scale, top), fill=_GRID, width=max(scale // 2, 1))
    _SHAPES[kind](pen, data, plan, scale)
    image = image.reduce(scale)
    if kind != "pie chart":
        _axes(ImageDraw.Draw(image), data, plan)
    return image


def _bars(pen: ImageDraw.ImageDraw, data: ChartData, plan: Plan, scale: int) -> None:
    slot = (plan.right - plan.left) / len(data.values)
    # One colour for all, or one for each: both are usual.
    many = plan.style.grid
    for number, (x, y) in enumerate(places(data, plan)):
        fill = PALETTE[(plan.style.color + many * number) % len(PALETTE)]
        box = (x - 0.36 * slot, y, x + 0.36 * slot, plan.bottom)
        pen.rectangle([edge * scale for edge in box], fill=fill)


def _line(pen: ImageDraw.ImageDraw, data: ChartData, plan: Plan, scale: int) -> None:
    ink = PALETTE[plan.style.color]
    width = max(plan.width / 70, min(2.2, plan.width / 32)) * scale
    points = [(x * scale, y * scale) for x, y in places(data, plan)]
    pen.line(points, fill=ink, width=round(width), joint="curve")
    for x, y in points:
        _dot(pen, x, y, width * (1.5 if plan.style.grid else 0.5), ink)


def _dots(pen: ImageDraw.ImageDraw, data: ChartData, plan: Plan, scale: int) -> None:
    ink, radius = PALETTE[plan.style.color], max(plan.width / 75, min(2.2, plan.width / 28)) * scale
    for x, y in data.points:
        across = plan.left + x * (plan.right - plan.left)
        up = plan.bottom - y * (plan.bottom - plan.top)
        _dot(pen, across * scale, up * scale, radius, mix(ink, plan.style.paper, 0.15))


def _dot(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, ink: RGB) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)


def _slices(pen: ImageDraw.ImageDraw, data: ChartData, plan: Plan, scale: int) -> None:
    box = [edge * scale for edge in (plan.left, plan.top, plan.right, plan.bottom)]
    start = -90.0
    for number, value in enumerate(data.values):
        end = start + 3.6 * value
        fill = PALETTE[(plan.style.color + number) % len(PALETTE)]
        line = max(round(plan.width / 120 * scale), 1)
        pen.pieslice(box, start, end, fill=fill, outline=plan.style.paper, width=line)
        start = end


_SHAPES = {"bar chart": _bars, "line chart": _line, "pie chart": _slices, "scatter plot": _dots}


def _axes(pen: ImageDraw.ImageDraw, data: ChartData, plan: Plan) -> None:
    ink, length = plan.ink, max(plan.width // 80, 2)
    line = max(round(plan.width / 260), 1)
    pen.line((plan.left, plan.top, plan.left, plan.bottom), fill=ink, width=line)
    pen.line((plan.left, plan.bottom, plan.right, plan.bottom), fill=ink, width=line)
    for _, y in ticks(data, plan):
        pen.line((plan.left - length, y, plan.left, y), fill=ink, width=line)
    for x, _ in places(data, plan):
        pen.line((round(x), plan.bottom, round(x), plan.bottom + length), fill=ink, width=line)


def _extremes(data: ChartData, plan: Plan) -> dict[str, Box]:
    """Return the boxes of the highest and the lowest bar, each with its label below."""
    stands, low = places(data, plan), plan.bottom + 2 * plan.cap
    half = (plan.right - plan.left) / len(stands) / 2
    return {
        name: (round(stands[at][0] - half), round(stands[at][1]), round(stands[at][0] + half), low)
        for name, at in (("highest", data.highest), ("lowest", data.lowest))
    }


def _print(kind: str, image: Image.Image, data: ChartData, plan: Plan) -> tuple[Printed, ...]:
    """Print title, words on the axes and labels, on whole pixels so that they stay crisp; return the places.

    The word on the y axis reads upwards and is not among them.
    """
    pen, face, cap = ImageDraw.Draw(image), cap_font(plan.style.font, plan.cap), plan.cap
    middle = plan.width // 2 if kind == "pie chart" else (plan.left + plan.right) // 2
    cells = [(middle, 2 * cap, data.title, "ms")]
    if kind == "pie chart":
        cells += _legend(pen, data, plan)
    else:
        cells += [(plan.left - cap, y + cap // 2, label, "rs") for label, y in ticks(data, plan)]
        stands = zip(plan.labels(data), places(data, plan), strict=True)
        cells += [(round(x), plan.bottom + 2 * cap, label, "ms") for label, (x, _) in stands]
        cells.append((middle, plan.bottom + 2 * cap + round(1.9 * cap), data.x, "ms"))
    prints = tuple(
        write(pen, (x, y), text, plan.ink, plan.style.font, cap, anchor=anchor)
        for x, y, text, anchor in cells
    )
    if kind == "pie chart":
        return prints
    # The word on the y axis reads upwards: drawn lying, then turned.
    lying = Image.new("RGB", (plan.bottom - plan.top, 2 * cap), plan.style.paper)
    ImageDraw.Draw(lying).text((lying.width // 2, round(1.4 * cap)), data.y, plan.ink, font=face, anchor="ms")
    image.paste(lying.transpose(Image.Transpose.ROTATE_90), (cap // 2, plan.top))
    return prints


def _legend(pen: ImageDraw.ImageDraw, data: ChartData, plan: Plan) -> list[tuple[int, int, str, str]]:
    """Draw the colors of the legend; return its entries: where, text, anchor."""
    cap = plan.cap
    entries: list[tuple[int, int, str, str]] = []
    pitch = 2 * cap
    top = (plan.top + plan.bottom - pitch * len(data.values)) // 2
    left = plan.right + cap
    for number, (name, value) in enumerate(zip(data.categories, data.values, strict=True)):
        y = top + number * pitch
        fill = PALETTE[(plan.style.color + number) % len(PALETTE)]
        pen.rectangle((left, y, left + cap, y + cap), fill=fill)
        entries.append((left + 2 * cap, y + cap, f"{name} {value}%", "ls"))
    return entries


def _kind(name: str, plural: str, french: str, synonyms: tuple[str, ...], *, feminine: bool = False) -> Kind:
    def draw(look: Look, side: int, rng: Generator) -> Drawing:
        return draw_chart(name, side, rng)

    def describe(facts: Mapping[str, Fact]) -> str:
        return f'{name} titled "{facts["title"]}"' if "title" in facts else name

    return Kind(
        name=name,
        plural=plural,
        family="charts",
        french=french,
        feminine=feminine,
        draw=draw,
        takes_color=False,
        synonyms=synonyms,
        describe=describe,
    )


CHART_KINDS = (
    _kind("bar chart", "bar charts", "diagramme en barres", ("bar graph", "column chart")),
    _kind("line chart", "line charts", "courbe", ("line graph",), feminine=True),
    _kind("pie chart", "pie charts", "camembert", ("pie graph", "pie diagram")),
    _kind("scatter plot", "scatter plots", "nuage de points", ("scatter chart", "scatter diagram")),
)
