"""Two tun devices with a wire between them: what goes into one comes out of the other.

usage: tun_join.py NAME NAME

Makes both in this namespace (they may be moved to others), says "ready", and ends with its stdin.
"""
import fcntl
import os
import select
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


a, b = map(tun, sys.argv[1:])
to = {a: b, b: a}
print("ready", flush=True)
while True:
    ready = select.select([a, b, 0], [], [])[0]
    if 0 in ready:
        break
    for fd in ready:
        packet = os.read(fd, 65536)
        try:
            os.write(to[fd], packet)
        except OSError:  # the other end is down
            pass
