"""Both ends of WebSocket by a library that is not ours.

peer.py serve HOST:PORT
peer.py talk URL [CERTIFICATE]    one line for each kind of message
"""

import asyncio
import ssl
import sys

import websockets


async def echo(socket, _path=None):
    async for message in socket:
        if message == "goodbye":
            return await socket.close(4001, "goodbye")
        await socket.send(message)


async def serve(address):
    host, port = address.split(":")
    async with websockets.serve(echo, host, int(port), subprotocols=["echo"]):
        await asyncio.Future()


async def talk(url, certificate=None):
    trusted = ssl.create_default_context(cafile=certificate) if certificate else None
    async with websockets.connect(url, ssl=trusted, subprotocols=["echo"]) as socket:
        print("Subprotocol", socket.subprotocol)
        # Both sides compress (RFC 7692): what is told of it in the heads has passed.
        for name, message in (("Text", "grün " * 10_000), ("Binary", bytes(range(256)) * 4_000)):
            await socket.send(message)
            print(name, await socket.recv() == message)
        await socket.send(["a", "b", "c"])
        print("Fragments", await socket.recv())
        await asyncio.wait_for(await socket.ping(), 20)
        print("Ping")
        await socket.send("goodbye")
        try:
            await socket.recv()
        except websockets.ConnectionClosed as closed:
            print("Closed", closed.rcvd.code, closed.rcvd.reason)


if __name__ == "__main__":
    asyncio.run({"serve": serve, "talk": talk}[sys.argv[1]](*sys.argv[2:]))
