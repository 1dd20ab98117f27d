"""A service: it answers with the headers of the request. /reports takes a second, and /chat says what it has cost."""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/reports"):
            time.sleep(1)
        body = str(self.headers).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        if self.path.startswith("/chat"):
            self.send_header("x-tokens-used", "400")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


Server(("127.0.0.1", 9100), Service).serve_forever()
