"""Keeps the tests, and every Python process that they start, from the network; loopback and local sockets work.

Python imports a module of this name at its start if it finds one; conftest.py puts this folder on PYTHONPATH.
"""

import ipaddress
import socket


def _require_loopback(address: object) -> None:
    if not isinstance(address, tuple):
        return  # a socket in the file system, or of the kernel
    host = address[0]
    try:
        is_local = host in ('', 'localhost') or ipaddress.ip_address(str(host).partition('%')[0]).is_loopback
    except ValueError:
        is_local = False
    if not is_local:
        raise RuntimeError(f'tests may not reach the network, but something connects to {host}')


def _guarded(name: str) -> None:
    method = getattr(socket.socket, name)

    def guarded(self: socket.socket, *args: object) -> object:
        _require_loopback(args[-1])  # the address is the last argument of all three
        return method(self, *args)

    setattr(socket.socket, name, guarded)


for _name in ('connect', 'connect_ex', 'sendto'):
    _guarded(_name)

_getaddrinfo = socket.getaddrinfo


def _local_getaddrinfo(host: object, *args: object, **kwargs: object) -> object:
    """Looks up this machine's own names, and numbers; anything else would ask a server."""
    name = host.decode() if isinstance(host, bytes) else host
    if name not in (None, '', 'localhost', socket.gethostname(), socket.getfqdn()):
        try:
            ipaddress.ip_address(str(name).partition('%')[0])
        except ValueError:
            raise RuntimeError(f'tests may not reach the network, but something looks up {name}') from None
    return _getaddrinfo(host, *args, **kwargs)


socket.getaddrinfo = _local_getaddrinfo
