"""Sourcing strategies: the weights of the objective, and the constraints, hard or soft. Read from YAML."""

from typing import Annotated, Final, Literal

from msgspec import Struct
from pydantic import BaseModel, Field, model_validator

from app.definitions.validation import STRICT_KEYS, load_spec

TIME_LIMIT_S: Final = 0.5
GAP: Final = 0.01


class Weights(Struct, frozen=True):
    """The cost of each measure. The unit is free; with `distance` 1 it is a kilometre.

    One more shipment is then as bad as `shipments` kilometres.
    """

    distance: float = 1.0
    """For each kilometre of a shipment."""
    shipments: float = 0.0
    """For each shipment: one order from one source."""
    handling: float = 0.0
    """Times the source's handling cost, for each line."""
    lateness: float = 0.0
    """For each line and day after the requested ship date."""


class Constraint(Struct, frozen=True):
    """A rule for plans. A hard one is never broken; a soft one costs `penalty` for each time or piece that it is."""

    limit: float = 0.0
    hard: bool = True
    penalty: float = 0.0


class Strategy(Struct, frozen=True):
    """A constraint that is None does not apply; without one for `warehouses_per_line`, a line is never split."""

    name: str
    weights: Weights = Weights()
    maximum_distance_km: Constraint | None = None
    """Soft: for each shipment that goes farther."""
    no_partial_orders: Constraint | None = None
    """All lines of an order or none. Soft: for each order of which just a part is sourced."""
    warehouses_per_order: Constraint | None = None
    """Soft: for each warehouse more."""
    warehouses_per_line: Constraint | None = None
    """Soft: for each warehouse more."""
    cut_off: Constraint | None = None
    """No source whose day is over. Soft: for each shipment."""
    lines_per_day: Constraint | None = None
    """The limits are the sources' own. Soft: for each line more."""
    safety_stock: Constraint | None = None
    """The limits are the sources' own. Soft: for each piece taken of it."""
    time_limit_s: float = TIME_LIMIT_S
    gap: float = GAP
    """A plan is good enough when it is proven to cost at most this share more than the cheapest one."""


class Strategies(Struct, frozen=True):
    """`alternate` plans the orders with lines that `default` leaves without a source."""

    default: Strategy
    alternate: Strategy | None = None


def load(text: str, file: str) -> Strategies:
    """Read the strategies in `text` (YAML). Raises DefinitionError."""
    spec = load_spec(_StrategiesSpec, text, file)
    return Strategies(_strategy(spec.default), _strategy(spec.alternate) if spec.alternate else None)


Cost = Annotated[float, Field(ge=0, le=1e6)]


class _WeightsSpec(BaseModel):
    model_config = STRICT_KEYS

    distance: Cost = 1
    shipments: Cost = 0
    handling: Cost = 0
    lateness: Cost = 0


class _RuleSpec(BaseModel):
    """A rule without a limit of its own."""

    model_config = STRICT_KEYS

    rule: Literal["hard", "soft"]
    penalty: Cost | None = None

    @model_validator(mode="after")
    def _penalty_where_soft(self) -> "_RuleSpec":
        if self.rule == "soft" and self.penalty is None:
            raise ValueError("a soft rule has no price; add `penalty:`")
        if self.rule == "hard" and self.penalty is not None:
            raise ValueError("a hard rule is never broken, so it has no price; remove `penalty`, or write `rule: soft`")
        return self


class _DistanceSpec(_RuleSpec):
    limit: Annotated[float, Field(gt=0, le=21_000)]


class _CountSpec(_RuleSpec):
    limit: Annotated[int, Field(ge=1, le=1_000)]


class _RulesSpec(BaseModel):
    model_config = STRICT_KEYS

    maximum_distance_km: _DistanceSpec | None = None
    no_partial_orders: _RuleSpec | None = None
    warehouses_per_order: _CountSpec | None = None
    warehouses_per_line: _CountSpec | None = None
    cut_off: _RuleSpec | None = None
    lines_per_day: _RuleSpec | None = None
    safety_stock: _RuleSpec | None = None


class _StrategySpec(BaseModel):
    model_config = STRICT_KEYS

    strategy: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
    weights: _WeightsSpec = _WeightsSpec()
    constraints: _RulesSpec = _RulesSpec()
    time_limit_s: Annotated[float, Field(gt=0, le=60)] = TIME_LIMIT_S
    gap: Annotated[float, Field(ge=0, le=1)] = GAP


class _StrategiesSpec(BaseModel):
    model_config = STRICT_KEYS

    default: _StrategySpec
    alternate: _StrategySpec | None = None


def _strategy(spec: _StrategySpec) -> Strategy:
    rules = {name: _rule(rule) for name, rule in spec.constraints if rule is not None}
    weights = Weights(**spec.weights.model_dump())
    return Strategy(spec.strategy, weights, time_limit_s=spec.time_limit_s, gap=spec.gap, **rules)


def _rule(spec: _RuleSpec) -> Constraint:
    return Constraint(float(getattr(spec, "limit", 0)), spec.rule == "hard", spec.penalty or 0.0)
