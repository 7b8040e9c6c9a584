"""Redaction: keeps secrets, and text without end, out of details, logs and errors."""

from typing import Final
from urllib.parse import quote, quote_plus

DETAIL_CHARS_MAX: Final = 500
_FORMS_MAX: Final = 12
_HIDDEN: Final = "***"


class Redaction:
    """The secrets of one provider by name, as given and as they look inside a URL or a form."""

    def __init__(self, **secrets: str) -> None:
        self._forms: dict[str, tuple[str, ...]] = {}
        for name, secret in secrets.items():
            self.learn(name, secret)

    def learn(self, name: str, secret: str) -> None:
        """Hide `secret` from now on, beside earlier ones of that name that may still be under way."""
        forms = sorted({secret, quote(secret, safe=""), quote_plus(secret)} - {""}, key=len, reverse=True)
        self._forms[name] = (*forms, *self._forms.get(name, ()))[:_FORMS_MAX]

    def clean(self, text: str) -> str:
        """Return the text on one line, without secrets and of bounded length."""
        for forms in self._forms.values():
            for form in forms:
                text = text.replace(form, _HIDDEN)
        line = " ".join(text.split())
        return line if len(line) <= DETAIL_CHARS_MAX else f"{line[: DETAIL_CHARS_MAX - 1]}…"
