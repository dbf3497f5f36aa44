"""A program that gives up root in several ways; what it prints is compared by test_privilege.sh."""
import ctypes
import os
import socket
import sys

"a".encode("idna")  # files that nobody may not read, now
NOBODY = 65534
PEER = (sys.argv[2], int(sys.argv[3]))
libc = ctypes.CDLL(None, use_errno=True)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def get():
    with socket.create_connection(PEER, 20) as s, s.makefile("rb") as f:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return f.readline().split()[1].decode()


def in_child(body):
    pid = os.fork()
    if pid == 0:
        try:
            body()
            os._exit(0)
        except BaseException as e:
            print(e, file=sys.stderr)
            os._exit(1)
    return pid


def there_and_back():
    """What is kept for later is given back with the right."""
    before = descriptors()
    os.seteuid(NOBODY)
    dropped = descriptors()
    os.seteuid(0)
    print(dropped - before, descriptors() - before, get())


def effective_only():
    os.seteuid(NOBODY)
    print(get())
    os.seteuid(0)
    print(get())


def by_number():
    SYS_setresuid = {"x86_64": 117, "aarch64": 147}[os.uname().machine]
    libc.syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY)
    print(os.geteuid() == NOBODY, get())


def family():
    """Children that have nothing in common but what their parent kept."""
    os.setresuid(NOBODY, NOBODY, NOBODY)

    def child():
        for _ in range(20):
            assert get() == "200"

    children = [in_child(child) for _ in range(6)]
    print([os.waitpid(pid, 0)[1] for pid in children])


def died():
    """Some die early, perhaps while they make the stack; the next makes it, or what is left of it, anew."""
    os.setresuid(NOBODY, NOBODY, NOBODY)
    good = 0
    for i in range(30):
        pid = in_child(get)
        if i % 2 == 0:
            libc.usleep(i * 100)
            os.kill(pid, 9)
        good += os.waitpid(pid, 0)[1] == 0
    print("some" if good >= 15 else good)


def execute():
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if "first" in sys.argv:
        get()
    os.execv("/bin/sh", ["sh", "-c", "ls -l /proc/$$/fd 2>/dev/null | grep -c -e memfd:libshim -e socket:"])


globals()[sys.argv[1]]()
