"""The socket of a worker's web server. It listens before anything else starts, so that the address is known at once."""

import errno
import socket
from ipaddress import ip_address
from typing import Final

from app.errors import SettingError
from app.settings import Settings

BACKLOG: Final = 128


def listen(settings: Settings) -> socket.socket:
    """Return a socket at the settings' address; at a free port where none is set and the usual one is in use.

    Raises SettingError for an address that cannot be listened on.
    """
    host, port = settings.web_host, settings.web_port
    try:
        return _listen(host, port)
    except OSError as problem:
        if settings.chooses_web_port and problem.errno == errno.EADDRINUSE:
            return _listen(host, 0)
        fix = "give an address of this machine and a port that nothing else uses, or leave WAYBILL_WEB_PORT out"
        raise SettingError(
            f"WAYBILL_WEB_HOST={host}, WAYBILL_WEB_PORT={port}: no web server can listen there ({problem}); {fix}"
        ) from problem


def url_of(listening: socket.socket) -> str:
    """Return the address at which it is reached from this machine."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(listening: socket.socket) -> bool:
    """Return whether only this machine reaches it."""
    return ip_address(str(listening.getsockname()[0]).partition("%")[0]).is_loopback


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)
