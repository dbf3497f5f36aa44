"""A server that is stopped (SIGSTOP) in the middle of things, and the peer that must not notice.

   stopped.py serve ADDRESS PORT       says how many bytes each connection brought, on one after the other
   stopped.py peer ADDRESS PORT PID    stops and continues the server with this PID
"""
import fcntl
import os
import signal
import socket
import struct
import sys
import termios
import time

role, address = sys.argv[1], (sys.argv[2], int(sys.argv[3]))
PATIENCE = 20


def serve():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(5)
    while True:
        connection, _ = listener.accept()
        with connection:
            n = 0
            while data := connection.recv(65536):
                n += len(data)
            connection.sendall(b"%d" % n)


def unacknowledged(s):
    return struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, b"\0" * 4))[0]


def states(pid):
    """Of its threads, as letters."""
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as f:
            found.add(f.read().rsplit(")", 1)[1].split()[0])
    return found


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            print("never:", what)
            sys.exit(1)
        time.sleep(0.001)


def stop(pid):
    """While it sleeps."""
    until(lambda: states(pid) == {"S"}, "asleep")
    os.kill(pid, signal.SIGSTOP)
    until(lambda: states(pid) == {"T"}, "stopped")


def peer(pid):
    first = socket.create_connection(address, PATIENCE)
    first.sendall(b"x" * 1000)
    until(lambda: unacknowledged(first) == 0, "acknowledged by one that runs")
    stop(pid)
    for _ in range(20):
        first.sendall(b"x" * 1000)
        until(lambda: unacknowledged(first) == 0, "acknowledged by one that is stopped")
    second = socket.create_connection(address, PATIENCE)
    second.sendall(b"y" * 500)
    until(lambda: unacknowledged(second) == 0, "a new connection's data")
    assert states(pid) == {"T"}
    print("it lives while stopped")
    os.kill(pid, signal.SIGCONT)
    for s in first, second:
        s.shutdown(socket.SHUT_WR)
        print(s.recv(100).decode())
    # Again, so that it has served itself in between.
    third = socket.create_connection(address, PATIENCE)
    stop(pid)
    third.sendall(b"z" * 5000)
    third.shutdown(socket.SHUT_WR)
    until(lambda: unacknowledged(third) == 0, "acknowledged with the end")
    os.kill(pid, signal.SIGCONT)
    print(third.recv(100).decode())


if role == "serve":
    serve()
else:
    peer(int(sys.argv[4]))
