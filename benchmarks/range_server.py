"""A server of the files of a folder, as S3 answers HEAD and GET with a range: the client's cost
shows.

python benchmarks/range_server.py FOLDER [--delay-ms N] -H HOST -p PORT

It knows nothing else of S3 and checks no signature. Of a folder it lists no file. A thread per
connection sends a file by the kernel, without copying it through Python.
"""

import argparse
import os
import re
import socketserver
import sys
import time
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

RANGE = re.compile(rb"^range: *bytes=(\d+)-(\d*)\r$", re.IGNORECASE | re.MULTILINE)
NO_KEYS = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
FOLDER, DELAY_S = Path(), 0.0


class Connection(socketserver.StreamRequestHandler):
    """Answers the requests of one client."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            while first := self.rfile.readline():
                method, target, _ = first.split(b" ", 2)
                lines = []
                while (line := self.rfile.readline()) not in (b"\r\n", b""):
                    lines.append(line)
                self.answer(method, urlsplit(target.decode()), b"".join(lines))
        except ConnectionError:  # Hadoop breaks off what it does not read to the end.
            return

    def answer(self, method: bytes, target, headers: bytes) -> None:  # type: ignore[no-untyped-def]
        time.sleep(DELAY_S)
        if "list-type" in target.query:
            self.send("200 OK", len(NO_KEYS), "Content-Type: application/xml", NO_KEYS)
            return
        try:  # the path is /BUCKET/KEY
            file = os.open(FOLDER / unquote(target.path).split("/", 2)[2], os.O_RDONLY)
        except (OSError, IndexError):
            self.send("404 Not Found", 0)
            return
        try:
            self.send_file(file, method, RANGE.search(headers))
        finally:
            os.close(file)

    def send_file(self, file: int, method: bytes, asked: re.Match[bytes] | None) -> None:
        status = os.fstat(file)
        start, stop = 0, status.st_size
        if asked:
            start = int(asked[1])
            stop = min(stop, int(asked[2]) + 1) if asked[2] else stop
            if start >= stop:
                self.send("416 Range Not Satisfiable", 0)
                return
        more = (
            f'ETag: "{status.st_mtime_ns:032x}"\r\nAccept-Ranges: bytes\r\n'
            f"Last-Modified: {formatdate(status.st_mtime, usegmt=True)}"
        )
        if asked:
            more += f"\r\nContent-Range: bytes {start}-{stop - 1}/{status.st_size}"
        self.send("206 Partial Content" if asked else "200 OK", stop - start, more)
        while method == b"GET" and start < stop:
            start += os.sendfile(self.connection.fileno(), file, start, stop - start)

    def send(self, status: str, length: int, more: str = "Server: x", body: bytes = b"") -> None:
        lines = (f"HTTP/1.1 {status}", f"Content-Length: {length}", "x-amz-request-id: 1", more)
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 64


def main() -> None:
    global FOLDER, DELAY_S
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-H", required=True)
    parser.add_argument("-p", type=int, required=True)
    parser.add_argument("--delay-ms", type=float, default=0.0, help="before each answer")
    args = parser.parse_args()
    FOLDER, DELAY_S = args.folder, args.delay_ms / 1e3
    with Server((args.H, args.p), Connection) as server:
        server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
