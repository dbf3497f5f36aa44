"""A socket in use is handed to another program; what that one gets from it is printed."""
import array
import ctypes
import os
import socket
import subprocess
import sys

PEER = (sys.argv[2], int(sys.argv[3]))
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def asked():
    s = socket.create_connection(PEER)
    s.sendall(REQUEST)
    return s


def exec_without_environment():
    """As inetd and its kin do."""
    s = asked()
    os.dup2(s.fileno(), 0)
    os.execve("/usr/bin/head", ["head", "-n", "1"], {})


def spawn_without_environment():
    s = asked()
    print(subprocess.run(["head", "-n", "1"], stdin=s, env={}, check=True, capture_output=True).stdout.decode())


def by_system():
    """libc spawns the shell by itself."""
    s = asked()
    os.dup2(s.fileno(), 7)
    os.system("head -n 1 <&7")


def by_system_as_another():
    """The program has been root, as its housekeeper still is."""
    s = asked()
    os.dup2(s.fileno(), 7)
    os.setgroups([])
    os.setuid(65534)
    os.system("head -n 1 <&7")


def by_popen():
    s = asked()
    os.dup2(s.fileno(), 7)
    libc = ctypes.CDLL(None)
    libc.popen.restype = ctypes.c_void_p
    libc.pclose(ctypes.c_void_p(libc.popen(b"head -n 1 <&7", b"w")))


RECEIVER = """
import array, os, socket
one, control, _, _ = socket.socket(fileno=0).recvmsg(1, socket.CMSG_SPACE(4))
s = socket.socket(fileno=array.array("i", control[0][2])[0])
pid = os.fork()
if pid == 0:
    print(s.getpeername()[1], s.makefile("rb").readline().decode().strip(), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""


def received_by_a_new_image():
    """A program that was executed before the socket was made, has made none itself, and forks to use it."""
    ours, theirs = socket.socketpair()
    with socket.create_connection(PEER, 20):
        child = subprocess.Popen([sys.executable, "-c", RECEIVER], stdin=theirs)
    s = asked()
    ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
    s.close()
    child.wait(30)


globals()[sys.argv[1]]()
