"""A router that complains: answers packets of the interface veth0 to these addresses with ICMP errors.

198.51.100.1 "host unreachable", 198.51.100.2 "prohibited", 198.51.100.4 "time exceeded" where the TTL is 1,
198.51.100.5 "fragmentation needed" and that 1000 bytes pass, where there are more.
"""
import socket
import struct

ANSWERS = {1: (3, 1, 0), 2: (3, 13, 0), 4: (11, 0, 0), 5: (3, 4, 1000)}


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def complaint(packet):
    net, host = packet[16:19], packet[19]
    if net != bytes([198, 51, 100]) or host not in ANSWERS:
        return None
    if (host == 4 and packet[8] > 1) or (host == 5 and len(packet) <= 1000):
        return None
    kind, code, rest = ANSWERS[host]
    quote = packet[:548]
    message = struct.pack("!BBHI", kind, code, 0, rest) + quote
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
ear.bind(("veth0", 0x0800))
mouth = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
print("ready", flush=True)
while True:
    packet, where = ear.recvfrom(65536)
    if where[2] != socket.PACKET_OUTGOING:
        if message := complaint(packet):
            mouth.sendto(message, (socket.inet_ntoa(packet[12:16]), 0))
