"""JSON from producers, as people write it: the fields of the event, most of them optional, as one object.

Only what cannot be represented is refused here. Whether an order makes sense (lines, totals, currency) is for policies,
so that the refusal has a policy's name. Structured CloudEvents are taken apart; their attributes count as headers.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, Final, Literal

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.definitions.model_errors import Hint, ModelError, model_errors, path_of
from app.domain.order import AMOUNT_SCALE, Address, Line, Order
from app.errors import RecordError
from app.events import debezium
from app.events.avro_shapes import AMOUNT_PRECISION, AMOUNT_SCALE_PLACES
from app.events.debezium import Message
from app.events.dualwrite_rows import ChangeIn
from app.events.headers import STRUCTURED
from app.events.intake_limits import LINES_MAX, STOCK_KINDS
from app.events.json_fields import Amount, Count, Name, OrderId, Required, Text, Time, Values, few_lines, whole
from app.events.json_text import excerpt, parse
from app.events.model import LineQuantity, OrderCommand, OrderCreated, ProviderEvent, ProviderResult, StockChange
from app.events.sales_order_change import SalesOrderChange

PROBLEMS_SHOWN_MAX: Final = 5


class _Intake(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AddressIn(_Intake):
    name: Text = ""
    company: Text = ""
    street: Text = ""
    city: Text = ""
    region: Text = ""
    postal_code: Name = ""
    country: Annotated[Name, Field(description="ISO 3166-1 alpha-2, e.g. US.")] = ""
    email: Text = ""
    phone: Name = ""

    def address(self) -> Address:
        return Address(**self.model_dump())


class LineIn(_Intake):
    line_id: Annotated[Name, Field(description="Unique in the order. Default: the line's position, from 1.")] = ""
    sku: Text = ""
    name: Annotated[Text, Field(description="Default: the sku.")] = ""
    quantity: Annotated[Amount, Field(json_schema_extra={"default": "1"})] = AMOUNT_SCALE
    unit_price: Amount = 0
    total: Annotated[Amount | None, Field(description="Default: quantity times unit price.")] = None
    reference: Annotated[Text, Field(description="Your own id of the line.")] = ""
    site: Name | None = None
    warehouse: Name | None = None

    def line(self, position: int) -> Line:
        return Line(
            line_id=self.line_id or str(position),
            sku=self.sku,
            name=self.name or self.sku,
            quantity=self.quantity,
            unit_price=self.unit_price,
            total=self._computed_total(position) if self.total is None else self.total,
            reference=self.reference,
            site=self.site,
            warehouse=self.warehouse,
        )

    def _computed_total(self, position: int) -> int:
        where = f"lines[{position - 1}].total: quantity times unit price"
        return _bounded(_product(self.quantity, self.unit_price), where)


class OrderCreatedIn(_Intake):
    """An order for topic `order-created`, as one line of JSON. Only `order_id` is required; policies judge the rest."""

    order_id: Annotated[
        OrderId, Field(description="Your id of the order, unique for ever; the record's key, if it has one.")
    ]
    flow: Annotated[Name, Field(description="Name of a flow. Default: the routing policy picks one.")] = ""
    origin: Annotated[Name, Field(description="Where the order was born.")] = "external"
    source_ref: Annotated[Text, Field(description="The order's id at its origin. Default: order_id.")] = ""
    channel: Annotated[Name, Field(description="Sales channel. Default: origin.")] = ""
    placed_at: Annotated[Time | None, Field(description="Default: the record's time.")] = None
    currency: Annotated[Name, Field(description="ISO 4217 code, e.g. USD.")] = ""
    subtotal: Annotated[Amount | None, Field(description="Default: the sum of the lines' totals.")] = None
    shipping: Amount = 0
    tax: Amount = 0
    discount: Annotated[Amount, Field(description="A positive amount.")] = 0
    total: Annotated[Amount | None, Field(description="Default: subtotal + shipping + tax - discount.")] = None
    ship_to: AddressIn = AddressIn()
    bill_to: Annotated[AddressIn | None, Field(description="Default: ship_to.")] = None
    lines: Annotated[tuple[LineIn, ...], Field(max_length=LINES_MAX), BeforeValidator(few_lines)] = ()
    customer: Text = ""
    company: Annotated[Name | None, Field(description="Legal entity. Default: a policy assigns it.")] = None
    invoice_customer: Name | None = None
    site: Name | None = None
    warehouse: Name | None = None
    requested_ship_date: Time | None = None

    def body(self, at: int) -> OrderCreated:
        lines = tuple(line.line(position) for position, line in enumerate(self.lines, 1))
        subtotal, total = self.subtotal, self.total
        if subtotal is None:
            subtotal = _bounded(sum(line.total for line in lines), "subtotal: the sum of the lines' totals")
        if total is None:
            total = _bounded(subtotal + self.shipping + self.tax - self.discount, "total: the sum of its parts")
        order = Order(
            order_id=self.order_id,
            origin=self.origin,
            source_ref=self.source_ref or self.order_id,
            channel=self.channel or self.origin,
            placed_at=at if self.placed_at is None else self.placed_at,
            currency=self.currency,
            subtotal=subtotal,
            shipping=self.shipping,
            tax=self.tax,
            discount=self.discount,
            total=total,
            ship_to=self.ship_to.address(),
            bill_to=(self.bill_to or self.ship_to).address(),
            lines=lines,
            customer=self.customer,
            company=self.company,
            invoice_customer=self.invoice_customer,
            site=self.site,
            warehouse=self.warehouse,
            requested_ship_date=self.requested_ship_date,
        )
        return OrderCreated(order, self.flow)


class OrderCommandIn(_Intake):
    """Something to be done with one order."""

    order_id: OrderId
    command: Annotated[Required, Field(description="fire timer, reprocess, change, or one that the flow listens for.")]
    subject: Annotated[Text, Field(description="What it is about: a timer, or a step.")] = ""
    actor: Annotated[Text, Field(description="Who asks for it.")] = ""
    values: Annotated[Values, Field(description="For change: new values by field of the order.")] = {}

    def body(self, _at: int) -> OrderCommand:
        return OrderCommand(
            order_id=self.order_id, command=self.command, subject=self.subject, actor=self.actor, values=self.values
        )


class LineQuantityIn(_Intake):
    line_id: Name = ""
    quantity: Amount
    reference: Text = ""

    def line(self) -> LineQuantity:
        return LineQuantity(self.line_id, self.quantity, self.reference)


class ProviderEventIn(_Intake):
    """Something that a provider reports about an order."""

    order_id: OrderId
    provider: Annotated[Required, Field(description="Name of the provider that reports it, e.g. flexe.")]
    event: Annotated[Required, Field(description="What happened, e.g. order shipped.")]
    reference: Annotated[Text, Field(description="The provider's document; reported twice, it is one event.")] = ""
    occurred_at: Annotated[Time | None, Field(description="Default: the record's time.")] = None
    lines: Annotated[
        tuple[LineQuantityIn, ...],
        Field(max_length=LINES_MAX, description="Default: the whole order."),
        BeforeValidator(few_lines),
    ] = ()
    values: Annotated[Values, Field(description="For order changed: new values by field of the order.")] = {}

    def body(self, at: int) -> ProviderEvent:
        occurred_at = at if self.occurred_at is None else self.occurred_at
        lines = tuple(line.line() for line in self.lines)
        return ProviderEvent(
            order_id=self.order_id,
            provider=self.provider,
            event=self.event,
            reference=self.reference,
            occurred_at=occurred_at,
            lines=lines,
            values=self.values,
        )


class ProviderResultIn(_Intake):
    """The answer of a provider that reads Kafka. The first five fields repeat what the request says."""

    order_id: OrderId
    effect_id: Required
    provider: Required
    action: Required
    attempt: Annotated[int, Field(ge=1, lt=1 << 31), BeforeValidator(whole)]
    outcome: Annotated[
        Literal["ok", "declined", "retry", "unknown"],
        Field(description="retry: nothing happened, ask again; unknown: it may have happened, look before you repeat."),
    ]
    code: Annotated[
        str,
        Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="Default: the outcome."),
        Hint("write up to 40 small letters, digits and underscores, a letter first"),
    ] = ""
    detail: Text = ""
    reference: Text = ""
    retry_after_ms: Count = 0
    values: Values = {}

    def body(self, _at: int) -> ProviderResult:
        fields = self.model_dump()
        return ProviderResult(**{**fields, "code": self.code or self.outcome})


_NEVER_NEGATIVE: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "pattern": "^[0-9]"}, {"type": "number", "minimum": 0}]
}
_SET_IS_NEVER_NEGATIVE: Final[dict[str, Any]] = {
    "if": {"properties": {"kind": {"const": "set"}}},
    "then": {"properties": {"quantity": _NEVER_NEGATIVE}},
}


class StockChangeIn(_Intake):
    """Stock of one item changed at one warehouse."""

    model_config = ConfigDict(json_schema_extra=_SET_IS_NEVER_NEGATIVE)

    sku: Required
    site: Name = ""
    warehouse: Required
    kind: Annotated[
        Required,
        Field(
            description="set: so much is there now. add: so much came in, or went out if it is negative.",
            json_schema_extra={"enum": list(STOCK_KINDS)},
        ),
    ]
    quantity: Amount
    reference: Text = ""
    occurred_at: Annotated[Time | None, Field(description="Default: the record's time.")] = None
    version: Annotated[
        int,
        Field(ge=0, lt=1 << 63, description="Of a set: one that is not newer than the last is left out. 0: none."),
        BeforeValidator(whole),
    ] = 0
    pool: Annotated[OrderId, Field(description="The pool of warehouses.")] = "main"

    def body(self, at: int) -> StockChange:
        fields = self.model_dump()
        return StockChange(**{**fields, "occurred_at": at if self.occurred_at is None else self.occurred_at})


MODELS: Final[
    Mapping[
        str,
        type[OrderCreatedIn | OrderCommandIn | ProviderEventIn | ProviderResultIn | StockChangeIn],
    ]
] = {
    "order-created": OrderCreatedIn,
    "order-command": OrderCommandIn,
    "provider-event": ProviderEventIn,
    "provider-result": ProviderResultIn,
    "stock-change": StockChangeIn,
}


def read(topic: str, value: bytes, headers: dict[str, str], timestamp: int) -> Struct:
    """Return the body in a JSON record of an intake topic. `headers` gains the attributes of a structured CloudEvent.

    Raises RecordError("malformed") when it is not JSON, RecordError("invalid") with the path of what is wrong.
    """
    try:
        return MODELS[topic].model_validate(_document(value, headers)).body(max(timestamp, 0))
    except ValidationError as exc:
        raise _refusal(topic, exc, MODELS[topic]) from exc


def read_change(topic: str, value: bytes, headers: dict[str, str], timestamp: int) -> SalesOrderChange | None:
    """Return the change in a JSON record of a dual-write topic, None for one about no order. Raises as `read` does."""
    document, types = debezium.payload(_document(value, headers))
    return change(topic, Message(document, types, headers, max(timestamp, 0)))


def change(topic: str, message: Message) -> SalesOrderChange | None:
    """Return the change in a value as somebody wrote it, None for one about no order. Raises RecordError."""
    if isinstance(message.value, str):
        document, types = debezium.payload(message.value)
        message = message._replace(value=document, columns=types)
    try:
        return debezium.change(message)
    except ValidationError as exc:
        raise _refusal(topic, exc, ChangeIn) from exc


def _document(value: bytes, headers: dict[str, str]) -> Any:
    document = parse(value)
    return _data(document, headers) if headers.get("content-type", "").startswith(STRUCTURED) else document


def _data(document: Any, headers: dict[str, str]) -> Any:
    """Return the data of a structured CloudEvent; its attributes stand where binary mode has headers."""
    if not isinstance(document, dict) or "data" not in document:
        raise RecordError("invalid", "a structured CloudEvent without `data`; put the event's fields there")
    for name, value in document.items():
        if name not in ("data", "datacontenttype") and isinstance(value, str):
            headers.setdefault(name if name == "traceparent" else f"ce_{name}", value)
    return document["data"]


def _product(quantity: int, price: int) -> int:
    """Return quantity times price, to the ten-thousandth, half to even."""
    whole, rest = divmod(quantity * price, AMOUNT_SCALE)
    return whole + (rest * 2 > AMOUNT_SCALE or (rest * 2 == AMOUNT_SCALE and whole % 2 == 1))


def _bounded(computed: int, where: str) -> int:
    """Return an amount that was computed. Raises RecordError("invalid") for one that no record can hold."""
    if abs(computed) >= 10**AMOUNT_PRECISION:
        digits = AMOUNT_PRECISION - AMOUNT_SCALE_PLACES
        raise RecordError("invalid", f"{where} has more than {digits} digits before the point; split the order")
    return computed


def _refusal(topic: str, error: ValidationError, model: type[BaseModel]) -> RecordError:
    # Only what is shown is put into words: each unknown name is compared with all known ones, and there may be 100,000.
    first = "; ".join(_sentence(each) for each in islice(model_errors(error, model), PROBLEMS_SHOWN_MAX))
    more = error.error_count() - PROBLEMS_SHOWN_MAX
    return RecordError("invalid", f"{topic}: {first}" + (f"; and {more} more" if more > 0 else ""))


def _sentence(error: ModelError) -> str:
    """Return a sentence in a record's terms: it has fields, not keys, and a name that nobody should guess at."""
    match error.kind:
        case "unknown":
            text = "unknown field; remove it or correct its name"
        case "missing":
            text = "required, and missing"
        case _:
            text = error.sentence
    return f"{excerpt(path_of(error.place)) or 'the record'}: {text}"
