"""A python-socketio client of any server, for tests that are written elsewhere.

    python client.py URL TRANSPORT (threads|asyncio) ROOM...

Standard output is one JSON object on each line:
    {"ready":"websocket","answer":{...}}   it is connected, by this transport, and has subscribed to the rooms
    {"event":"row","args":[...]}           an event reached it; bytes are {"type":"Buffer","data":[...]}
The end of standard input is that of this program.
"""

import asyncio
import json
import sys

import socketio


def show(**line):
    print(json.dumps(line, default=lambda data: {"type": "Buffer", "data": list(data)}), flush=True)


def with_threads(url, transport, rooms):
    client = socketio.Client(reconnection=False)
    client.on("*", lambda event, *args: show(event=event, args=args))
    client.connect(url, transports=[transport])
    show(answer=client.call("subscribe", rooms), ready=client.transport())
    sys.stdin.read()
    client.disconnect()


async def with_asyncio(url, transport, rooms):
    client = socketio.AsyncClient(reconnection=False)
    client.on("*", lambda event, *args: show(event=event, args=args))
    await client.connect(url, transports=[transport])
    show(answer=await client.call("subscribe", rooms), ready=client.transport())
    await asyncio.to_thread(sys.stdin.read)
    await client.disconnect()


url, transport, kind, *rooms = sys.argv[1:]
if kind == "asyncio":
    asyncio.run(with_asyncio(url, transport, rooms))
else:
    with_threads(url, transport, rooms)
