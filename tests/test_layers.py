"""The layout is a promise: who may import whom, what pure packages may not touch, no file with two jobs."""

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from app.domain.event_names import EventName
from tests.layers import APP, imports, layer, modules, name_of, tree_of, upward

PURE = ("domain", "definitions", "sealing", "policies", "flows", "dualwrite", "optimizer", "inventory")
PURE_FILES = (
    "events/model.py", "events/catalog.py", "events/ids.py", "events/sales_order_change.py",
    "queries/audit.py", "queries/audit_inputs.py", "queries/audit_outputs.py", "queries/audit_verdict.py",
)  # fmt: skip
ALLOWED_IN_PURE = frozenset(
    [
        "abc",
        "ast",
        "base64",
        "bisect",
        "collections",
        "dataclasses",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "keyword",
        "math",
        "msgspec",
        "operator",
        "re",
        "string",
        "struct",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "__future__",
        "pydantic",
        "yaml",
        "difflib",
        "datetime",
        "email",
        "builtins",
        "csv",
        "cryptography",
        "zoneinfo",
        "highspy",
        "numpy",
    ]
)
BANNED_CALLS = frozenset({"now", "utcnow", "today", "uuid4", "open"})


def is_pure(path: Path) -> bool:
    inside = path.relative_to(APP)
    return inside.parts[0] in PURE or inside.as_posix() in PURE_FILES


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_lower_never_imports_higher(path: Path) -> None:
    module = name_of(path)
    if module == "app":
        return
    for imported in imports(path):
        if imported.startswith("app."):
            assert layer(imported) <= layer(module), f"{module} imports {imported}, which is above it"


def test_no_arrow_of_the_import_graph_points_up() -> None:
    assert upward() == []


@pytest.mark.parametrize("path", [path for path in modules() if is_pure(path)], ids=name_of)
def test_pure_packages_touch_nothing_outside(path: Path) -> None:
    for imported in imports(path):
        top = imported.split(".")[0]
        assert top == "app" or top in ALLOWED_IN_PURE, f"{name_of(path)} is pure and may not import {imported}"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in BANNED_CALLS, (
                f"{name_of(path)}:{node.lineno} calls {called}(): pure code gets it as a value"
            )


def test_only_the_worker_knows_faust_and_providers_never_import_each_other() -> None:
    for path in modules():
        module = name_of(path)
        for imported in imports(path):
            if imported.split(".")[0] in {"faust", "mode"}:
                assert module.startswith("app.worker."), f"{module} imports {imported}: Faust lives in app/worker"
            if module.startswith("app.providers.") and imported.startswith("app.providers."):
                ours, theirs = module.split(".")[2:], imported.split(".")[2:]
                if len(ours) > 1 and len(theirs) > 1:
                    assert ours[0] == theirs[0], f"{module} imports {imported}: providers never import each other"


def test_kafka_clients_are_those_that_create_no_topic() -> None:
    for path in modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aiokafka":
                made = {alias.name for alias in node.names if alias.name.startswith("AIOKafka")}
                place = "app.kafka.connection" if made == {"AIOKafkaConnection"} else "app.kafka.clients"
                assert not made or name_of(path) == place, f"{name_of(path)} takes {made}; see app/kafka/clients.py"


def test_kafka_clients_are_made_in_one_place_which_knows_how_the_cluster_is_reached() -> None:
    for path in modules():
        for call in constructions(path):
            if ast.unparse(call.func).split(".")[-1].startswith("AIOKafka"):
                assert name_of(path) == "app.kafka.clients", (
                    f"{name_of(path)}:{call.lineno} makes a client; take new_consumer, new_producer or new_admin"
                )


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_modules_say_what_they_are_and_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(tree_of(path)) or not text.strip() or name_of(path) == "app", f"{path} has no docstring"
    assert text.count("\n") <= 400, f"{path} has more than 400 lines: does it do two jobs?"
    assert path.stem not in {"utils", "helpers", "manager", "base", "common"}


POSITIONAL_MAX = 4


def constructions(path: Path) -> Iterator[ast.Call]:
    """Calls of what is named in CamelCase: classes."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if re.fullmatch(r"_*[A-Z]+[a-z]\w*", name):
                yield node


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_constructor_with_many_arguments_is_called_with_keywords(path: Path) -> None:
    """No type checker can tell one text from another in a row of five."""
    for call in constructions(path):
        place = f"{name_of(path)}:{call.lineno} {ast.unparse(call.func)}()"
        assert len(call.args) <= POSITIONAL_MAX, f"{place} has {len(call.args)} positional arguments: name them"


def test_events_are_named_by_members_of_their_vocabulary() -> None:
    """But for what is written against the wire alone, and a manifest, whose words are YAML's."""
    names = frozenset(EventName)
    for path in modules():
        inside = path.relative_to(APP).as_posix()
        if inside.startswith("sandbox/") or inside in ("domain/event_names.py", "providers/manifest.py"):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Constant) and node.value in names:
                raise AssertionError(f"{name_of(path)}:{node.lineno} spells {node.value!r}: use EventName")


NAMES_OF_PROVIDERS = sorted(path.parent.name for path in APP.glob("providers/*/manifest.yaml"))
MAY_NAME_THEM = (
    "sandbox/demo/",  # scenarios tell stories of these four
    "sandbox/bench/journey.py",
    "dualwrite/field_map.py",  # F+O's own protocol: rows and maps bear its name
    "dualwrite/sales_order_mapping.py",
    "events/dualwrite_rows.py",
    "events/sales_order_change.py",
)
"""Folders and files that name a provider on purpose, beside the provider's own."""


