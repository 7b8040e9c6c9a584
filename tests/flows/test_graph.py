"""The drawing of a flow shows every step, every event between them and every failure edge."""

import re

import pytest

from app.flows.loading.flow_graph import graph
from app.flows.loading.flow_spec import load
from app.resources import flow_files

FLOWS = [file for file in flow_files() if not file.endswith("routing.yaml")]


@pytest.mark.parametrize("file", FLOWS)
def test_every_step_is_drawn_and_joined(file: str) -> None:
    spec = load(flow_files()[file], file)
    drawing = graph(spec)
    assert drawing.startswith("flowchart TD\n")
    for number, step in enumerate(spec.steps, start=1):
        assert (step.wait or step.step) in drawing
        assert re.search(rf"-->\|[a-z ]+\| s{number}$", drawing, re.MULTILINE), step.step
        assert re.search(rf"^ +s{number} -\. .* \.-> {step.otherwise}$", drawing, re.MULTILINE)


def test_drawing_of_the_erp_flow() -> None:
    spec = load(flow_files()["app/flows/fno-fno-fno.yaml"], "f.yaml")
    lines = graph(spec).splitlines()
    assert '    s1("wait for order confirmed (fno)")' in lines
    assert "    s1 -->|order confirmed| s2" in lines
    assert "    s2 -. failed .-> reject" in lines
