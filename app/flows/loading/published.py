"""The published flows by name and version, with the routing policy that picks one for a new order. Pure.

An order keeps the version it started with, so the file of an older version stays until its last order is final.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from app.domain.order import OrderState
from app.errors import DefinitionError, NewerVersionError, RecordError
from app.events.model import OrderCreated
from app.flows.installed import EngineLimits, Setup
from app.flows.loading import flow_check
from app.flows.loading import routing as routes
from app.flows.loading.flow_compiler import Flow, compile_flow
from app.flows.loading.flow_spec import FlowSpec, load, load_routing
from app.flows.loading.routing import Routing
from app.policies.policy_compiler import CompiledPolicy

ROUTING_FILE: Final = "routing.yaml"


class Published:
    """Compiled once; immutable. `refused`: flows that are not published, by name and version, with the reason."""

    def __init__(
        self, flows: Iterable[Flow], routing: Routing, refused: Mapping[tuple[str, int], DefinitionError] | None = None
    ) -> None:
        self._versions = {(flow.name, flow.version): flow for flow in flows}
        self._newest = {name: self._versions[name, version] for name, version in sorted(self._versions)}
        self._routing = routing
        self.refused = refused or {}

    @property
    def flows(self) -> tuple[Flow, ...]:
        """Return the newest version of each flow."""
        return tuple(self._newest.values())

    def choose(self, created: OrderCreated) -> Flow:
        """Return the flow that a new order starts. Raises RecordError("no-flow") or RecordError("flow-refused")."""
        name = self._routing.choose(created)
        newest = max((version for flow_name, version in self.refused if flow_name == name), default=0)
        flow = self._newest.get(name)
        if flow is None or flow.version < newest:
            raise self._refusal((name, newest))
        return flow

    def flow_of(self, state: OrderState) -> Flow:
        """Return the flow that an order started with.

        Raises RecordError("no-flow") when that version is not there, "flow-refused" when it is not set up any more;
        NewerVersionError when the versions that are there are all older.
        """
        version = state.flow, state.flow_version
        flow = self._versions.get(version)
        if flow is None and version in self.refused:
            raise self._refusal(version)
        if flow is None and self._is_newer(state):
            raise NewerVersionError(
                "no-flow",
                f"order {state.order.order_id} runs flow {state.flow!r} version {state.flow_version}, which a newer"
                " version of Waybill has given it: upgrade this process",
            )
        if flow is None:
            raise RecordError(
                "no-flow",
                f"the order runs flow {state.flow!r} version {state.flow_version}, which is not in app/flows; "
                "put the file of that version back and replay the record",
            )
        return flow

    def _is_newer(self, state: OrderState) -> bool:
        """Return whether the flow is there in older versions alone. One that is not there at all was taken away."""
        versions = [version for name, version in {*self._versions, *self.refused} if name == state.flow]
        return bool(versions) and state.flow_version > max(versions)

    def within_ms(self, flow: str, version: int, step: str) -> int:
        """Return for how long the step may wait; 0 where it has no limit, or there is no such step any more."""
        published = self._versions.get((flow, version))
        node = published.nodes.get(step) if published else None
        return node.within_ms if node else 0

    def _refusal(self, version: tuple[str, int]) -> RecordError:
        return RecordError("flow-refused", f"flow {version[0]!r} is not published: {self.refused[version]}")


def publish(
    files: Mapping[str, str], policies: Mapping[str, CompiledPolicy], setup: Setup, limits: EngineLimits | None = None
) -> Published:
    """Compile the flows and the routing policy in `files` (path -> text). A flow that cannot run as set up is refused.

    Raises DefinitionError for a file that cannot be read, and when the routing policy is wrong.
    """
    specs, routing = _read(files)
    problems = _problems(specs)
    if problems:
        raise problems[0]
    flows, refused = [], {}
    for spec in specs:
        try:
            flows.append(compile_flow(spec, policies, setup, limits))
        except DefinitionError as problem:
            refused[spec.flow, spec.version] = problem
    return Published(flows, Routing(load_routing(*routing), {spec.flow for spec in specs}), refused)


def check_all(files: Mapping[str, str], policies: Collection[str], setup: Setup) -> list[DefinitionError]:
    """Return every problem of the flows and the routing policy, at most one of a file that cannot be read."""
    specs: list[FlowSpec] = []
    problems: list[DefinitionError] = []
    for file, text in files.items():
        if _is_routing(file):
            continue
        try:
            specs.append(load(text, file))
        except DefinitionError as problem:
            problems.append(problem)
    problems += _problems(specs)
    problems += [problem for spec in specs for problem in flow_check.check(spec, policies, setup)]
    try:
        problems += routes.check(load_routing(*_routing(files)), {spec.flow for spec in specs})
    except DefinitionError as problem:
        problems.append(problem)
    return problems


def _read(files: Mapping[str, str]) -> tuple[list[FlowSpec], tuple[str, str]]:
    flows = [load(text, file) for file, text in files.items() if not _is_routing(file)]
    return flows, _routing(files)


def _is_routing(file: str) -> bool:
    return file.rpartition("/")[2] == ROUTING_FILE


def _routing(files: Mapping[str, str]) -> tuple[str, str]:
    """Return text and path of the routing policy."""
    for file, text in files.items():
        if _is_routing(file):
            return text, file
    raise DefinitionError(ROUTING_FILE, "(file)", "there is no routing policy", f"add app/flows/{ROUTING_FILE}")


def _problems(specs: Iterable[FlowSpec]) -> list[DefinitionError]:
    """Return a problem for two files with one flow and version."""
    first_files: dict[tuple[str, int], str] = {}
    problems = []
    for spec in specs:
        other = first_files.setdefault((spec.flow, spec.version), spec.file)
        if other != spec.file:
            problem = f"{other} has version {spec.version} of {spec.flow!r} too"
            problems.append(DefinitionError(spec.file, "version", problem, "give a changed flow the next version"))
    return problems
