"""What a provider's author may rely on: a package outside this repository, which imports the documented modules alone.

It is made of the scaffold's files. mypy and Python see it as its author would: beside Waybill as the wheel has it.
"""

import importlib.util
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from app import resources

DOCUMENT = resources.ROOT / "docs/providers/README.md"
PACKAGE = "acme_for_waybill"
LIMIT_S = 280
USE = f"""
import asyncio
from {PACKAGE} import webhook
from {PACKAGE}.client import open_provider
from waybill.providers.port import Provider
from waybill.providers.webhooks import WebhookRefusedError

async def main() -> None:
    settings = {{"BASE_URL": "https://acme.example", "API_KEY": "a key", "WEBHOOK_SECRET": "whsec_c2VjcmV0"}}
    provider: Provider = open_provider(settings)
    try:
        webhook.receive({{}}, b"", settings, 0.0)
    except WebhookRefusedError as refusal:
        print(provider.name, refusal.code)
    await provider.close()

asyncio.run(main())
"""


def surface() -> set[str]:
    """Return the modules that the documentation calls stable."""
    _, _, table = DOCUMENT.read_text(encoding="utf-8").partition("## What is stable")
    return set(re.findall(r"^\| `(waybill\.[\w.]+)` \|", table, re.MULTILINE))


def outside(text: str) -> str:
    """Return a file of the scaffold as it is in a package of its own."""
    own = re.sub(r"^from app\.providers\.acme\b", f"from {PACKAGE}", text, flags=re.MULTILINE)
    return re.sub(r"^(\s*(?:from|import)) app\b", r"\1 waybill", own, flags=re.MULTILINE)


def files() -> dict[str, str]:
    """Return name -> text of the files of the package, with everything that a provider may have."""
    layers = (resources.provider_templates("http"), resources.provider_templates("webhooks"))
    texts = {path: text for layer in layers for path, text in layer.items() if path.startswith("app/")}
    return {path.removeprefix("app/").removesuffix(".template"): outside(text) for path, text in texts.items()}


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return the Python of an environment with the package and with Waybill, relocated as the wheel has it."""
    venv.create(tmp_path / "environment")
    (site,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("build_hook", resources.ROOT / "packaging/build_hook.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    hook.relocate(resources.ROOT, site / "waybill")
    for name, text in files().items():
        path = tmp_path / "source" / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "source/use.py").write_text(USE, encoding="utf-8")
    return tmp_path / "environment/bin/python"


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_what_is_called_stable_is_there() -> None:
    names = {name.replace("waybill", "app", 1) for name in surface()}
    assert "app.providers.port" in names
    assert [name for name in names if importlib.util.find_spec(name) is None] == []


def test_the_scaffold_needs_nothing_that_may_change() -> None:
    imported = {name for text in files().values() for name in re.findall(r"^\s*from (waybill\S*) import", text, re.M)}
    assert imported
    assert imported <= surface()


def test_a_package_outside_is_typed_strictly_and_works(environment: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    strict = ("-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", "--python-executable", environment)
    assert "no issues found" in run(sys.executable, *strict, PACKAGE, "use.py", folder=source)
    assert run(environment, "use.py", folder=source).startswith("acme ")
