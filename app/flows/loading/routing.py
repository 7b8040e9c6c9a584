"""The routing policy: which flow an order takes. Pure; the producer's own choice wins where it names a flow that
exists."""

from collections.abc import Callable, Collection, Iterator, Mapping
from operator import attrgetter
from typing import Final

from app.domain.order import Order
from app.errors import DefinitionError, RecordError, suggest
from app.events.model import OrderCreated
from app.flows.loading.flow_spec import RouteSpec, RoutingSpec

FIELDS: Final[Mapping[str, Callable[[Order], str | None]]] = {
    name: attrgetter(name)
    for name in ("origin", "channel", "currency", "company", "customer", "ship_to.country", "ship_to.region")
}
"""What a route may ask for."""


class Routing:
    """Compiled once from routing.yaml. Raises DefinitionError for an unknown field or flow."""

    def __init__(self, spec: RoutingSpec, flows: Collection[str]) -> None:
        for problem in check(spec, flows):
            raise problem
        self.version = spec.version
        self._flows = frozenset(flows)
        self._routes = tuple(
            (tuple((FIELDS[name], frozenset(values)) for name, values in route.when.items()), route.flow)
            for route in spec.routes
        )

    def choose(self, created: OrderCreated) -> str:
        """Return the flow that the producer named, or else that of the first route that takes the order.

        Raises RecordError("no-flow") when there is none.
        """
        if created.flow:
            return self._find_named(created.flow)
        order = created.order
        for conditions, flow in self._routes:
            if all(read(order) in values for read, values in conditions):
                return flow
        raise RecordError(
            "no-flow",
            f"no route takes an order of origin {order.origin!r}; name a `flow` in order-created, "
            "or add a route to app/flows/routing.yaml",
        )

    def _find_named(self, flow: str) -> str:
        if flow not in self._flows:
            raise RecordError("no-flow", f"there is no flow {flow!r}; {suggest(flow, self._flows)}")
        return flow


def check(spec: RoutingSpec, flows: Collection[str]) -> tuple[DefinitionError, ...]:
    """Return every problem of the routing policy."""
    return tuple(problem for route in spec.routes for problem in _problems(spec, route, flows))


def _problems(spec: RoutingSpec, route: RouteSpec, flows: Collection[str]) -> Iterator[DefinitionError]:
    path = f"routes.{route.route}"
    for name in route.when:
        if name not in FIELDS:
            yield DefinitionError(spec.file, f"{path}.when.{name}", "unknown field", suggest(name, FIELDS))
    if route.flow not in flows:
        yield DefinitionError(spec.file, f"{path}.flow", f"unknown flow {route.flow!r}", suggest(route.flow, flows))
