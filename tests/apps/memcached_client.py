"""A client of memcached's: stores and reads back over TCP, with several connections at once, and over UDP."""
import os
import socket
import sys

ADDRESS = (sys.argv[1], 11211)
CONNECTIONS = 50
ROUNDS = 40


def read_until(f, end):
    text = b""
    while not text.endswith(end):
        line = f.readline()
        if not line:
            raise EOFError(text)
        text += line
    return text


def store(f, key, value):
    f.write(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
    f.flush()
    assert f.readline() == b"STORED\r\n"


def fetch(f, key):
    f.write(b"get %s\r\n" % key)
    f.flush()
    head = f.readline().split()
    value = f.read(int(head[3]))
    read_until(f, b"END\r\n")
    return value


def many():
    files = [socket.create_connection(ADDRESS, 20).makefile("rwb") for _ in range(CONNECTIONS)]
    for turn in range(ROUNDS):
        for i, f in enumerate(files):
            store(f, b"key%d" % i, b"%d of %d" % (turn, i))
        for i, f in enumerate(files):
            assert fetch(f, b"key%d" % (CONNECTIONS - 1 - i)) == b"%d of %d" % (turn, CONNECTIONS - 1 - i)


def large():
    with socket.create_connection(ADDRESS, 20) as s, s.makefile("rwb") as f:
        value = os.urandom(900000)
        for _ in range(10):
            store(f, b"large", value)
            assert fetch(f, b"large") == value


def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        head = bytes((0, 7, 0, 0, 0, 1, 0, 0))
        s.sendto(head + b"get key0\r\n", ADDRESS)
        answer = s.recv(2000)
        assert answer[:2] == head[:2] and b"%d of 0" % (ROUNDS - 1) in answer, answer


many()
large()
datagram()
print("all is well")
