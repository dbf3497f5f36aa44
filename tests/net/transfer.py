"""Moves content whose every byte is known, and tells where it went wrong.

usage: transfer.py serve ADDRESS PORT [CONGESTION-CONTROL]
       transfer.py get|put ADDRESS PORT BYTES [wait-half] [wait-end]
       transfer.py echo ADDRESS PORT SIZE ...
       transfer.py flood ADDRESS PORT COUNT

serve: over TCP sends to a get and checks what comes from a put; over UDP echoes.
get, put: print "half" after half of the bytes. At the end two lines: the number of bytes and "unharmed", or what is
wrong; the segment size in use. The status says it too. They wait for a line on stdin where they are told to.
echo: datagrams of these sizes there and back.
flood: so many small datagrams, as fast as it can.
"""
import itertools
import random
import socket
import sys
import threading

BLOCK = 64 * 1024
NOISE = random.Random(1).randbytes(4 * BLOCK)


def content(total):
    """Blocks that begin with their number, and differ from each other."""
    for i in itertools.count():
        size = min(BLOCK, total - i * BLOCK)
        if size <= 0:
            return
        at = i * 1031 % (3 * BLOCK)
        yield (i.to_bytes(8, "big") + NOISE[at:at + BLOCK - 8])[:size]


def send_all(conn, total, half=lambda: None):
    sent = 0
    for block in content(total):
        conn.sendall(block)
        if sent < total // 2 <= sent + len(block):
            half()
        sent += len(block)


def receive_all(conn, total, half=lambda: None):
    """The number of bytes that came, and a word on them."""
    at = 0
    for want in content(total):
        got = bytearray()
        while len(got) < len(want):
            data = conn.recv(len(want) - len(got))
            if not data:
                return at + len(got), "too short"
            got += data
        if got != want:
            wrong = next(i for i in range(len(want)) if got[i] != want[i])
            return at + wrong, "wrong from here on"
        if at < total // 2 <= at + len(got):
            half()
        at += len(got)
    if conn.recv(1):
        return at, "too long"
    return at, "unharmed"


def attend(conn):
    with conn:
        what, total = conn.makefile("rb", 0).readline().split()
        if what == b"get":
            send_all(conn, int(total))
        else:
            at, word = receive_all(conn, int(total))
            conn.sendall(b"%d %s\n" % (at, word.encode()))


def serve(where):
    listener = socket.create_server(where, backlog=64)
    if len(sys.argv) > 4:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, sys.argv[4].encode())
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(where)

    def echo_on():
        while True:
            data, who = udp.recvfrom(65536)
            udp.sendto(data, who)

    threading.Thread(target=echo_on, daemon=True).start()
    print("ready", flush=True)
    while True:
        threading.Thread(target=attend, args=(listener.accept()[0],), daemon=True).start()


def half_way():
    print("half", flush=True)
    if "wait-half" in sys.argv:
        sys.stdin.readline()


def transfer(what, where, total):
    with socket.create_connection(where) as conn:
        conn.sendall(b"%s %d\n" % (what.encode(), total))
        if what == "get":
            at, word = receive_all(conn, total, half_way)
        else:
            send_all(conn, total, half_way)
            conn.shutdown(socket.SHUT_WR)
            at, word = conn.makefile("rb").readline().decode().strip().split(" ", 1)
        print(at, word, flush=True)
        print("segments of", conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG), flush=True)
        if "wait-end" in sys.argv:
            sys.stdin.readline()
        return word == "unharmed"


def echo(where, sizes):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(20)
    s.connect(where)
    for size in map(int, sizes):
        data = NOISE[size:2 * size]
        s.send(data)
        print(size, "unharmed" if s.recv(65536) == data else "wrong", flush=True)


def flood(where, count):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(where)
    for _ in range(count):
        try:
            s.send(b"0123456789")
        except OSError:
            pass


verb, where = sys.argv[1], (sys.argv[2], int(sys.argv[3]))
if verb == "serve":
    serve(where)
elif verb == "echo":
    echo(where, sys.argv[4:])
elif verb == "flood":
    flood(where, int(sys.argv[4]))
elif not transfer(verb, where, int(sys.argv[4])):
    sys.exit(1)
