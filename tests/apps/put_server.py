"""A server that takes uploads: PUT stores the body under the name given, in the directory argv[3].

usage: put_server.py ADDRESS PORT DIRECTORY
"""
import http.server
import os
import shutil
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        if self.headers.get("Expect") == "100-continue":
            pass  # already answered by the base class
        with open(os.path.join(sys.argv[3], os.path.basename(self.path)), "wb") as out:
            while left:
                data = self.rfile.read(min(left, 1 << 18))
                if not data:
                    break
                out.write(data)
                left -= len(data)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        with open(os.path.join(sys.argv[3], os.path.basename(self.path)), "rb") as src:
            self.send_response(200)
            self.send_header("Content-Length", str(os.fstat(src.fileno()).st_size))
            self.end_headers()
            shutil.copyfileobj(src, self.wfile, 1 << 18)

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
