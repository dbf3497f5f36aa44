"""A client that waits while its interface goes down and up again.

usage: link_down.py PEER     (PEER runs puppet.py)

Lines on standard input: "idle" waits half a second with nothing to do and says whether that was quiet; "talk" has the
puppet send five bytes and says what came.
"""
import selectors
import socket
import sys
import time

conn = socket.create_connection((sys.argv[1], 9))
sel = selectors.EpollSelector()
sel.register(conn, selectors.EVENT_READ)
print("connected", flush=True)
for line in sys.stdin:
    if line.strip() == "idle":
        cpu = time.process_time()
        sel.select(0.5)
        print("quiet" if time.process_time() - cpu < 0.1 else "busy", flush=True)
    else:
        conn.send(b"s 5\n")
        sel.select(10)
        print(conn.recv(100), flush=True)
