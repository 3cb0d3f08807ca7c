"""The server of a viewer: Neuroglancer's own, with its web client, and the files of the atlas beside them.

It listens on the loopback address only. Every address has the viewer's token, 160 random bits, which whoever
has the address of the page knows, and nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from ccf_assets.errors import CcfError, why

HOST = "127.0.0.1"

Files = Callable[[str], bytes | None]
"""Path of a file below a layer → its content, None where there is none. Threads may ask at once."""


class Server:
    """A viewer and its files, served from a thread until `close`.

    Neuroglancer has to be there: `require_neuroglancer` says so in words.

    Args:
        files: of each layer, by the name that it has in addresses.
        port: to listen on; 0 for any that is free.

    Raises:
        CcfError: the port cannot be used.
    """

    def __init__(self, files: Mapping[str, Files], port: int = 0) -> None:
        from neuroglancer import server, viewer_base

        # Neuroglancer would hand the page credentials of this user for data in clouds.
        self._viewer = viewer_base.ViewerBase(allow_credentials=False)
        try:
            self._server = server.Server(HOST, port, self._viewer.token)
        except (OSError, OverflowError) as error:
            reason = why(error) if isinstance(error, OSError) else error
            raise CcfError(f"Cannot listen on {HOST}:{port}: {reason}. Choose another --port.") from None
        self._server.viewers[self._viewer.token] = self._viewer
        handler = _handler()
        rule = (
            rf"/ccf/{self._viewer.token}/(\w+)/(.+)",
            handler,
            {"files": files, "executor": self._server.executor},
        )
        self._server.app.add_handlers(".*", [rule])

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"{self._server.server_url}/v/{self._viewer.token}/"

    def source(self, layer: str) -> str:
        """The address of the files of a layer, as Neuroglancer names it."""
        return f"precomputed://{self._server.server_url}/ccf/{self._viewer.token}/{layer}"

    def show(self, state: Any) -> None:  # noqa: ANN401 - of a library that may not be installed
        """Show a state: a ViewerState of Neuroglancer."""
        self._viewer.set_state(state)
        with self._viewer.config_state.txn() as config:
            # They would move the panels under the mouse; the panel of the selection has them.
            config.show_layer_hover_values = False

    @property
    def state(self) -> dict[str, Any]:
        """What the page shows now, as Neuroglancer's JSON."""
        state: dict[str, Any] = self._viewer.state.to_json()
        return state

    def close(self) -> None:
        """Stop: the address answers no more."""
        self._server.stop()
        self._server.executor.shutdown(cancel_futures=True)


def require_neuroglancer() -> None:
    """Refuse to go on without the extra.

    Raises:
        CcfError: it is not installed.
    """
    try:
        import neuroglancer  # noqa: F401
    except ImportError as error:
        raise CcfError(f"To look at an atlas needs {error.name}: pip install 'ccf_assets[view]'.") from None


def _handler() -> Any:  # noqa: ANN401
    from isal import igzip

    web: Any = import_module("tornado.web")  # it comes with Neuroglancer

    class Handler(web.RequestHandler):
        """One file of a layer, gzipped where the client takes that."""

        def initialize(self, files: Mapping[str, Files], executor: Any) -> None:  # noqa: ANN401
            self._files: Mapping[str, Files] = files
            self._executor = executor

        async def get(self, layer: str, path: str) -> None:
            packed = "gzip" in self.request.headers.get("Accept-Encoding", "")

            def content() -> bytes | None:
                found = self._files[layer](path) if layer in self._files else None
                if not (found and packed):
                    return found
                less: bytes = igzip.compress(found, 1)
                return less

            try:
                found = await asyncio.get_running_loop().run_in_executor(self._executor, content)
            except CcfError as error:
                self.set_status(503)
                self.finish(str(error))
                return
            if found is None:
                self.send_error(404)
                return
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Cache-Control", "no-store")  # the page keeps what it needs
            if packed and found:
                self.set_header("Content-Encoding", "gzip")
            self.finish(found)

    return Handler
