"""A server between the project and an S3 server, which fails as it is told to."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Fault:
    """What happens to the next requests.

    Attributes:
        times: to so many of them.
        status, code: answered in place of the store's answer; 0 for its own.
        delay_s: before the answer.
        cut: whether the answer ends in the middle.
        only: the requests that it happens to, by method and path.
    """

    times: int = 10**9
    status: int = 0
    code: str = ""
    delay_s: float = 0.0
    cut: bool = False
    only: Callable[[str, str], bool] = lambda method, path: True  # noqa: ARG005


class FlakyServer:
    """Passes requests on to a server, and answers with the current fault.

    Attributes:
        url: of this server.
        fault: None for none.
        requests: number of requests so far.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target).netloc
        self._server: ThreadingHTTPServer | None = None
        self._lock = threading.Lock()
        self.fault: Fault | None = None
        self._refuses = False
        self.requests, self._port = 0, 0
        self.listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def listen(self) -> None:
        """Accept connections, at the same port as before."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        self._refuses = False
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def refuse(self) -> None:
        """Refuse connections, and requests of those that are kept, until `listen`."""
        self._refuses = True
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def failing(self, **fault) -> Iterator[None]:
        """Answer with a fault while the body runs."""
        self.fault = Fault(**fault)
        try:
            yield
        finally:
            self.fault = None

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.requests += 1
            fault = self.fault
            if fault is None or not fault.times or not fault.only(method, path):
                return None
            fault.times -= 1
            return fault

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        flaky, target = self, self._target

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body are two packets. The second would wait 40 ms for an acknowledgement.
            disable_nagle_algorithm = True

            def log_message(self, *_) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if flaky._refuses:
                    raise ConnectionRefusedError
                fault = flaky.take_fault(self.command, self.path)
                if fault and fault.delay_s:
                    time.sleep(fault.delay_s)
                if fault and fault.status:
                    error = f"<Error><Code>{fault.code}</Code><Message>told to</Message></Error>"
                    self.give(fault.status, {"Content-Type": "application/xml"}, error.encode())
                    return
                upstream = http.client.HTTPConnection(target, timeout=60)
                try:
                    upstream.request(self.command, self.path, body, dict(self.headers.items()))
                    found = upstream.getresponse()
                    self.give(found.status, dict(found.getheaders()), found.read(), fault)
                finally:
                    upstream.close()

            def give(self, status, headers, content, fault=None) -> None:
                size = {name.lower(): value for name, value in headers.items()}
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                length = size.get("content-length") if self.command == "HEAD" else len(content)
                self.send_header("Content-Length", str(length or 0))
                self.end_headers()
                if self.command == "HEAD":
                    return
                if fault and fault.cut and content:
                    self.wfile.write(content[: len(content) // 2])
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

            def handle(self) -> None:
                try:
                    super().handle()
                except (ConnectionError, ValueError, OSError):
                    self.close_connection = True  # The client went away, or the answer was cut.

        return Handler
