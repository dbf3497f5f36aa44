#!/usr/bin/env python3
"""Writes the seed inputs of the fuzz targets of the wire formats into corpus/TARGET beside this script.

The files are kept in the repository; run this again after adding an input here. Inputs that were found by
fuzzing are added to the same directories by hand and are not touched.
"""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
MAC_A = bytes.fromhex("02000000000a")
MAC_B = bytes.fromhex("02000000000b")
IP_A = bytes([192, 0, 2, 1])
IP_B = bytes([192, 0, 2, 2])


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(ethtype, payload=b"", dst=MAC_B, tags=()):
    tag = b"".join(struct.pack("!HH", 0x8100, t) for t in tags)
    return dst + MAC_A + tag + struct.pack("!H", ethtype) + payload


def arp(op, tha=b"\0" * 6, spa=IP_A, tpa=IP_B, kind=(1, 0x0800, 6, 4)):
    return struct.pack("!HHBBH", *kind, op) + MAC_A + spa + tha + tpa


def ipv4(proto, payload=b"", options=b"", flags=0x4000, total=None, ident=0x1234):
    assert len(options) % 4 == 0
    words = 5 + len(options) // 4
    if total is None:
        total = words * 4 + len(payload)
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, total, ident, flags, 64, proto, 0)
    head += IP_A + IP_B + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def icmp(kind, code, rest=b"\0" * 4, body=b""):
    message = struct.pack("!BBH", kind, code, 0) + rest + body
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def transport(proto, segment, at):
    pseudo = IP_A + IP_B + struct.pack("!HH", proto, len(segment))
    value = checksum(pseudo + segment) or 0xFFFF
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


def udp(payload=b"", length=None, summed=True):
    length = 8 + len(payload) if length is None else length
    datagram = struct.pack("!HHHH", 49152, 53, length, 0) + payload
    return transport(17, datagram, 6) if summed else datagram


def tcp(flags, options=b"", payload=b"", urg=0, offset=None):
    assert len(options) % 4 == 0
    offset = 5 + len(options) // 4 if offset is None else offset
    head = struct.pack("!HHIIBBHHH", 49152, 80, 0x89ABCDEF, 0x01234567, offset << 4, flags,
                       64240, 0, urg)
    return transport(6, head + options + payload, 16)


MSS = bytes.fromhex("020405b4")
TS = bytes.fromhex("080a00003039fedcba98")
SACK_OK = bytes.fromhex("0402")
WSCALE = bytes.fromhex("01030307")
NOP2 = bytes.fromhex("0101")
SYN_OPTIONS = MSS + SACK_OK + TS + WSCALE


def sack(*blocks):
    return struct.pack("!BB", 5, 2 + 8 * len(blocks)) + b"".join(
        struct.pack("!II", *b) for b in blocks)


FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << i for i in range(8))

DNS_QUERY = (bytes.fromhex("123401000001000000000000") + b"\7example\3com\0"
             + bytes.fromhex("00010001"))


# Steps of the target "net" (fuzz_net.c).
FRAME, TIME, SEND, SHORT, MEND, OTHER_NIF, CSUM_GOOD, SUPER = 0, 1, 2, 3, 4, 8, 16, 32


def step(kind, data=b"", arg=0):
    return struct.pack("!BBH", kind, arg, len(data)) + data


def wait(milliseconds):
    return struct.pack("!BBH", TIME, 0, milliseconds)


def frame(packet, kind=MEND, arg=0):
    return step(FRAME | kind, eth(0x0800, packet), arg)


def arp_reply(spa=IP_A):
    return step(FRAME, eth(0x0806, arp(2, tha=MAC_B, spa=spa).ljust(46, b"\0")))


