"""A program that gives up root in several ways; what it prints is compared by test_privilege.sh."""
import ctypes
import errno
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


def rights_of_one_thread():
    """libc changes identities in every thread, and aborts where one may not what another may."""
    PR_SET_KEEPCAPS = 8
    SYS_capget, SYS_capset = {"x86_64": (125, 126), "aarch64": (90, 91)}[os.uname().machine]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(PEER)
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([NOBODY])
        os.setresgid(NOBODY, 0, 0)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        head = (ctypes.c_uint32 * 2)(0x20080522, 0)
        data = (ctypes.c_uint32 * 6)()
        libc.syscall(SYS_capget, head, data)
        data[0], data[3] = data[1], data[4]
        libc.syscall(SYS_capset, head, data)
        os.initgroups("root", 0)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        print(os.getresuid(), os.getresgid(), 0 in os.getgroups(), len(os.listdir("/proc/self/task")))
    print(get())


def name_spaces():
    """Calls that the kernel refuses to a process with threads."""
    CLONE_NEWNS = 0x20000
    with socket.create_connection(PEER, 20) as s, s.makefile("rb") as f:
        with open("/proc/self/ns/mnt") as ns:
            print(libc.setns(ns.fileno(), CLONE_NEWNS), libc.setns(0, 0) < 0 and ctypes.get_errno() == errno.EINVAL)
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        print(f.readline().split()[1].decode())


globals()[sys.argv[1]]()
