"""The files that Waybill ships beside its code, read as text. What they mean is for the readers to know.

In a checkout they lie where the repository has them; in an installed package all are inside the package. Their names
are those of the repository in both: app/flows/..., schemas/..., topics.yaml.
"""

from pathlib import Path
from typing import Final

from app.errors import SettingError

PACKAGE: Final = __name__.partition(".")[0]
"""What this package is called: app in a checkout, waybill where it is installed (packaging/build_hook.py)."""
APP: Final = Path(__file__).resolve().parent
ROOT: Final = APP.parent if PACKAGE == "app" else APP
"""Where schemas/ and topics.yaml lie: the root of the repository, or the installed package."""
SCHEMAS: Final = ROOT / "schemas"


def read_text(relative: str) -> str:
    """Return the text of one file, named relative to the root of the repository.

    Raises SettingError when it is not there, which means that the installation is incomplete.
    """
    inside = relative.removeprefix("app/")
    path = (ROOT if inside == relative else APP) / inside
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise SettingError(f"{relative}: cannot be read at {path} ({exc.strerror}); install Waybill again") from exc


def topics_file() -> str:
    """Return the text of topics.yaml."""
    return read_text("topics.yaml")


def schema_files() -> dict[str, str]:
    """Return file name -> text of every Avro schema."""
    return {path.name: read_text(_relative(path)) for path in sorted(SCHEMAS.glob("*.avsc"))}


def schema_lock() -> str:
    """Return the text of the schema lock."""
    return read_text("schemas/lock.json")


def json_schema_files() -> dict[str, str]:
    """Return name below schemas/ -> text of every JSON Schema, and of the examples."""
    paths = [*SCHEMAS.glob("*.schema.json"), *SCHEMAS.glob("examples/*.json")]
    return {path.relative_to(SCHEMAS).as_posix(): read_text(_relative(path)) for path in sorted(paths)}


def policy_files() -> dict[str, str]:
    """Return path relative to the root -> text of every policy."""
    return _texts("policies/**/*.yaml")


def flow_files() -> dict[str, str]:
    """Return path relative to the root -> text of every flow."""
    return _texts("flows/**/*.yaml")


def manifest_files() -> dict[str, str]:
    """Return path relative to the root -> text of every provider's manifest."""
    return _texts("providers/*/manifest.yaml")


def provider_templates(layer: str) -> dict[str, str]:
    """Return path relative to app/providers/templates/<layer> -> text of every template in it."""
    folder = APP / "providers/templates" / layer
    files = sorted(folder.rglob("*.template"))
    return {path.relative_to(folder).as_posix(): read_text(_relative(path)) for path in files}


def _texts(pattern: str) -> dict[str, str]:
    return {_relative(path): read_text(_relative(path)) for path in sorted(APP.glob(pattern))}


def _relative(path: Path) -> str:
    if path.is_relative_to(SCHEMAS):
        return f"schemas/{path.relative_to(SCHEMAS).as_posix()}"
    return f"app/{path.relative_to(APP).as_posix()}"
