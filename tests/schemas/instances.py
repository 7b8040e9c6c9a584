"""Documents by a JSON Schema: as much of draft 2020-12 as the published ones use, and no more."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from hypothesis import assume
from hypothesis import strategies as st
from jsonschema.protocols import Validator

Schema = dict[str, Any]
NOTES = {"title", "description", "default", "$schema", "$defs", "then", "if"}
"""What says nothing of one value alone."""
YEARS = (datetime(1971, 1, 1, tzinfo=UTC), datetime(8999, 12, 31, tzinfo=UTC))
SECONDS = st.integers(*(int(year.timestamp()) for year in YEARS))
RFC3339 = SECONDS.map(lambda second: datetime.fromtimestamp(second, UTC).isoformat())
"""Validators need not judge `format`: 30 February fits the pattern and is no time."""
ANYTHING: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just({}) | st.just([])
)
PLACES = 4
"""Of amounts: that a number has no more only the words of a schema say."""


def documents(validator: Validator) -> st.SearchStrategy[Any]:
    """Documents that a schema accepts. `if`, and `anyOf` beside `properties`, take away some that were made."""
    schema = cast(Schema, validator.schema)
    strategy = _build(schema, schema.get("$defs", {}))

    @st.composite
    def document(draw: st.DrawFn) -> Any:
        example = draw(strategy)
        assume(validator.is_valid(example))
        return example

    return document()


def _build(schema: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    rules = {name: value for name, value in schema.items() if name not in NOTES}
    match rules:
        case {"$ref": str(reference)}:
            return _build(definitions[reference.rpartition("/")[2]], definitions)
        case {"enum": list(values)}:
            return st.sampled_from(values)
        case {"type": "object", "properties": _}:
            return _object(rules, definitions)
        case {"type": "object"}:
            return _map(rules, definitions)
        case {"anyOf": list(options), **rest} if not rest:
            return st.one_of([_build(option, definitions) for option in options])
        case {"type": "array", "items": items, **rest} if rest.keys() <= {"maxItems"}:
            return st.lists(_build(items, definitions), max_size=3)
        case {"type": str(kind), **rest}:
            return _scalar(kind, rest)
    if rules:
        raise AssertionError(f"a keyword that is new to this generator: {rules}")
    return ANYTHING


def _object(rules: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    keywords = {"type", "properties", "required", "additionalProperties", "anyOf"}
    assert rules.keys() <= keywords, rules.keys() - keywords
    fields = {name: _build(each, definitions) for name, each in rules["properties"].items()}
    required = set(rules.get("required", ()))
    optional = {name: strategy for name, strategy in fields.items() if name not in required}
    return st.fixed_dictionaries({name: fields[name] for name in required}, optional=optional)


def _map(rules: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    names = _build({"type": "string", **rules.get("propertyNames", {})}, definitions)
    return st.dictionaries(names, _build(rules["additionalProperties"], definitions), max_size=3)


def _scalar(kind: str, rules: Schema) -> st.SearchStrategy[Any]:
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            least, most = rules.get("minimum"), rules.get("maximum")
            most = rules["exclusiveMaximum"] - 1 if "exclusiveMaximum" in rules else most
            return st.integers(least, most)
        case "number":
            bound = Decimal(rules["exclusiveMaximum"]) - 1
            return st.decimals(-bound, bound, places=PLACES).map(float) | st.integers(-int(bound), int(bound))
        case "string" if "format" in rules:
            return RFC3339
        case "string" if "pattern" in rules:
            text = st.from_regex(rules["pattern"], fullmatch=True)
            return text.filter(lambda value: len(value) <= rules.get("maxLength", len(value)))
        case "string":
            plain = st.characters(exclude_categories=["Cs"])
            return st.text(plain, min_size=rules.get("minLength", 0), max_size=min(rules["maxLength"], 40)) | st.just(
                "x" * rules["maxLength"]
            )
    raise AssertionError(f"a type that is new to this generator: {kind}")
