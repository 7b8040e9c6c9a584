"""The files that Waybill ships beside its code, read as text. What they mean is for the readers to know."""

from pathlib import Path
from typing import Final

from app.errors import SettingError

ROOT: Final = Path(__file__).resolve().parent.parent
APP: Final = ROOT / "app"
SCHEMAS: Final = ROOT / "schemas"
TOPICS: Final = ROOT / "topics.yaml"


def read_text(relative: str) -> str:
    """The text of one packaged file, named relative to the root of the repository.

    Raises SettingError when it is not there, which means that the installation is incomplete.
    """
    try:
        return (ROOT / relative).read_text(encoding="utf-8")
    except OSError as exc:
        raise SettingError(f"{relative}: cannot be read below {ROOT} ({exc.strerror}); install Waybill again") from exc


def topics_file() -> str:
    """The text of topics.yaml."""
    return read_text("topics.yaml")


def schema_files() -> dict[str, str]:
    """File name -> text of every Avro schema."""
    return {path.name: read_text(_relative(path)) for path in sorted(SCHEMAS.glob("*.avsc"))}


def schema_lock() -> str:
    """The text of the schema lock."""
    return read_text("schemas/lock.json")


def json_schema_files() -> dict[str, str]:
    """Name below schemas/ -> text of every JSON Schema, and of the examples."""
    paths = [*SCHEMAS.glob("*.schema.json"), *SCHEMAS.glob("examples/*.json")]
    return {path.relative_to(SCHEMAS).as_posix(): read_text(_relative(path)) for path in sorted(paths)}


def policy_files() -> dict[str, str]:
    """Path relative to the root -> text of every policy."""
    return _texts("policies/**/*.yaml")


def flow_files() -> dict[str, str]:
    """Path relative to the root -> text of every flow."""
    return _texts("flows/**/*.yaml")


def manifest_files() -> dict[str, str]:
    """Path relative to the root -> text of every provider's manifest."""
    return _texts("providers/*/manifest.yaml")


def provider_templates(layer: str) -> dict[str, str]:
    """Path relative to app/providers/templates/<layer> -> text of every template in it."""
    folder = APP / "providers/templates" / layer
    files = sorted(folder.rglob("*.template"))
    return {path.relative_to(folder).as_posix(): read_text(_relative(path)) for path in files}


def _texts(pattern: str) -> dict[str, str]:
    return {_relative(path): read_text(_relative(path)) for path in sorted(APP.glob(pattern))}


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
