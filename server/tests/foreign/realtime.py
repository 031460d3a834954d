"""The websockets library: two people in a room, a ticket, the library's own pings, a resumed connection, the farewells."""

import asyncio
import json
import sys
import urllib.request

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

given = json.load(sys.stdin)
url = given["issuer"].replace("http://", "ws://") + "/api/v1/realtime"


def post(path, token):
    request = urllib.request.Request(given["issuer"] + path, b"", {"Authorization": f"Bearer {token}"}, method="POST")
    with urllib.request.urlopen(request) as answer:
        content = answer.read()
    return json.loads(content) if content else None


def ticket(token):
    return f"{url}?ticket={post('/api/v1/realtime/ticket', token)['ticket']}"


async def hear(socket, kind):
    while True:
        frame = json.loads(await asyncio.wait_for(socket.recv(), 5))
        if frame["type"] == kind:
            return frame


async def say(socket, kind, **members):
    await socket.send(json.dumps({"type": kind, **members}))


async def main():
    ada, bob = given["ada"], given["bob"]
    # The library opens with compression on offer, by which it must not be misled, and pings by itself.
    async with connect(ticket(ada), subprotocols=["keystead.v1"], ping_interval=0.05) as one:
        assert one.subprotocol == "keystead.v1"
        hello = (await hear(one, "hello"))["payload"]
        await say(one, "join", channel="room:lobby", payload={"metadata": {"name": "Ada"}})
        members = (await hear(one, "state"))["payload"]["members"]
        assert [member["connections"][0]["id"] for member in members] == [hello["connectionId"]]

        tokens = ["keystead.v1", f"keystead.token.{bob}"]
        async with connect(url, subprotocols=tokens, origin=given["origin"]) as two:
            assert two.subprotocol == "keystead.v1"
            await say(two, "join", channel="room:lobby", payload={"metadata": {"name": "Bob", "greeting": "Grüß dich, 世界"}})
            joins = (await hear(one, "diff"))["payload"]["joins"]
            assert joins[0]["connections"][0]["metadata"]["greeting"] == "Grüß dich, 世界"
            latency = await (await two.ping())
            assert latency < 5
        leaves = (await hear(one, "diff"))["payload"]["leaves"]
        assert leaves[0]["userId"] == joins[0]["userId"]
        # Broken without a word, and resumed.
        one.transport.abort()
    async with connect(ticket(ada), subprotocols=["keystead.v1"]) as back:
        await hear(back, "hello")
        await say(back, "hello", payload={"resume": hello["resumeToken"]})
        again = (await hear(back, "hello"))["payload"]
        assert again["resumed"] and again["connectionId"] == hello["connectionId"]
        assert (await hear(back, "state"))["channel"] == "room:lobby"
        await back.send(b"\x00binary")
        try:
            await hear(back, "never")
        except ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (1003, "unsupported_data"), closed
    for wrong in [f"{url}?ticket=made-up", url]:
        try:
            async with connect(wrong, subprotocols=["keystead.v1"]):
                raise AssertionError("it opened")
        except InvalidStatus as refused:
            assert refused.response.status_code == 401, refused
    try:
        async with connect(url, subprotocols=tokens, origin="https://evil.example"):
            raise AssertionError("it opened for another site")
    except InvalidStatus as refused:
        assert refused.response.status_code == 403, refused
    async with connect(ticket(bob), subprotocols=["keystead.v1"]) as last:
        await hear(last, "hello")
        post("/api/v1/auth/logout", bob)
        try:
            await hear(last, "never")
        except ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4403, "session_revoked"), closed


asyncio.run(main())
