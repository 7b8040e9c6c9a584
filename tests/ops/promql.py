"""What a PromQL expression names: its metrics with their label matchers, and the labels that it groups by.

No parser of the language: it finds what a check of names needs. promtool checks that an expression is well formed.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from app.worker.metric_catalog import CATALOG, PROCESS, Metric

EVERYWHERE = frozenset({"job", "instance"})
"""Labels that Prometheus adds to what it scrapes."""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_NO_METRICS = frozenset(
    """
    sum min max avg count group topk bottomk by on without ignoring group_left group_right and or unless bool offset
    rate irate increase delta deriv changes histogram_quantile max_over_time min_over_time last_over_time
    avg_over_time clamp_min clamp_max vector time absent label_replace
    """.split()  # noqa: SIM905
)


class Selection(NamedTuple):
    """One metric of an expression, and the labels that are matched."""

    metric: str
    labels: frozenset[str]


def selections(expression: str) -> Iterator[Selection]:
    """Yield each metric that the expression selects."""
    text = _GROUPING.sub(" ", _STRING.sub('""', expression))
    text = re.sub(r"\[[^\]]*\]|\$\w+|\$\{\w+\}", " ", text)
    for name, matchers in _SELECTOR.findall(text):
        if name not in _NO_METRICS and not re.fullmatch(r"\d.*|[a-z]|Inf|NaN", name):
            yield Selection(name, frozenset(_MATCHER.findall(matchers)))


def groupings(expression: str) -> list[frozenset[str]]:
    """Return the lists of labels that the expression groups or joins by, the outermost first."""
    lists = _GROUPING.findall(_STRING.sub('""', expression))
    return [frozenset(label.strip() for label in labels.split(",") if label.strip()) for labels in lists]


def problems(expression: str, recorded: Mapping[str, frozenset[str]]) -> list[str]:
    """Return a sentence for each name in the expression that no worker shows.

    `recorded` are the series of recording rules, with their labels.
    """
    there, sentences = set(EVERYWHERE), []
    for metric, labels in selections(expression):
        known = recorded.get(metric) or _labels(metric)
        if known is None:
            sentences.append(f"there is no metric {metric}")
            continue
        there |= known
        sentences += [f"{metric} has no label {label}" for label in sorted(labels - known - EVERYWHERE)]
    grouped = {label for labels in groupings(expression) for label in labels}
    return sentences + [f"nothing has the label {label}" for label in sorted(grouped - there)]


def _labels(name: str) -> frozenset[str] | None:
    if name == "up" or name in PROCESS:
        return EVERYWHERE
    for metric in CATALOG:
        if name in _series(metric):
            bounds = {"le"} if metric.kind == "histogram" and name.endswith("_bucket") else set()
            return frozenset({*metric.labels, *bounds})
    return None


def _series(metric: Metric) -> set[str]:
    if metric.kind != "histogram":
        return {metric.name}
    return {f"{metric.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
