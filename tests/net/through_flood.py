"""A client that goes about its business while a server is being flooded.

usage: through_flood.py ADDRESS PORT FLOOD-COMMAND ...

Holds one connection, opened before the flood, on which it exchanges words all the time; and opens new ones, one after
the other, each of which exchanges one. Prints "old N new N": how many exchanges came through while the flood went on,
or the reason why one did not.
"""
import socket
import subprocess
import sys
import time

address = (sys.argv[1], int(sys.argv[2]))


def connect():
    s = socket.create_connection(address, timeout=20)
    s.settimeout(20)
    return s


def exchange(s, word):
    s.sendall(word)
    got = b""
    while len(got) < len(word):
        part = s.recv(len(word) - len(got))
        if not part:
            raise OSError("end of stream")
        got += part
    if got != word:
        raise OSError("other words came back")


old = connect()
exchange(old, b"before")
flood = subprocess.Popen(sys.argv[3:], stdout=subprocess.DEVNULL)
olds = news = 0
longest = 0.0
try:
    while flood.poll() is None:
        exchange(old, b"held %d" % olds)
        olds += 1
        begun = time.monotonic()
        with connect() as new:
            exchange(new, b"new %d" % news)
        longest = max(longest, time.monotonic() - begun)
        news += 1
    exchange(old, b"after")
except OSError as e:
    flood.kill()
    sys.exit(f"after {olds} and {news}: {e}")
print(f"old {olds} new {news}")
print(f"longest {longest * 1000:.0f} ms", file=sys.stderr)
