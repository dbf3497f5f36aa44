"""An asyncio server that echoes, and a client that checks what comes back.

usage: asyncio_echo.py server ADDRESS PORT
       asyncio_echo.py client ADDRESS PORT CONNECTIONS BYTES
"""
import asyncio
import hashlib
import os
import sys


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
    writer.close()


async def serve(address, port):
    server = await asyncio.start_server(echo, address, port)
    async with server:
        await server.serve_forever()


async def talk(address, port, size):
    reader, writer = await asyncio.open_connection(address, port)
    sent, got = hashlib.sha256(), hashlib.sha256()

    async def send():
        left = size
        while left:
            data = os.urandom(min(left, 50000))
            left -= len(data)
            sent.update(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    sender = asyncio.create_task(send())
    count = 0
    while data := await reader.read(65536):
        got.update(data)
        count += len(data)
    await sender
    writer.close()
    await writer.wait_closed()
    return count == size and sent.digest() == got.digest()


async def client(address, port, connections, size):
    results = await asyncio.gather(*(talk(address, port, size) for _ in range(connections)))
    print(f"{sum(results)} of {connections} unharmed")


if sys.argv[1] == "server":
    asyncio.run(serve(sys.argv[2], int(sys.argv[3])))
else:
    asyncio.run(client(sys.argv[2], *map(int, sys.argv[3:6])))
