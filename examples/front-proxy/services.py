"""The services behind the front proxy: each answers with its name and with the request as it arrived, in JSON.

    python3 services.py                 each on its port of envoy.yaml
    python3 services.py --free-ports    each on any free port

One line a service says where it listens: NAME PORT. Asked for /received, each tells how many requests it has had, and
shows the latest. Asked for /chat, each says what the answer has cost: x-tokens-used. Two have their faults: reports takes
2 seconds, and rates fails twice (503) before it succeeds.
"""

import collections
import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SERVICES = {
    "catalog": 9100,
    "microservice-b": 9110,
    "microservice-b-dev1": 9111,
    "microservice-b-dev2": 9112,
    "microservice-b-dev3": 9113,
    "shop-v1": 9121,
    "shop-v2": 9122,
    "reports": 9130,
    "rates": 9140,
    "orders": 9150,
    "orders-next": 9151,
}


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open, as Envoy expects
    wbufsize = -1  # headers and body in one packet: the second of two would wait 40 ms for the first's receipt

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/received":
            self.send(200, self.server.told())
            return
        headers = {}
        for name, value in self.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        request = {
            "service": self.server.name,
            "method": self.command,
            "path": self.path,
            "headers": {name: ", ".join(values) for name, values in headers.items()},
        }
        status = 200
        tries = self.server.count(request)
        if self.server.name == "reports":
            time.sleep(2)
        if self.server.name == "rates":
            request["tries"] = tries
            status = 503 if tries <= 2 else 200
        self.send(status, request)

    def send(self, status, content):
        body = (json.dumps(content, indent=2) + "\n").encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-powered-by", "services.py")
        if self.path == "/chat":
            self.send_header("x-tokens-used", "400")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name, port):
        self.name = name
        self.lock = threading.Lock()
        self.requests = 0
        self.latest = collections.deque(maxlen=20)
        super().__init__(("127.0.0.1", port), Echo)

    def count(self, request):
        """Which try of this request it is: Envoy gives each a number, which its retries keep."""
        number = request["headers"].get("x-request-id")
        with self.lock:
            self.requests += 1
            self.latest.append(request)
            return sum(other["headers"].get("x-request-id") == number for other in self.latest)

    def told(self):
        with self.lock:
            return {"service": self.name, "requests": self.requests, "latest": list(self.latest)}

    def handle_error(self, request, client_address):
        # Envoy gives up a request whose time is over.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def listen(name, port):
    try:
        return Server(name, port)
    except OSError as error:
        sys.exit(f"services.py: {name} cannot listen on 127.0.0.1:{port}: {error.strerror}")


def main():
    free = sys.argv[1:] == ["--free-ports"]
    if sys.argv[1:] and not free:
        sys.exit(__doc__)
    end = [signal.SIGINT, signal.SIGTERM]
    signal.pthread_sigmask(signal.SIG_BLOCK, end)  # also in the threads, so that the signal waits for us below
    for server in [listen(name, 0 if free else port) for name, port in SERVICES.items()]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.name, server.server_port, flush=True)
    signal.sigwait(end)


if __name__ == "__main__":
    main()