def provider_words(path: Path) -> Iterator[str]:
    """Imports of a provider's own folder, and texts that are, or begin with, its name; docstrings may tell of it."""
    of_provider = re.compile(rf"app\.(providers|sandbox\.vendors)\.({'|'.join(NAMES_OF_PROVIDERS)})\b")
    text = re.compile(
        rf"(WAYBILL_)?({'|'.join(NAMES_OF_PROVIDERS)})(?![a-z ])|.*providers[./]({'|'.join(NAMES_OF_PROVIDERS)})\b",
        re.I,
    )
    yield from (module for module in imports(path) if of_provider.match(module))
    tree = tree_of(path)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docs
            and text.match(node.value)
        ):
            yield node.value


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nothing_outside_a_providers_folders_knows_its_name(path: Path) -> None:
    inside = path.relative_to(APP).as_posix()
    own = tuple(f"{room}/{name}/" for room in ("providers", "sandbox/vendors") for name in NAMES_OF_PROVIDERS)
    if not inside.startswith(own + MAY_NAME_THEM):
        assert list(provider_words(path)) == []


BARE_WORDS = {
    "found": "what was looked for: `order`, `row`, `reservation`, `position`",
    "told": "what it is: `message`, `notice`, `status`, `instruction`",
    "asked": "what was asked: `request`, `query`, `question`, `quantity`",
    "taken": "what was taken: `job`, `ports`, `names`, `allocation`",
    "said": "what was said: `output`, `answer`, `line`, `text`",
    "kept": "what is kept: `entries`, `state`, `copy`, `remaining`",
    "known": "what is known: `orders`, `names`, `vocabulary`; a boolean is `is_known`",
}
"""Participles that name nothing, each with the nouns that a reader would look for."""
Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.ClassDef | ast.Module


def names_in(scope: Scope) -> Iterator[str]:
    """The name of a function or class, its parameters and everything that it binds, but not what is bound inside those
    in it."""
    inner: list[ast.AST] = [*scope.body]
    if isinstance(scope, Function):
        inner.append(scope.args)
    if not isinstance(scope, ast.Module):
        yield scope.name
    while inner:
        node = inner.pop()
        if isinstance(node, Function | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        inner.extend(ast.iter_child_nodes(node))


def bare_words(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, Scope):
            for word in sorted({name.strip("_").lower() for name in names_in(node)} & BARE_WORDS.keys()):
                place = f"{path}:{getattr(node, 'lineno', 1)} {getattr(node, 'name', '')}"
                yield f"{place} has `{word}`: say {BARE_WORDS[word]}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_names_are_nouns(path: Path) -> None:
    assert list(bare_words(path)) == []


ROLES_OF_FILES = {
    "__init__": "what a folder is",
    "actions": "what a provider is asked to do: pure, requests in and outcomes out",
    "client": "a provider behind the port",
    "cursor": "how far a provider's list has been read",
    "feed": "what is new at a provider since a cursor, page by page",
    "odata": "the part of OData that a provider or its simulator speaks",
    "session": "a provider's signed-in HTTP session",
    "webhook": "a provider's pushes, verified and read",
    "access": "who may call a simulator",
    "control": "what a test may make a simulator do",
    "entities": "a simulator's entities and their fields",
    "filter": "a simulator's $filter",
    "metadata": "a simulator's $metadata",
    "order_store": "a simulator's orders and every change to them",
    "outgoing_webhooks": "what a simulator pushes",
    "payloads": "a simulator's JSON bodies, field by field",
    "progression": "what happens to an order at a simulator by itself",
    "query": "what may be asked of a simulator's list",
    "server": "a simulator's HTTP",
}
"""File names that each provider's folder, or each simulator's, has for the same thing."""
ROLES_OF_CLASSES = frozenset(
    {"ControlRoutes", "Cursor", "Entity", "EntityField", "EntityPage", "EntityType", "OData", "OrderStore"}
    | {"OutgoingWebhooks", "Progression", "Query", "ResultPage", "Session", "StoredOrder"}
)
"""Class names that each provider's folder, or each simulator's, has for the same thing."""


def of_one_provider(path: Path) -> bool:
    inside = path.relative_to(APP).parts
    return (*inside[:1], len(inside)) == ("providers", 3) or (*inside[:2], len(inside)) == ("sandbox", "vendors", 4)


def repeated(places: dict[str, list[Path]], roles: Collection[str]) -> dict[str, list[str]]:
    """Names with two places, but for the fixed roles of providers' and simulators' folders."""
    return {
        name: [path.relative_to(APP).as_posix() for path in paths]
        for name, paths in places.items()
        if len(paths) > 1 and not (name in roles and all(map(of_one_provider, paths)))
    }


def test_a_file_name_says_what_it_is_without_its_folder() -> None:
    """A file of `commands` bears the name of its command, which may be that of what it shows."""
    places: dict[str, list[Path]] = {}
    for path in modules():
        if path.stem != "__init__" and path.parent != APP / "commands":
            places.setdefault(path.stem, []).append(path)
    assert repeated(places, ROLES_OF_FILES) == {}, "one name, one thing: call one of them something else"


def test_a_class_name_says_what_it_is_without_its_file() -> None:
    """A class that begins with an underscore is its file's own affair."""
    places: dict[str, list[Path]] = {}
    for path in modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path)
    assert repeated(places, ROLES_OF_CLASSES) == {}, "one name, one thing: call one of them something else"
