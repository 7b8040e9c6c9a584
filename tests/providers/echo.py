"""Replies that say again what the client sent, and a look at texts for secrets in any of the forms these may take."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any
from urllib.parse import parse_qs, quote, unquote_plus

from tests.providers.recording_proxy import RecordedRequest

FORMS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "percent": lambda text: quote(text, safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(f"+{text}".encode()).decode(),
}
FIELDS = ("message", "title", "detail", "error", "error_description", "id", "external_id", "SalesOrder")


def secrets_in(requests: Iterable[RecordedRequest]) -> set[str]:
    """What proves who calls: tokens and passwords, in headers, cookies and forms."""
    secrets = set[str]()
    for request in requests:
        for name, value in request.headers.items():
            if name in ("authorization", "x-auth-token", "x-csrf-token") and value != "fetch":
                secrets.add(value.rpartition(" ")[2])
            if name == "authorization" and value.startswith("Basic "):
                secrets.add(base64.b64decode(value.removeprefix("Basic ")).decode().partition(":")[2])
            if name == "cookie":
                secrets |= {cookie.partition("=")[2] for cookie in value.split("; ")}
        if request.path.endswith("/token"):
            secrets |= {text for name, (text, *_) in parse_qs(request.body.decode()).items() if "secret" in name}
    return secrets


def lines_with(secrets: Iterable[str], requests: Iterable[RecordedRequest]) -> set[str]:
    """What was sent that proves who calls, line by line: headers, and bodies that are forms."""
    lines = {f"{name}: {value}" for request in requests for name, value in request.headers.items()}
    lines |= {request.body.decode() for request in requests if request.path.endswith("/token")}
    basic = {base64.b64decode(line.rpartition(" ")[2]).decode() for line in lines if ": Basic " in line}
    return {line for line in lines | basic if any(secret in unquote_plus(line) for secret in secrets)}


def bodies(text: str) -> Iterator[bytes]:
    """The bodies of JSON and of plain text that have `text` in all fields that a client may look at."""
    shape: dict[str, Any] = dict.fromkeys(FIELDS, text)
    yield json.dumps(shape).encode()
    yield json.dumps(
        {"error": {"code": text, "message": text, "innererror": {"message": text}}, "errors": [shape]}
    ).encode()
    yield json.dumps({"error": {"code": text, "message": {"lang": "en", "value": text}}, "value": [shape]}).encode()
    yield text.encode()


def with_text(text: str, number: int) -> Callable[[Any], Any]:
    """Return what puts `text` in place of one text of a JSON document: the one of that number, from 0 on."""

    def change(document: Any) -> Any:
        numbers = count()

        def walk(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: walk(each) for key, each in value.items()}
            if isinstance(value, list):
                return [walk(each) for each in value]
            return text if isinstance(value, str) and next(numbers) == number else value

        return walk(document)

    return change


def revealed(texts: Iterable[str], secrets: Iterable[str]) -> set[str]:
    """Return the secrets that texts have in them: as they are, escaped, in percent form, or anywhere within base64."""
    written = set(texts)
    written |= {text.replace("\\/", "/") for text in written} | {unquote_plus(unquote_plus(text)) for text in written}
    runs = {run for text in written for run in re.findall(r"[A-Za-z0-9+/_-]{8,}", text)}
    everything = "\n".join(written).encode() + b"\n".join(_decoded(runs))
    return {secret for secret in secrets if secret.encode() in everything}


def _decoded(runs: Iterable[str]) -> Iterator[bytes]:
    for run in runs:
        standard = run.replace("-", "+").replace("_", "/")
        for start in range(4):
            yield base64.b64decode(standard[start : start + (len(standard) - start) // 4 * 4])


def chain(error: BaseException | None) -> Iterator[str]:
    """The words of an error and of all errors behind it."""
    while error is not None:
        yield repr(error)
        error = error.__cause__ or error.__context__
