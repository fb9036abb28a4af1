"""An identity provider on loopback, as small as a broker that takes unsigned tokens allows."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

_VALID_S: Final = 300


class TokenEndpoint:
    """Gives a token for one principal to whoever knows the client's secret.

    Parameters
    ----------
    principal
        Who the token is for.
    client_id, client_secret
        What a client must show, by HTTP basic authentication (RFC 6749, section 2.3.1).
    """

    def __init__(self, principal: str, client_id: str, client_secret: str) -> None:
        shown = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                known = self.headers["Authorization"] == f"Basic {shown}"
                body = {"access_token": _token(principal)} if known else {"error": "invalid_client"}
                content = json.dumps(body).encode()
                self.send_response(200 if known else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where tokens are."""
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _token(principal: str) -> str:
    now = int(time.time())
    claims = {"sub": principal, "iat": now, "exp": now + _VALID_S}
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def _part(content: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
