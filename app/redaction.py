"""Redaction: keeps secrets, and text without end, out of replies, details, logs and errors.

Others may say again what they were sent: in their errors, in fields of an order, in addresses. A secret is therefore
recognised as it is, as it looks in JSON, in an address or a form, and anywhere within base64.
"""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from itertools import islice
from typing import Final, TypeVar
from urllib.parse import quote, quote_plus

import msgspec
from msgspec import Struct

S = TypeVar("S", bound=Struct)

DETAIL_CHARS_MAX: Final = 500
LONG_CHARS_MIN: Final = 8
"""Shorter secrets are hidden as they are and in addresses, and in what is said alone: in base64, and in data, a few
characters may be anything."""
SECRETS_OF_A_NAME_MAX: Final = 16
_HIDDEN: Final = "***"


class Redaction:
    """The secrets of one neighbour by name, each in every form that it may come back in."""

    def __init__(self, **secrets: str) -> None:
        self._secrets: dict[str, dict[str, tuple[str, ...]]] = {}
        self._forms: tuple[str, ...] = ()
        self._long_forms: tuple[bytes, ...] = ()
        for name, secret in secrets.items():
            self.learn(name, secret)

    def __repr__(self) -> str:
        return f"Redaction({', '.join(self._secrets)})"

    def learn(self, name: str, secret: str) -> None:
        """Hide `secret` from now on, beside earlier ones of that name that may still be under way."""
        earlier = self._secrets.get(name, {})
        if not secret or secret in earlier:
            return
        latest = {secret: tuple(_forms(secret)), **earlier}
        self._secrets[name] = dict(islice(latest.items(), SECRETS_OF_A_NAME_MAX))
        forms = {each: of_secret for some in self._secrets.values() for each, of_secret in some.items()}
        self._forms = _longest_first({form for of_secret in forms.values() for form in of_secret})
        long = {form for each, of_secret in forms.items() if len(each) >= LONG_CHARS_MIN for form in of_secret}
        self._long_forms = tuple(form.encode() for form in _longest_first(long))

    def clean(self, text: str) -> str:
        """Return the text on one line, without secrets and of bounded length."""
        for form in self._forms:
            text = text.replace(form, _HIDDEN)
        line = " ".join(text.split())
        return line if len(line) <= DETAIL_CHARS_MAX else f"{line[: DETAIL_CHARS_MAX - 1]}…"

    def clean_data(self, data: bytes) -> bytes:
        """Return data of others without secrets, of which a text within JSON stays one."""
        for form in self._long_forms:
            data = data.replace(form, _HIDDEN.encode())
        return data

    def clean_struct(self, value: S) -> S:
        """Return a value of others without secrets in its texts."""
        data = msgspec.json.encode(value)
        cleaned = self.clean_data(data)
        return value if cleaned == data else msgspec.json.decode(cleaned, type=type(value))


def printable_address(value: str) -> str:
    """Return an address as it may stand in messages: whatever may be a password, a token or a key is ***."""
    credentials = re.compile(r"(https?://)?.*@", flags=re.DOTALL)
    public = credentials.sub(lambda secret: f"{secret[1] or ''}***@", value, count=1)
    return re.sub(r"([?#]).*", r"\1***", public, flags=re.DOTALL)


def _longest_first(forms: set[str]) -> tuple[str, ...]:
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it may be written: plain, in base64, and either in JSON, in an address or in a form."""
    for text in {secret, *(_within_base64(secret) if len(secret) >= LONG_CHARS_MIN else ())}:
        in_json = json.dumps(text)[1:-1]
        in_address = quote(text, safe="")
        yield from (text, in_json, in_json.replace("/", r"\/"), quote_plus(text), in_address, quote(text))
        zealous = re.sub("[._~-]", lambda sign: f"%{ord(sign[0]):02X}", in_address)
        yield from (zealous, _with_small_digits(zealous), _with_small_digits(in_address))
        yield quote(in_address, safe="")


def _within_base64(secret: str) -> Iterator[str]:
    """Yield what base64 of any text with the secret in it has of the secret: it depends on where the secret begins."""
    data = secret.encode()
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            whole_bits = (before + len(data)) * 8
            text = encode(bytes(before) + data).decode()
            yield text[-(-before * 8 // 6) : whole_bits // 6]


def _with_small_digits(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda escape: escape[0].lower(), text)
