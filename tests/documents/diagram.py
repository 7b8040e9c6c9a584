"""The diagram of a flow as SVG: who takes part as columns, its steps from top to bottom. `make docs` writes them.

No script draws it in the browser, so the pages of the site load nothing from elsewhere.
"""

from collections.abc import Iterator
from html import escape
from typing import Final

from app.flows.loading.flow_spec import FlowSpec, StepSpec

OURS: Final = "Waybill"
NAMES: Final = {"bigcommerce": "BigCommerce", "fno": "Finance + Operations", "flexe": "Flexe", "sap": "SAP"}
INSIDE: Final = "dom"
_COLUMN, _ROW, _TOP, _LINE = 290, 58, 56, 15
_BOX, _EDGE = 184, 20
_STYLE: Final = (
    "text{font:13px sans-serif;fill:#24292f}.head{font-weight:bold}.small{font-size:11px;fill:#57606a}"
    "rect{fill:#eef2ff;stroke:#4051b5}.bg{fill:#ffffff;stroke:none}.who{fill:#f6f8fa;stroke:#8c959f}"
    "line{stroke:#8c959f}.life{stroke-dasharray:3 4}.call{stroke:#4051b5;stroke-width:1.5}"
    ".wait{stroke:#9a6700;stroke-width:1.5;stroke-dasharray:6 3}"
)
_MARKER: Final = (
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0 8 4 0 8z" fill="#57606a"/></marker>'
)


def draw(spec: FlowSpec) -> str:
    """Return the SVG of a flow; it ends with a newline."""
    columns = _columns(spec)
    heights = [_height(step) for step in spec.steps]
    width, height = _COLUMN * len(columns), _TOP + sum(heights) + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        f"<title>{escape(spec.title)}</title><style>{_STYLE}</style><defs>{_MARKER}</defs>",
        f'<rect class="bg" width="{width}" height="{height}"/>',
        *(part for name, x in columns.items() for part in _participant(name, x, height)),
    ]
    y = _TOP
    for step, room in zip(spec.steps, heights, strict=True):
        lines.extend(_step(step, columns, y))
        y += room
    return "\n".join([*lines, "</svg>", ""])


def _columns(spec: FlowSpec) -> dict[str, int]:
    """Return the middle of each column: the shop left of us, whoever fulfills and invoices right."""
    others = dict.fromkeys(name for step in spec.steps if (name := step.provider or step.source) and name != INSIDE)
    left = [name for name in others if name == "bigcommerce"]
    names = [*left, OURS, *(name for name in others if name not in left)]
    return {name: _COLUMN * position + _COLUMN // 2 for position, name in enumerate(names)}


def _participant(name: str, x: int, height: int) -> Iterator[str]:
    yield f'<line class="life" x1="{x}" y1="40" x2="{x}" y2="{height - 8}"/>'
    yield f'<rect class="who" x="{x - _BOX // 2}" y="8" width="{_BOX}" height="30" rx="4"/>'
    yield f'<text class="head" x="{x}" y="28" text-anchor="middle">{escape(NAMES.get(name, name))}</text>'


def _height(step: StepSpec) -> int:
    return _ROW + _LINE * max(0, len(_notes(step)) - 1)


def _notes(step: StepSpec) -> list[str]:
    if step.wait:
        return [f"within {_limit(step.within or 0)}, else {step.otherwise}"]
    policies = [f"filter {step.filter}"] if step.filter else []
    policies += [*step.policies, *([step.action] if step.provider == INSIDE and step.action else [])]
    return [*policies, *([f"else {step.otherwise}"] if step.otherwise else [])]


def _limit(milliseconds: int) -> str:
    days, rest = divmod(milliseconds, 86_400_000)
    return f"{days} days" if not rest else f"{milliseconds // 3_600_000} hours"


def _step(step: StepSpec, columns: dict[str, int], y: int) -> Iterator[str]:
    ours, notes = columns[OURS], _notes(step)
    box = 24 + _LINE * len(notes)
    yield f'<rect x="{ours - _BOX // 2}" y="{y}" width="{_BOX}" height="{box}" rx="6"/>'
    yield f'<text x="{ours}" y="{y + 16}" text-anchor="middle">{escape(step.step)}</text>'
    for number, note in enumerate(notes, start=1):
        yield f'<text class="small" x="{ours}" y="{y + 16 + _LINE * number}" text-anchor="middle">{escape(note)}</text>'
    other = step.source if step.wait else step.provider
    if other and other != INSIDE:
        yield from _arrow(step, ours, columns[other], y + 14)


def _arrow(step: StepSpec, ours: int, theirs: int, y: int) -> Iterator[str]:
    side = 1 if theirs > ours else -1
    near, far = ours + side * (_BOX // 2 + 2), theirs - side * 2
    start, end, kind = (far, near, "wait") if step.wait else (near, far, "call")
    yield f'<line class="{kind}" x1="{start}" y1="{y}" x2="{end}" y2="{y}" marker-end="url(#tip)"/>'
    anchor = "end" if side > 0 else "start"
    yield (
        f'<text class="small" x="{theirs - side * 8}" y="{y + _EDGE - 4}" text-anchor="{anchor}">'
        f"{escape(step.wait or step.action or '')}</text>"
    )
