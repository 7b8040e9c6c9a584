"""The environment of what `waybill up` runs."""

from pathlib import Path

from app.providers import registry
from app.sandbox.local.up import simulated


def test_a_secret_of_the_vendor_itself_does_not_stand_beside_that_of_the_simulator(tmp_path: Path) -> None:
    inherited = {"WAYBILL_FLEXE_API_KEY_FILE": str(tmp_path / "key"), "WAYBILL_WEB_TOKEN_FILE": str(tmp_path / "token")}
    environ = simulated(inherited, 8480)
    assert "flexe" in {manifest.name for manifest in registry.active_manifests(environ)}
    assert "WAYBILL_FLEXE_API_KEY_FILE" not in environ
    assert environ["WAYBILL_WEB_TOKEN_FILE"] == inherited["WAYBILL_WEB_TOKEN_FILE"]
