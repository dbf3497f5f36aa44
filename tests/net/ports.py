"""A client that makes many connections, for test_ports.sh.

ports.py fill IP PORT OTHER   holds connections to PORT until there are no more, then makes one to OTHER;
                              how many there were, the error's name, and what came of the other one
ports.py again IP PORT N      N connections, one after another, which the peer ends; binds a socket to a port that
                              one of them had, and connects that; waits for a line on standard input, and makes N more.
                              Says the smallest and the largest port after each N
"""
import errno
import socket
import sys
import time

REQUEST = b"s" * 80
what, ip, port, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def talk(conn):
    conn.sendall(REQUEST)
    got = 0
    while chunk := conn.recv(1000):
        got += len(chunk)
    assert got == 240, got
    name = conn.getsockname()[1]
    conn.close()
    return name


def talk_often(count):
    names = [talk(socket.create_connection((ip, port))) for _ in range(count)]
    print(min(names), max(names), flush=True)
    return names[0]


def bind_soon(sock, name):
    """The last connection may have had the port, too, and its end is not acknowledged at once."""
    for tries in range(1000):
        try:
            sock.bind(("", name))
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE or tries == 999:
                raise
            time.sleep(0.01)


def fill():
    held = []
    try:
        while True:
            held.append(socket.create_connection((ip, port)))
    except OSError as error:
        name = errno.errorcode[error.errno]
    names = {conn.getsockname()[1] for conn in held}
    try:
        socket.create_connection((ip, last)).close()
        other = "OK"
    except OSError as error:
        other = errno.errorcode[error.errno]
    print(len(held), len(names), name, other)


if what == "fill":
    fill()
else:
    first = talk_often(last)
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bind_soon(bound, first)
    bound.connect((ip, port))
    talk(bound)
    print("bound", flush=True)
    sys.stdin.readline()
    talk_often(last)
