"""The peer of call_cases: what it does depends on the port.

usage: peer.py ADDRESS

TCP 7 echoes; 8 sends 1000 bytes and closes; 10 resets as soon as it has read a byte; 11 accepts and does nothing;
12 reads everything to the end, then says how much in text; 14 reads "tcp PORT" or "udp PORT", and calls back there: sends
"hello", and over TCP echoes. UDP 7 echoes; 13 answers with 3000 bytes.
"""
import selectors
import socket
import struct
import sys
import threading

address = sys.argv[1]


def echo(conn):
    while data := conn.recv(65536):
        conn.sendall(data)


def thousand(conn):
    conn.sendall(b"x" * 1000)


def reset(conn):
    conn.recv(1)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silent(conn):
    threading.Event().wait(30)


def count(conn):
    n = 0
    while data := conn.recv(65536):
        n += len(data)
    conn.sendall(b"%d\n" % n)


def call_back(conn):
    kind, port = conn.recv(100).decode().split()
    where = (conn.getpeername()[0], int(port))
    if kind == "tcp":
        with socket.create_connection(where, timeout=10) as back:
            back.sendall(b"hello")
            echo(back)
    else:
        caller.sendto(b"hello", where)
    conn.recv(1)


def serve(conn, fn):
    try:
        fn(conn)
    except OSError:
        pass
    conn.close()


# One socket for all: a second could not be bound to the port as long as the first one is not closed.
caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
caller.bind((address, 15))
sel = selectors.DefaultSelector()
for port, fn in (7, echo), (8, thousand), (10, reset), (11, silent), (12, count), (14, call_back):
    s = socket.create_server((address, port), backlog=64)
    sel.register(s, selectors.EVENT_READ, ("tcp", fn))
for port in 7, 13:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, port))
    sel.register(s, selectors.EVENT_READ, ("udp", port))
print("ready", flush=True)
while True:
    for key, _ in sel.select():
        kind, what = key.data
        if kind == "tcp":
            conn, _ = key.fileobj.accept()
            threading.Thread(target=serve, args=(conn, what), daemon=True).start()
        else:
            data, who = key.fileobj.recvfrom(65536)
            key.fileobj.sendto(data if what == 7 else b"y" * 3000, who)
