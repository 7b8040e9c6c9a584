"""Registry of providers: which are installed, which are active, and how one is opened. Found by their manifests."""

import importlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import PurePosixPath
from typing import Final, cast

from app import resources
from app.errors import DefinitionError, SettingError
from app.flows.installed import INSIDE, ActionSpec, Setup
from app.providers.manifest import Manifest, parse_manifest
from app.providers.port import Provider
from app.providers.provider_settings import ProviderSettings
from app.providers.webhooks import Received, RefusalCode, WebhookRefusedError
from app.secrets import Secret
from app.settings import Settings

PULL: Final = "pull"
"""The capability of a provider from which orders are pulled."""
WEBHOOKS: Final = "webhooks"
"""The capability of a provider that calls us: its folder has a webhook.py with a function `receive`."""

Receive = Callable[[Mapping[str, str], bytes, float], Received]
"""(headers, body, our time in seconds) -> what the webhook reports. Pure. Raises WebhookRefusedError, SettingError."""


@cache
def load_manifests() -> Mapping[str, Manifest]:
    """Return every manifest by provider. Raises DefinitionError."""
    manifests: dict[str, Manifest] = {}
    for file, text in resources.manifest_files().items():
        manifest = parse_manifest(text, file)
        folder = PurePosixPath(file).parent.name
        if manifest.name != folder:
            raise DefinitionError(file, "name", f"{manifest.name!r} is not the folder's name", f"call it {folder!r}")
        manifests[folder] = manifest
    return manifests


def active_manifests(environ: Mapping[str, str]) -> tuple[Manifest, ...]:
    """Return the providers whose required settings are all set. Raises SettingError when only some of one are."""
    return tuple(manifest for manifest in load_manifests().values() if is_active(manifest, environ))


def setup(settings: Settings, environ: Mapping[str, str]) -> Setup:
    """Return what flows may use: actions and events of active providers, and the enabled dual-write maps (S1, S2)."""
    manifests = active_manifests(environ)
    return Setup(
        actions={**{manifest.name: action_specs(manifest) for manifest in manifests}, **INSIDE.actions},
        events={**{manifest.name: frozenset(manifest.events) for manifest in manifests}, **INSIDE.events},
        maps=frozenset(settings.maps),
    )


def open_all(environ: Mapping[str, str]) -> dict[str, Provider]:
    """Open the clients of all active providers that are called; the caller closes them. Raises SettingError."""
    return {
        manifest.name: build(manifest.name, environ) for manifest in active_manifests(environ) if manifest.has_client
    }


def build(name: str, environ: Mapping[str, str]) -> Provider:
    """Open the client of an active provider; the caller closes it. Raises SettingError."""
    manifest = _manifest(name)
    if not manifest.has_client:
        raise SettingError(f"{name} is not called: its actions go through kafka, and it reads them there")
    if not is_active(manifest, environ):
        variables = ", ".join(map(manifest.variable, manifest.required))
        raise SettingError(f"{name} is not set up: set {variables}")
    client = importlib.import_module(f"{resources.PACKAGE}.providers.{name}.client")
    return cast(Provider, client.open_provider(values(manifest, environ)))


def with_capability(capability: str) -> list[str]:
    """Return the names of the providers whose manifest has the capability."""
    return [name for name, manifest in load_manifests().items() if capability in manifest.capabilities]


def with_actions_through(through: str) -> list[str]:
    """Return the names of the providers with actions that go `through` (http, dual-write, kafka)."""
    return [
        name
        for name, manifest in load_manifests().items()
        if any(action.through == through for action in manifest.actions)
    ]


def receivers(environ: Mapping[str, str]) -> dict[str, Receive]:
    """Return the receiver of each active provider that sends webhooks. Raises SettingError."""
    manifests = (manifest for manifest in active_manifests(environ) if WEBHOOKS in manifest.capabilities)
    return {manifest.name: _receiver(manifest, environ) for manifest in manifests}


def _receiver(manifest: Manifest, environ: Mapping[str, str]) -> Receive:
    settings = values(manifest, environ)
    module = importlib.import_module(f"{resources.PACKAGE}.providers.{manifest.name}.webhook")

    def receive(headers: Mapping[str, str], body: bytes, now_s: float) -> Received:
        *earlier, last = settings.accepted()
        for accepted in earlier:
            try:
                return cast(Received, module.receive(headers, body, accepted, now_s))
            except WebhookRefusedError as refusal:
                if refusal.code is not RefusalCode.BAD_SIGNATURE:
                    raise
        return cast(Received, module.receive(headers, body, last, now_s))

    def receive_cleaned(headers: Mapping[str, str], body: bytes, now_s: float) -> Received:
        redaction = settings.redaction()
        try:
            return redaction.clean_struct(receive(headers, body, now_s))
        except WebhookRefusedError as refusal:
            # What quotes a body may cut it within a secret. Not `from refusal`: it has the words themselves.
            is_quotable = redaction.clean_data(body) == body
            detail = redaction.clean(refusal.detail) if is_quotable else "*** in the body: it repeats a secret of ours"
            raise WebhookRefusedError(refusal.code, detail) from None

    return receive_cleaned


def _manifest(name: str) -> Manifest:
    manifests = load_manifests()
    if name not in manifests:
        raise SettingError(f"no provider {name!r}; there are {', '.join(manifests)}")
    return manifests[name]


def is_active(manifest: Manifest, environ: Mapping[str, str]) -> bool:
    """Return whether every required setting is set. Raises SettingError when only some are."""
    set_names = set_settings(manifest, environ)
    missing = [manifest.variable(name) for name in manifest.required if name not in set_names]
    if set_names and missing:
        variables = ", ".join(missing)
        raise SettingError(f"{manifest.name} is set up in part: set {variables}, or unset its other variables")
    return not missing


def set_settings(manifest: Manifest, environ: Mapping[str, str]) -> set[str]:
    """Return the names of the settings that are set. Raises SettingError for a secret that is set twice."""
    secrets = {each.name for each in manifest.settings if each.secret and _secret(manifest, each.name, environ).is_set}
    others = (each.name for each in manifest.settings if not each.secret)
    return secrets | {name for name in others if environ.get(manifest.variable(name), "").strip()}


def values(manifest: Manifest, environ: Mapping[str, str]) -> ProviderSettings:
    """Return every setting by name, "" for an optional one that is not set. Raises SettingError."""
    plain = {each.name: _value(manifest, each.name, environ) for each in manifest.settings if not each.secret}
    secrets = {each.name: _secret(manifest, each.name, environ) for each in manifest.settings if each.secret}
    return ProviderSettings(plain, secrets)


def _secret(manifest: Manifest, name: str, environ: Mapping[str, str]) -> Secret:
    return Secret(manifest.variable(name), environ)


def _value(manifest: Manifest, name: str, environ: Mapping[str, str]) -> str:
    """Return a setting without surrounding space. Raises SettingError, without the value, if no header can carry it."""
    variable = manifest.variable(name)
    value = environ.get(variable, "").strip()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise SettingError(f"{variable}: has a space, a line break or a character that is not ASCII; copy it again")
    return value


def action_specs(manifest: Manifest) -> dict[str, ActionSpec]:
    """Return a provider's actions as flows know them."""
    return {
        action.name: ActionSpec(
            provider=manifest.name, action=action.name, event=action.event, through=action.through, maps=action.maps
        )
        for action in manifest.actions
    }
