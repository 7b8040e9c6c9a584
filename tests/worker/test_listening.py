"""Where a worker's web views are served."""

import socket

import pytest

from app.errors import SettingError
from app.sandbox.local.ports import free_port, is_taken
from app.settings import Settings
from app.worker.listening import listen, url_of


def port_of(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


def test_the_usual_port_is_taken_while_it_is_free_and_another_one_then() -> None:
    usual = Settings().web_port
    was_free = not is_taken(usual)
    with listen(Settings.from_env({})) as first, listen(Settings.from_env({"WAYBILL_WEB_PORT": " "})) as second:
        assert (port_of(first) == usual) is was_free
        assert port_of(second) not in (port_of(first), usual)


def test_a_port_that_is_set_is_taken_or_refused() -> None:
    port = free_port()
    settings = Settings.from_env({"WAYBILL_WEB_PORT": str(port)})
    with listen(settings) as listening:
        assert port_of(listening) == port
        with pytest.raises(SettingError, match=f"WAYBILL_WEB_HOST=127.0.0.1, WAYBILL_WEB_PORT={port}: .*leave"):
            listen(settings)
    with listen(settings) as again:
        assert port_of(again) == port, "a worker that starts again gets it at once"


def test_zero_is_a_free_port() -> None:
    settings = Settings.from_env({"WAYBILL_WEB_PORT": "0"})
    with listen(settings) as first, listen(settings) as second:
        assert 0 < port_of(first) != port_of(second) > 0


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(SettingError, match="give an address of this machine"):
        listen(Settings.from_env({"WAYBILL_WEB_HOST": host}))


def test_an_address_of_the_sixth_version() -> None:
    with listen(Settings.from_env({"WAYBILL_WEB_HOST": "::1", "WAYBILL_WEB_PORT": "0"})) as listening:
        assert url_of(listening) == f"http://[::1]:{port_of(listening)}"
