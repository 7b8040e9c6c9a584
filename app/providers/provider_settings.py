"""The settings of one provider by name, its secrets as they are now."""

from collections.abc import Iterator, Mapping

from app.redaction import Redaction
from app.secrets import Secret


class ProviderSettings(Mapping[str, str]):
    """Reads a secret each time it is asked for, so that whoever uses one twice asks twice.

    Raises SettingError, as Secret.accepted does, when it is made: a secret that cannot be read is refused at once.
    """

    def __init__(self, plain: Mapping[str, str], secrets: Mapping[str, Secret]) -> None:
        self._plain, self._secrets = plain, secrets
        for secret in secrets.values():
            secret.accepted()

    def __getitem__(self, name: str) -> str:
        return self._secrets[name].current() if name in self._secrets else self._plain[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._plain, *self._secrets))

    def __len__(self) -> int:
        return len(self._plain) + len(self._secrets)

    def __repr__(self) -> str:
        return f"ProviderSettings({', '.join(self)})"

    def accepted(self) -> Iterator[Mapping[str, str]]:
        """Yield the settings with the current secrets, and with the earlier ones that others may still use."""
        secrets = {name: secret.accepted() or ("",) for name, secret in self._secrets.items()}
        for number in range(max(map(len, secrets.values()), default=1)):
            yield {**self._plain, **{name: lines[min(number, len(lines) - 1)] for name, lines in secrets.items()}}

    def redaction(self) -> Redaction:
        """Return what hides all secrets, earlier ones too."""
        redaction = Redaction()
        for name, secret in self._secrets.items():
            for line in secret.accepted():
                redaction.learn(name, line)
        return redaction
