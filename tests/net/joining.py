"""Sockets are handed to a process that was executed before there was a stack; what comes of it is printed.

joining.py CASE PORT: the sender. joining.py CASE PORT receive: what it executes first of all, with one end of a
socket pair as descriptor 0. The other host sends a line to the port, and gets it back, in capitals.
"""
import array
import os
import socket
import subprocess
import sys

CASE, PORT = sys.argv[1], int(sys.argv[2])
KIND = socket.SOCK_DGRAM if CASE == "datagrams" else socket.SOCK_STREAM


def say(*words):
    print(*words, flush=True)


# ---- the receiver ----


def receive_descriptor(channel):
    _, control, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4))
    return array.array("i", control[0][2])[0]


def answer_datagram(s):
    line, peer = s.recvfrom(100)
    s.sendto(line.upper(), peer)


def answer(connection):
    line = connection.recv(100)
    connection.sendall(line.upper())
    connection.shutdown(socket.SHUT_WR)
    connection.recv(100)


def use(fd):
    """Of what is received, a listener is accepted from."""
    s = socket.socket(fileno=fd)
    say("received", s.getsockname()[1])
    if KIND == socket.SOCK_DGRAM:
        answer_datagram(s)
    elif CASE == "connection":
        answer(s)
    else:
        answer(s.accept()[0])


def receive():
    channel = socket.socket(fileno=0)
    if CASE == "other_user":
        os.setgroups([])
        os.setuid(65534)
    if CASE in ("own_stack", "own_before"):
        own = socket.create_server(("", PORT + 1))
    if CASE == "own_closed":
        socket.socket().close()
    channel.send(b"!")
    fd = receive_descriptor(channel)
    if CASE == "executed":
        os.execv(sys.executable, [sys.executable, __file__, "use", str(PORT), str(fd)])
    if CASE == "own_first":
        with socket.socket() as own:
            own.bind(("", PORT + 1))
    if CASE in ("own_stack", "other_user"):
        try:
            socket.socket(fileno=fd).accept()
        except OSError as e:
            say(e.strerror)
        return
    if CASE == "forked":
        if os.fork() != 0:
            os.wait()
            return
    if CASE == "sender_gone":
        channel.recv(1)
    use(fd)


# ---- the sender ----


def send():
    ours, theirs = socket.socketpair()
    env = dict(os.environ)
    if CASE == "own_stack":
        env["SHIM_ECN"] = "1"  # with another configuration it is no relative
    receiver = subprocess.Popen([sys.executable, __file__, CASE, str(PORT), "receive"], stdin=theirs, env=env)
    theirs.close()
    ours.recv(1)
    s = socket.socket(type=KIND)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", PORT))
    if KIND == socket.SOCK_STREAM:
        s.listen()
    if CASE == "connection":
        say("listening")
        s, listener = s.accept()[0], s
        listener.close()
    ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
    if CASE == "sender_gone":
        os._exit(0)
    s.close()
    receiver.wait()


if CASE == "use":
    CASE = "executed"
    use(int(sys.argv[3]))
elif len(sys.argv) > 3:
    receive()
else:
    send()
