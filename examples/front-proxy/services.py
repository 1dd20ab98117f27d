"""The services behind the front proxy: each answers with its name and with the request as it arrived, in JSON.

    python3 services.py                 each on its port of envoy.yaml
    python3 services.py --free-ports    each on any free port

One line a service says where it listens: NAME PORT.
"""

import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SERVICES = {
    "catalog": 9100,
    "microservice-b": 9110,
    "microservice-b-dev1": 9111,
    "microservice-b-dev2": 9112,
    "microservice-b-dev3": 9113,
    "shop-v1": 9121,
    "shop-v2": 9122,
}


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open, as Envoy expects
    wbufsize = -1  # headers and body in one packet: the second of two would wait 40 ms for the first's receipt

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {}
        for name, value in self.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        request = {
            "service": self.server.service,
            "method": self.command,
            "path": self.path,
            "headers": {name: ", ".join(values) for name, values in headers.items()},
        }
        body = (json.dumps(request, indent=2) + "\n").encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-powered-by", "services.py")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def listen(name, port):
    try:
        server = Server(("127.0.0.1", port), Echo)
    except OSError as error:
        sys.exit(f"services.py: {name} cannot listen on 127.0.0.1:{port}: {error.strerror}")
    server.service = name
    return server


def main():
    free = sys.argv[1:] == ["--free-ports"]
    if sys.argv[1:] and not free:
        sys.exit(__doc__)
    end = [signal.SIGINT, signal.SIGTERM]
    signal.pthread_sigmask(signal.SIG_BLOCK, end)  # also in the threads, so that the signal waits for us below
    for server in [listen(name, 0 if free else port) for name, port in SERVICES.items()]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.service, server.server_port, flush=True)
    signal.sigwait(end)


if __name__ == "__main__":
    main()
