"""What stands between this machine and a server: the proxy and the certificates that the environment names.

They are used by the library that downloads; here they are named where they are the trouble, without the user
and password of a proxy.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True)
class Proxy:
    """A proxy.

    Attributes:
        words: how it is called in a sentence.
        variable: where it is named.
        usable: whether its address is one.
    """

    words: str
    variable: str
    usable: bool


def proxy_of(url: str) -> Proxy | None:
    """The proxy by which ``url`` is asked for, if any."""
    from requests.utils import get_environ_proxies, select_proxy

    named = select_proxy(url, get_environ_proxies(url))
    if not named:
        return None
    names = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
    candidates = [name for lower in names for name in (lower, lower.upper())]
    variable = next(
        (name for name in candidates if os.environ.get(name)), "the proxy of the system's settings"
    )
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        place = parts.netloc.rpartition("@")[2]
        # A password with a / or # in it: what follows the slash is no path, and what precedes it no host.
        usable = usable and "@" not in parts.path + parts.query + parts.fragment
    except ValueError:
        usable = False
    if not usable:  # without the value: if it cannot be parsed, a password in it cannot be hidden
        return Proxy(f"the proxy that {variable} names", variable, usable=False)
    return Proxy(f"the proxy {parts.scheme}://{place}", variable, usable=True)


def bad_certificates() -> str | None:
    """What is wrong with the file or folder of certificates that the environment names, in a clause."""
    variable = next((name for name in _BUNDLES if os.environ.get(name)), None)
    if variable is None:
        return None
    path = Path(os.environ[variable])
    if not path.exists():
        return f"{variable} names {path}, which does not exist"
    try:
        if path.is_file():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:  # ssl.SSLError, too
        return f"{variable} names {path}, which cannot be read as certificates"
    return None
