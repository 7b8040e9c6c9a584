"""The tables of docs/metrics.md, as the catalog of metrics has them."""

from collections.abc import Iterable

from app.resources import ROOT
from app.worker.metric_catalog import CATALOG, PROCESS, Metric

DOCUMENT = ROOT / "docs/metrics.md"
BEGIN, END = "<!-- {} -->\n", "<!-- end -->\n"


def written(text: str) -> str:
    """Return the text of the page with its tables as they should be."""
    for name, table in (("metrics", _metrics()), ("process", _process())):
        before, _, rest = text.partition(BEGIN.format(name))
        _, _, after = rest.partition(END)
        text = f"{before}{BEGIN.format(name)}{table}{END}{after}"
    return text


def _metrics() -> str:
    groups = list(dict.fromkeys(metric.group for metric in CATALOG))
    return "\n".join(_group(group, [each for each in CATALOG if each.group == group]) for group in groups)


def _group(group: str, metrics: Iterable[Metric]) -> str:
    head = f"### {group}\n\n| metric | type | unit | labels | roles | meaning |\n|---|---|---|---|---|---|\n"
    return head + "".join(map(_row, metrics))


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {metric.roles} | {metric.meaning} |\n"


def _process() -> str:
    return "".join(f"- `{name}`\n" for name in PROCESS)
