"""The manifest of a provider (manifest.yaml): actions, events, settings, capabilities. Unknown keys are errors."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, model_validator

from app.definitions.validation import STRICT_KEYS, load_spec

_Text = Annotated[str, Field(min_length=1)]
_SETTING: Final = r"^[A-Z][A-Z0-9_]*$"


class _Part(BaseModel):
    model_config = STRICT_KEYS


class ManifestAction(_Part):
    """`idempotency` says what carries the key on the wire, so that a repeated action has one effect."""

    name: _Text
    event: Literal["fulfillment requested", "billing requested", "channel update requested", "sourcing requested"]
    through: Literal["http", "dual-write", "kafka"]
    idempotency: _Text
    maps: tuple[_Text, ...] = ()

    @model_validator(mode="after")
    def _maps_for_dual_write(self) -> "ManifestAction":
        if (self.through == "dual-write") != bool(self.maps):
            raise ValueError("maps are named by actions through dual-write, and by no other")
        return self


class ManifestSetting(_Part):
    """An environment variable WAYBILL_<PROVIDER>_<NAME>. A provider is active without the `optional` ones."""

    name: str = Field(pattern=_SETTING)
    meaning: _Text
    secret: bool = False
    optional: bool = False


class Manifest(_Part):
    """The whole manifest. A provider without required settings (one that speaks Kafka alone) is always active.

    `capabilities` and `exemptions` give a reason each: a card of the contract is skipped only for one of them.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: _Text
    wire: _Text
    actions: tuple[ManifestAction, ...] = Field(min_length=1)
    events: tuple[_Text, ...]
    settings: tuple[ManifestSetting, ...] = ()
    capabilities: Mapping[str, _Text] = {}
    exemptions: Mapping[str, _Text] = {}

    @model_validator(mode="after")
    def _some_setting_is_required(self) -> "Manifest":
        if self.has_client and all(setting.optional for setting in self.settings):
            raise ValueError("one setting at least is not optional: it says whether the provider is set up")
        if not self.has_client and "pull" in self.capabilities:
            raise ValueError("all actions go through kafka, so that nothing is here that could pull")
        return self

    @property
    def has_client(self) -> bool:
        """Whether we call it. Where all actions go through kafka there is no client: the fulfiller reads them there."""
        return any(action.through != "kafka" for action in self.actions)

    @property
    def required(self) -> tuple[str, ...]:
        """The settings without which the provider is not active."""
        return tuple(setting.name for setting in self.settings if not setting.optional)

    def variable(self, setting: str) -> str:
        """Return the environment variable of a setting."""
        return f"WAYBILL_{self.name.upper()}_{setting}"


def parse_manifest(text: str, file: str) -> Manifest:
    """Return the manifest in `text`. Raises DefinitionError that names file, path and the fix."""
    return load_spec(Manifest, text, file)
