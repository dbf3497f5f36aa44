"""A peer that does what it is told: the other end of poll_epoll_cases.

usage: puppet.py ADDRESS [PORT]

TCP 9, or PORT: lines of commands come in over the connection and are carried out one after the other:
  s N  send N bytes        o    send one urgent byte
  f    send a FIN          r    reset the connection        c  close it
  d N  wait N milliseconds
  n    read everything up to the end, then say how many bytes it was, and their checksum
  k A P N  open N connections to address A, port P, and keep them
  K A P N  try N connections to address A, port P, for 300 ms, say how many there are, and close them
  x    send everything back, up to the end
  e N  read N bytes from the last of those; E N  from each of them, and close them
  p T  send the text T over the last of those; g N  read N bytes from it, and send them back
  z    close it; v: with a reset, when it is closed
  t T  this connection has the name T from now on: say so with one byte, read until it ends, and keep how
  ? T  how the connection with that name ended, and with how many bytes: wait for it (10 s), say it, close
  ! T  has it ended? "ended" or "lives"
UDP there: the same, for s and d: N is the size of one datagram. And
  h    say with which TTL and TOS this datagram came, and from where
"""
import select
import socket
import struct
import sys
import threading
import time
import zlib

address = sys.argv[1]
port = int(sys.argv[2]) if len(sys.argv) > 2 else 9
IP_RECVTTL = 12
kept = []
ends = {}  # name: [event, text, bytes]


def watch(name, conn):
    end = ends[name] = [threading.Event(), "lives", 0]
    conn.sendall(b".")
    try:
        while data := conn.recv(65536):
            end[2] += len(data)
        end[1] = "eof"
    except OSError as e:
        end[1] = type(e).__name__
    end[0].set()


def watched(name):
    """The end of the connection with that name, which may still have to come, and is asked for once."""
    for _ in range(1000):
        if name in ends:
            return ends.pop(name)
        time.sleep(0.01)
    raise KeyError(name)


def obey(words, conn, who=None, lines=None):
    words = [w.decode() for w in words]
    while words:
        word = words.pop(0)
        if word == "s" and who:
            conn.sendto(b"x" * int(words.pop(0)), who)
        elif word == "s":
            conn.sendall(b"x" * int(words.pop(0)))
        elif word == "o":
            conn.send(b"u", socket.MSG_OOB)
        elif word == "f":
            conn.shutdown(socket.SHUT_WR)
        elif word == "d":
            time.sleep(int(words.pop(0)) / 1000)
        elif word == "n":
            data = b"".join(iter(lambda: lines.read(65536), b""))
            conn.sendall(b"%d bytes, sum %d\n" % (len(data), zlib.crc32(data)))
        elif word == "x":
            for data in iter(lambda: lines.read1(65536), b""):
                conn.sendall(data)
        elif word == "k":
            to = (words.pop(0), int(words.pop(0)))
            kept.extend(socket.create_connection(to) for _ in range(int(words.pop(0))))
        elif word == "K":
            to = (words.pop(0), int(words.pop(0)))
            tried = [socket.socket() for _ in range(int(words.pop(0)))]
            for s in tried:
                s.setblocking(False)
                s.connect_ex(to)
                select.select([], [s], [], 0.1)
            time.sleep(0.2)
            conn.sendall(b"%d" % len(select.select([], tried, [], 0)[1]))
            for s in tried:
                s.close()
        elif word == "e":
            left = int(words.pop(0))
            while left > 0:
                left -= len(kept[-1].recv(min(left, 65536))) or left
        elif word == "E":
            n = int(words.pop(0))
            for k in kept:
                k.recv(n, socket.MSG_WAITALL)
                k.close()
            kept.clear()
        elif word == "p":
            kept[-1].sendall(words.pop(0).encode())
        elif word == "g":
            conn.sendall(kept[-1].recv(int(words.pop(0)), socket.MSG_WAITALL))
        elif word == "v":
            kept[-1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif word == "z":
            kept.pop().close()
        elif word == "t":
            watch(words.pop(0), conn)
            return False
        elif word == "?":
            end = watched(words.pop(0))
            end[0].wait(10)
            conn.sendall(f"{end[1]} {end[2]}".encode())
            return False
        elif word == "!":
            conn.sendall(b"ended" if ends[words.pop(0)][0].is_set() else b"lives")
        elif word == "r":
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        elif word == "c":
            return False
    return True


def serve(conn):
    try:
        lines = conn.makefile("rb")
        for line in lines:
            if not obey(line.split(), conn, lines=lines):
                break
    except OSError:
        pass
    # makefile() holds the socket too: detach it for good.
    socket.close(conn.detach())


def puppet():
    listener = socket.create_server((address, port), backlog=256)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, port))
    udp.setsockopt(socket.SOL_IP, IP_RECVTTL, 1)
    udp.setsockopt(socket.SOL_IP, socket.IP_RECVTOS, 1)
    print("ready", flush=True)
    while True:
        for s in select.select([listener, udp], [], [])[0]:
            if s is udp:
                data, control, _, who = udp.recvmsg(65536, 1024)
                if data == b"h":
                    field = {kind: data[0] for _, kind, data in control}
                    text = "TTL %d TOS %d from %s" % (field[socket.IP_TTL], field[socket.IP_TOS], who[0])
                    udp.sendto(text.encode(), who)
                    continue
                obey(data.split(), udp, who)
            else:
                threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()


puppet()