def fragments(proto, payload, size, order=None, ident=7):
    pieces = []
    for at in range(0, len(payload), size):
        more = 0x2000 if at + size < len(payload) else 0
        pieces.append(frame(ipv4(proto, payload[at:at + size], flags=more | at // 8, ident=ident)))
    return b"".join(pieces[i] for i in (order or range(len(pieces))))


def about_ours(kind, code, rest=b"\0" * 4, dst=IP_A):
    """An ICMP error about a datagram of ours from port 53 to port 49152."""
    ours = struct.pack("!HHHH", 53, 49152, 12, 0) + b"data"
    quote = ipv4(17, ours, total=1500)
    quote = quote[:12] + IP_B + dst + quote[20:]
    return frame(ipv4(1, icmp(kind, code, rest, quote)))


# Steps of the target "tcp_machine" (fuzz_tcp_machine.c). Flags are given as they are on the wire; the
# machine turns ACK around unless told otherwise.
O_MSS, O_SCALE, O_TS, O_OLD_TS, O_URGENT, O_GSO, O_RAW, O_OTHER = (1 << i for i in range(8))
T_CONNECT, T_LISTEN, T_ACCEPT, T_UNLISTEN, T_SEND, T_SEND_FLAGS, T_RECV, T_RECV_FLAGS = 0, 1, 2, 3, 4, 6, 7, 9
T_SHUTDOWN, T_CLOSE, T_ABORT, T_DISCONNECT, T_CONFIGURE, T_QUICKACK = 10, 11, 12, 13, 14, 15
T_MINE = 0x80  # the connection that was opened, not the one accepted


def seg(flags=ACK, length=0, seq=0, ack=0, win=255, seq_by=0, ack_by=183, opts=0):
    return bytes([0, flags, seq | ack << 4, length, win, seq_by, ack_by, opts | O_RAW])


def call(which, amount=0, arg=0, more=0):
    return bytes([1, which, 0, amount, arg, more, 0, 0])


def wait8(units):
    return struct.pack("!BHBBBBB", 2, units, 0, 0, 0, 0, 0)


def trouble(which, arg=0, *more):
    return bytes([3, which, arg, *more]).ljust(8, b"\0")


OPEN = (seg(SYN, opts=O_MSS) + seg() + call(T_ACCEPT))
OPEN_TS = (seg(SYN, opts=O_MSS | O_SCALE | O_TS, seq_by=7) + seg(opts=O_TS) + call(T_ACCEPT))
DIAL = call(T_CONNECT) + seg(SYN | ACK, opts=O_MSS | O_OTHER)

# Steps of the target "stack" (fuzz_stack.c).
S_NEW, S_CLOSE, S_BIND, S_CONNECT, S_LISTEN, S_ACCEPT, S_SEND, S_RECV, S_SHUT, S_OPTION, S_NAMES = range(11)
S_ARRIVE = bytes([90 << 1])
S_TCP, S_UDP, S_WATCHED = 1, 0, 2
S_A, S_B, S_ANY, S_PORT = 0, 1, 2, 0x10


def do(host, what, slot, *args):
    return bytes([host | what << 1, slot, *args])


def on_wire(host, fate, *args):
    return bytes([host | 70 << 1, fate, *args])


def passes(exponent):
    return bytes([110 << 1, exponent])


def failing(host, nth):
    return bytes([host | 126 << 1, nth])


S_SERVER = (do(1, S_NEW, 0, S_TCP | S_WATCHED) + do(1, S_BIND, 0, S_ANY | S_PORT, 1) + do(1, S_LISTEN, 0, 4))
S_CLIENT = do(0, S_NEW, 0, S_TCP | S_WATCHED) + do(0, S_CONNECT, 0, S_B | S_PORT, 1)
S_OPEN = S_SERVER + S_CLIENT + S_ARRIVE + do(1, S_ACCEPT, 0) + do(0, S_CONNECT, 0, S_B | S_PORT, 1)


def sends(host, slot, sixteens=0, bytes_more=9, how=0, *args):
    return do(host, S_SEND, slot, 0, sixteens, bytes_more, how, *args, 1)


def receives(host, slot, thirties=255, *flags):
    return do(host, S_RECV, slot, thirties, 16, 255, 1 if flags else 0, *flags)


CORPUS = {
    "stack": {
        "talk": S_OPEN + sends(0, 0) + S_ARRIVE + receives(1, 1) + sends(1, 1, 200) + S_ARRIVE + receives(0, 0)
        + do(0, S_CLOSE, 0) + S_ARRIVE + receives(1, 1) + do(1, S_CLOSE, 1) + S_ARRIVE + passes(27) * 3,
        "half-close": S_OPEN + do(0, S_SHUT, 0, 1) + S_ARRIVE + receives(1, 1) + sends(1, 1, 99) + S_ARRIVE
        + receives(0, 0) + do(1, S_SHUT, 1, 1) + S_ARRIVE + passes(26),
        "refused": do(0, S_NEW, 0, S_TCP) + do(0, S_CONNECT, 0, S_B | S_PORT, 1) + S_ARRIVE
        + do(0, S_CONNECT, 0, S_B | S_PORT, 1) * 2,
        "unanswered": do(0, S_NEW, 0, S_TCP) + do(0, S_CONNECT, 0, 6 | S_PORT, 1) + passes(20) * 8
        + do(0, S_CONNECT, 0, 6 | S_PORT, 1),
        "simultaneous": do(0, S_NEW, 0, S_TCP) + do(0, S_BIND, 0, S_ANY | S_PORT, 1)
        + do(1, S_NEW, 0, S_TCP) + do(1, S_BIND, 0, S_ANY | S_PORT, 1) + do(0, S_CONNECT, 0, S_B | S_PORT, 1)
        + do(1, S_CONNECT, 0, S_A | S_PORT, 1) + S_ARRIVE + sends(0, 0) + sends(1, 0) + S_ARRIVE,
        "lost": S_OPEN + (sends(0, 0, 250) + on_wire(0, 1, 1) + on_wire(0, 2, 1) + S_ARRIVE + passes(18)) * 6,
        "changed": S_OPEN + b"".join(sends(0, 0, 40) + on_wire(0, 3, 1, 0, at, 0, value, 1)
                                     + on_wire(1, 3, 1, 0, at + 1, 0, value, 1) + S_ARRIVE
                                     for at, value in ((46, 1), (47, 255), (38, 128), (41, 7), (54, 5), (48, 0))),
        "raw": S_OPEN + on_wire(0, 4, 42, 0, *eth(0x0806, arp(1))) + S_ARRIVE,
        "abort": S_OPEN + do(0, S_OPTION, 0, 2, 8, 13, 1, 0, 0, 0, 0, 0, 0, 0) + sends(0, 0) + do(0, S_CLOSE, 0)
        + S_ARRIVE + receives(1, 1),
        "unread": S_OPEN + sends(1, 1) + S_ARRIVE + do(0, S_CLOSE, 0) + S_ARRIVE + sends(1, 1),
        "dissolved": S_OPEN + do(0, S_CONNECT, 0, 0x80, 0, 1) + S_ARRIVE + do(0, S_CONNECT, 0, S_B | S_PORT, 1)
        + S_ARRIVE,
        "datagrams": do(1, S_NEW, 0, S_UDP | S_WATCHED) + do(1, S_BIND, 0, S_ANY | S_PORT, 1) + do(0, S_NEW, 0, S_UDP)
        + do(0, S_SEND, 0, S_B | S_PORT, 90, 3, 3, 1) + S_ARRIVE + receives(1, 0)
        + do(0, S_CONNECT, 0, S_B | 0x20, 1) + sends(0, 0) + S_ARRIVE + receives(0, 0),
        "datagrams-controlled": do(1, S_NEW, 0, S_UDP) + do(1, S_BIND, 0, S_ANY | S_PORT, 1)
        + b"".join(do(1, S_OPTION, 0, 3 | 1 << 4, name, 1, 0, 0, 0) for name in (8, 11, 12, 13, 20))
        + do(0, S_NEW, 0, S_UDP)
        + do(0, S_SEND, 0, S_B | S_PORT, 0, 9, 7, 16, 20, *struct.pack("=QiiI", 20, 0, 2, 9), 1)
        + S_ARRIVE + receives(1, 0) + do(1, S_SEND, 0, S_A | 0x30, 0, 9, 3, 1) + S_ARRIVE + receives(1, 0, 255, 0, 0, 32, 0),
        "corked": do(0, S_NEW, 0, S_UDP) + do(0, S_CONNECT, 0, S_B | S_PORT, 1)
        + sends(0, 0, 1, 1, 8, 0, 0, 0x80, 0)[:-1] + b"\0\0\x80\0" + sends(0, 0) + do(0, S_CLOSE, 0),
        "options": S_OPEN + b"".join(do(0, S_OPTION, 0, how | level << 4, name, *([1, 0, 0, 0] if how & 1 else []))
                                     for level in range(4) for name in range(0, 64) for how in (3,)),
        "memory": b"".join(failing(i % 2, i) + S_OPEN + sends(0, 0, 200) + S_ARRIVE + receives(1, 1) + do(0, S_CLOSE, 0)
                           + do(1, S_CLOSE, 0) + do(1, S_CLOSE, 1) + S_ARRIVE for i in range(1, 12)),
        "many": S_SERVER + b"".join(do(0, S_NEW, i, S_TCP) + do(0, S_CONNECT, i, S_B | S_PORT, 1) for i in range(6))
        + S_ARRIVE + do(1, S_ACCEPT, 0) * 7 + do(1, S_CLOSE, 0) + S_ARRIVE,
    },
    "tcp_machine": {
        "passive": b"\0" + OPEN + seg(length=20) + call(T_RECV, 255) + call(T_SEND, 40) + seg()
        + seg(FIN | ACK) + call(T_CLOSE) + seg(),
        "active": b"\0" + DIAL + call(T_SEND | T_MINE, 100) + seg(opts=O_OTHER) + call(T_CLOSE | T_MINE)
        + seg(opts=O_OTHER) + seg(FIN | ACK, opts=O_OTHER) + wait8(7600),
        "bulk-out": b"\1" + OPEN_TS + (call(T_SEND, 255) * 3 + seg(opts=O_TS) * 2 + wait8(1)) * 12,
        "bulk-in": b"\1" + OPEN_TS + (seg(length=180, opts=O_TS) * 4 + call(T_RECV, 255) + wait8(1)) * 12,
        "out-of-order": b"\0" + OPEN + seg(length=10, seq=1, seq_by=40) + seg(length=10, seq=1, seq_by=120)
        + seg(length=30, seq=1, seq_by=20) + seg(FIN | ACK, seq=1, seq_by=200) + seg(length=10)
        + seg(length=200) + call(T_RECV, 255),
        "fast-retransmit": b"\0" + OPEN + call(T_SEND, 200) + seg(ack=2) + seg(ack=1) * 5 + seg(ack=2) + seg(),
        "sack": b"\0" + OPEN_TS + (call(T_SEND, 255) * 3 + b"".join(
            seg(ack=1, win=win, seq_by=at, ack_by=size, opts=O_SCALE | O_TS) + wait8(1)
            for win, at, size in ((252, 40, 100), (253, 80, 200), (254, 150, 255), (252, 120, 50)))
            + seg(ack=2, opts=O_SCALE | O_TS) + wait8(40)) * 6 + seg(opts=O_TS),
        "timeout": b"\0" + OPEN + call(T_SEND, 200) + wait8(40) + seg(ack=2) * 3 + wait8(100) + seg(),
        "closed-window": b"\0" + OPEN + seg(win=0) + call(T_SEND, 10) + wait8(200) + seg(win=0) + wait8(200)
        + seg(win=3) + call(T_CLOSE) + wait8(50),
        "simultaneous": b"\0" + call(T_CONNECT) + seg(SYN, opts=O_MSS | O_OTHER)
        + seg(SYN | ACK, seq=4, opts=O_MSS | O_OTHER) + call(T_SEND | T_MINE, 5) + seg(FIN | ACK, ack=1, opts=O_OTHER)
        + call(T_CLOSE | T_MINE) + seg(opts=O_OTHER),
        "simultaneous-close": b"\0" + OPEN + call(T_CLOSE) + seg(FIN | ACK, ack=1) + seg() + wait8(8000),
        "urgent": b"\0" + OPEN + seg(length=3, opts=O_URGENT, seq_by=10) + call(T_RECV, 100)
        + call(T_RECV_FLAGS, 1, 2) + call(T_SEND_FLAGS, 40, 2) + seg(win=0) + call(T_SEND_FLAGS, 3, 2),
        "attack": b"\0" + OPEN + seg(RST, seq=1, seq_by=5) + seg(SYN, seq=1, seq_by=9) + seg(ack=4) + seg(ack=3)
        + seg(seq=5, seq_by=3) + seg(RST),
        "time-wait": b"\0" + OPEN_TS + call(T_CLOSE) + seg(FIN | ACK, opts=O_TS) + wait8(20)
        + seg(FIN | ACK, seq=2, seq_by=0, opts=O_TS) + seg(SYN, seq=1, seq_by=8, opts=O_TS | O_MSS) + seg(opts=O_TS),
        "paws": b"\0" + OPEN_TS + wait8(1000) + seg(length=5, opts=O_TS) + seg(length=5, opts=O_TS | O_OLD_TS)
        + seg(length=5),
        "icmp": b"\0" + OPEN + call(T_SEND, 100) + trouble(2, 0, 4, 80, 0) + seg() + trouble(2, 0, 3, 0, 0)
        + call(T_CONNECT) + trouble(2, 0, 1, 0, 0, 0, O_OTHER),
        "mtu": b"\1" + OPEN + call(T_SEND, 100) + trouble(3, 10) + call(T_SEND, 100) + wait8(100) + seg() + trouble(3, 115)
        + call(T_SEND, 200),
        "link": b"\0" + OPEN + trouble(0, 1) + call(T_SEND, 100) + wait8(1) + trouble(0, 2) + wait8(100) + trouble(0, 0)
        + wait8(100) + seg(),
        "memory": b"\0" + b"".join(trouble(1, i) + OPEN + trouble(1, i + 1) + seg(length=200, seq=1, seq_by=20)
                                   + call(T_SEND, 255) + seg(length=5) + call(T_ABORT) for i in range(1, 10)),
        "keepalive": b"\0" + OPEN + call(T_CONFIGURE, 4 | 16) + wait8(65535) * 8 + seg(),
        "options": b"\0" + OPEN + call(T_CONFIGURE, 1) + call(T_SEND_FLAGS, 9) * 3 + call(T_CONFIGURE, 2)
        + call(T_SEND_FLAGS, 9, 4) * 2 + wait8(40) + call(T_CONFIGURE, 64, 9) + seg(length=100) + call(T_RECV, 20)
        + call(T_QUICKACK, 1) + call(T_SHUTDOWN, 1) + call(T_DISCONNECT),
        "backlog": b"\0" + (seg(SYN, opts=O_MSS) + seg() + seg(RST)) * 3 + call(T_ACCEPT) + call(T_UNLISTEN)
        + seg(SYN) + call(T_LISTEN) + seg(SYN),
    },
    "net": {
        "udp": frame(ipv4(17, udp(DNS_QUERY))) * 3,
        "udp-no-port": arp_reply() + frame(ipv4(17, udp(b"x")[:2] + b"\0\7" + udp(b"x")[4:])),
        "echo": arp_reply() + frame(ipv4(1, icmp(8, 0, b"\x12\x34\0\1", b"abcdefgh" * 10))),
        "fragments": fragments(17, udp(b"0123456789abcdef" * 100), 480),
        "fragments-out-of-order": fragments(17, udp(b"0123456789abcdef" * 100), 480, [3, 0, 2, 1]),
        "fragments-overlap": fragments(17, udp(b"0" * 1000), 480)
        + frame(ipv4(17, b"1" * 488, flags=0x2001, ident=7)),
        "fragments-time-out": arp_reply() + fragments(17, udp(b"0" * 1000), 480, [0, 2]) + wait(31000),
        "echo-in-fragments": fragments(1, icmp(8, 0, body=b"x" * 3000), 1480),
        "arp": step(FRAME, eth(0x0806, arp(1).ljust(46, b"\0"), dst=b"\xff" * 6)) + arp_reply()
        + step(FRAME, eth(0x0806, arp(1, spa=IP_B), dst=b"\xff" * 6)) * 2 + wait(65000),
        "send-unanswered": step(SEND, b"data", 1) + step(SEND, b"data", 4 * 2) + wait(4000),
        "send-answered": step(SEND, b"x" * 4000, 0) + arp_reply() + step(SEND, b"y", 2) + wait(60000)
        + step(SEND, b"z", 0) + wait(9000),
        "send-to-self": step(SEND, b"data", 4) + step(SEND, b"", 5),
        "send-elsewhere": step(SEND, b"x" * 1000, 12),
        "icmp-errors": about_ours(3, 3) + about_ours(3, 1) + about_ours(3, 4, b"\0\0\x05\x14")
        + about_ours(11, 0) + about_ours(12, 0) + about_ours(5, 1) + about_ours(3, 4),
        "path-mtu": about_ours(3, 4, b"\0\0\0\x44") + step(SEND, b"x" * 1200, 0) + arp_reply()
        + wait(65000) * 10,
        "unknown-protocol": arp_reply() + frame(ipv4(132, b"0123456789")),
        "options": frame(ipv4(17, udp(DNS_QUERY), options=bytes.fromhex("07070400000000") + b"\0")),
        "broadcast": step(FRAME | MEND, eth(0x0800, ipv4(17, udp(b"x"))[:16] + b"\xff" * 4 + udp(b"x"),
                                            dst=b"\xff" * 6)),
        "super-frame": frame(ipv4(17, udp(b"x" * 1000)), MEND | SUPER | CSUM_GOOD, 25),
        "tcp": frame(ipv4(6, tcp(SYN, SYN_OPTIONS))),
        "bare-ip": step(FRAME | MEND | OTHER_NIF, ipv4(17, udp(DNS_QUERY))),
        "no-memory": b"".join(step(SHORT, arg=i % 3 + 1) + frame(ipv4(17, udp(b"x" * 100)))
                              + step(SEND, b"x" * 3000, i) for i in range(12)) + wait(4000),
    },
    "eth": {
        "ipv4": eth(0x0800, ipv4(17, udp(DNS_QUERY))),
        "arp-broadcast": eth(0x0806, arp(1).ljust(46, b"\0"), dst=b"\xff" * 6),
        "ipv6-multicast": eth(0x86DD, b"\x60" + b"\0" * 39, dst=bytes.fromhex("333300000001")),
        "tagged": eth(0x0800, ipv4(1), tags=[0xE123]),
        "tagged-priority-only": eth(0x0800, ipv4(1), tags=[0xA000]),
        "tagged-twice": eth(0x0800, ipv4(1), tags=[0x0064, 0x0065]),
        "tag-cut-off": eth(0x8100, b"\0\1"),
        "ieee-802.3-length": eth(46, b"\xaa\xaa\3".ljust(46, b"\0")),
        "header-only": eth(0x0800),
        "one-byte-short": eth(0x0800)[:-1],
    },
    "arp": {
        "request": arp(1),
        "reply": arp(2, tha=MAC_B),
        "probe": arp(1, spa=b"\0" * 4),
        "announcement": arp(1, tpa=IP_A),
        "padded": arp(1).ljust(46, b"\0"),
        "other-operation": arp(8),
        "other-hardware": arp(1, kind=(6, 0x0800, 6, 4)),
        "other-protocol": arp(1, kind=(1, 0x86DD, 6, 16)),
        "long-addresses": arp(1, kind=(1, 0x0800, 255, 255)),
        "one-byte-short": arp(1)[:-1],
    },
    "ipv4": {
        "udp": ipv4(17, udp(DNS_QUERY)),
        "tcp-syn": ipv4(6, tcp(SYN, SYN_OPTIONS)),
        "padded": ipv4(1, icmp(8, 0)).ljust(46, b"\0"),
        "first-fragment": ipv4(17, b"\x55" * 24, flags=0x2000),
        "last-fragment": ipv4(17, b"\x55" * 9, flags=0x0003),
        "fragment-beyond-the-end": ipv4(17, b"\x55" * 24, flags=0x1FFF),
        "reserved-flag": ipv4(17, flags=0x8000),
        "record-route": ipv4(1, options=bytes.fromhex("07070400000000") + b"\0"),
        "loose-source-route": ipv4(1, options=bytes.fromhex("830704c0000203") + b"\0"),
        "strict-source-route": ipv4(1, options=bytes.fromhex("01890704c0000203")),
        "two-source-routes": ipv4(1, options=bytes.fromhex("830304890304") + b"\1\1"),
        "timestamp": ipv4(1, options=bytes.fromhex("440c0500") + b"\0" * 8),
        "router-alert": ipv4(2, options=bytes.fromhex("94040000")),
        "option-length-zero": ipv4(1, options=bytes.fromhex("1e000000")),
        "option-too-long": ipv4(1, options=bytes.fromhex("011eff00")),
        "longest-header": ipv4(1, options=b"\1" * 40),
        "total-below-header": ipv4(17, total=19),
        "total-beyond-bytes": ipv4(17, total=21),
        "header-beyond-bytes": ipv4(17, options=b"\1" * 8)[:24],
        "wrong-checksum": ipv4(17)[:-1] + b"\3",
        "checksum-ffff": bytes.fromhex("450000140000000040110000c0000201") + IP_B,
        "version-6": b"\x65" + ipv4(17)[1:],
    },
    "icmp": {
        "echo-request": icmp(8, 0, b"\x12\x34\0\1", b"abcdefghijklmnopqrstuvwabcdefghi"),
        "echo-reply-odd": icmp(0, 0, b"\x12\x34\0\1", b"abc"),
        "port-unreachable": icmp(3, 3, body=ipv4(17, udp())),
        "fragmentation-needed": icmp(3, 4, b"\0\0\x05\x14", ipv4(6, tcp(ACK)[:8], total=1500)),
        "redirect": icmp(5, 1, bytes([192, 0, 2, 254]), ipv4(17, udp())),
        "time-exceeded": icmp(11, 0, body=ipv4(6, tcp(SYN)[:8])),
        "parameter-problem": icmp(12, 0, b"\x14\0\0\0", ipv4(1, options=b"\x1e\0\0\0")),
        "source-quench": icmp(4, 0, body=ipv4(17, udp())),
        "all-zero": b"\0" * 12,
        "header-only": icmp(8, 0),
        "one-byte-short": icmp(8, 0)[:-1],
        "wrong-checksum": b"\x08\0\0\0\0\1\0\1",
    },
    "udp": {
        "dns-query": udp(DNS_QUERY),
        "empty": udp(),
        "no-checksum": udp(b"data", summed=False),
        "padded": udp(b"data") + b"\0" * 6,
        "length-below-header": udp(b"data", length=7),
        "length-zero": udp(b"data", length=0),
        "length-beyond-bytes": udp(b"data", length=13),
        "length-largest": udp(b"data", length=65535),
        "one-byte-short": udp()[:-1],
    },
    "tcp": {
        "syn": tcp(SYN, SYN_OPTIONS),
        "syn-ecn": tcp(SYN | ECE | CWR, SYN_OPTIONS),
        "syn-ack": tcp(SYN | ACK, MSS + NOP2 + SACK_OK + WSCALE),
        "data": tcp(PSH | ACK, NOP2 + TS, b"GET / HTTP/1.1\r\n\r\n"),
        "ack-with-sack": tcp(ACK, NOP2 + TS + NOP2 + sack((100, 200), (300, 400), (500, 600))),
        "fin": tcp(FIN | ACK, NOP2 + TS),
        "reset": tcp(RST),
        "urgent": tcp(URG | PSH | ACK, payload=b"!", urg=1),
        "all-flags": tcp(255),
        "no-flags": tcp(0),
        "reserved-bits": bytes(b | 0x0F if i == 12 else b for i, b in enumerate(tcp(ACK))),
        "longest-header": tcp(ACK, b"\1" * 40),
        "offset-below-header": tcp(ACK, offset=4),
        "offset-zero": tcp(ACK, offset=0),
        "offset-beyond-bytes": tcp(ACK, offset=6),
        "one-byte-short": tcp(ACK)[:-1],
    },
    "tcp_options": {
        "none": b"",
        "syn": SYN_OPTIONS,
        "syn-without-timestamps": MSS + NOP2 + SACK_OK + WSCALE,
        "timestamps": NOP2 + TS,
        "sack-1": NOP2 + sack((0xFFFFFFF0, 0x10)),
        "sack-3-timestamps": NOP2 + TS + NOP2 + sack((1, 2), (3, 4), (5, 6)),
        "sack-4": NOP2 + sack((1, 2), (3, 4), (5, 6), (7, 8)),
        "sack-4-permitted-mss": sack((1, 2), (3, 4), (5, 6), (7, 8)) + SACK_OK + MSS,
        "fast-open-request": MSS + bytes.fromhex("2202") + NOP2,
        "fast-open-cookie": bytes.fromhex("220a0123456789abcdef") + NOP2,
        "fast-open-everything": MSS + SACK_OK + TS + WSCALE[1:] + b"\x22\x12" + b"\xc0" * 16,
        "fast-open-odd": bytes.fromhex("22070102030405") + b"\1",
        "shift-count-255": bytes.fromhex("0303ff01"),
        "mss-zero": bytes.fromhex("02040000"),
        "wrong-lengths": bytes.fromhex("02030503040101080201"),
        "length-zero": bytes.fromhex("0800") + MSS,
        "length-beyond-area": MSS + bytes.fromhex("080a0000"),
        "kind-without-length": b"\1\1\1\2",
        "end-then-rubbish": b"\1\0\2\0\2\4",
        "md5-signature": bytes.fromhex("1312") + b"\xa5" * 16 + NOP2,
        "experimental": bytes.fromhex("fd08f98901020304"),
        "larger-than-40": (NOP2 + TS) * 4,
    },
    "checksum": {
        "zeros": b"\0" * 40,
        "ones": b"\xff" * 67,
        "carries": b"\x03\x01\x10\x08" + b"\xff" * 62 + b"\xfe\x01",
        "odd-pieces": b"\x05\x01\x03\x07\x00\x09" + bytes(range(1, 120)),
        "text": b"\x02\x21\x08" + b"The quick brown fox jumps over the lazy dog. " * 30,
        "one": b"\x01",
    },
}

for target, inputs in CORPUS.items():
    directory = os.path.join(HERE, "corpus", target)
    os.makedirs(directory, exist_ok=True)
    for name, data in inputs.items():
        with open(os.path.join(directory, name), "wb") as f:
            f.write(data)
