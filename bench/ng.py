"""The controller of rtpengine: its `ng` protocol, bencoded dictionaries with a cookie in front, over UDP."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Union

from bench.control import PIPELINE, Address

Value = Union[str, int, list["Value"], dict[str, "Value"]]


def encode(value: Value) -> bytes:
    """Bencode, as of BitTorrent's BEP 3."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        data = value.encode()
        return b"%d:%s" % (len(data), data)
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    return b"d" + b"".join(encode(key) + encode(value[key]) for key in sorted(value)) + b"e"


def decode(data: bytes, position: int = 0) -> tuple[Value, int]:
    """The value at a position, and where it ends."""
    kind = data[position:position + 1]
    if kind == b"i":
        end = data.index(b"e", position)
        return int(data[position + 1:end]), end + 1
    if kind in (b"l", b"d"):
        items: list[Value] = []
        position += 1
        while data[position:position + 1] != b"e":
            item, position = decode(data, position)
            items.append(item)
        return (items if kind == b"l" else dict(zip(map(str, items[::2]), items[1::2]))), position + 1
    colon = data.index(b":", position)
    end = colon + 1 + int(data[position:colon])
    return data[colon + 1:end].decode(), end


class NgController:
    """Does what bench.control.Controller does, with another protocol."""

    def __init__(self, connection: socket.socket) -> None:
        """`connection` is a connected UDP socket."""
        connection.settimeout(5)
        self._connection = connection
        self._cookie = 0

    def close(self) -> None:
        self._connection.close()

    def ping(self) -> None:
        self._ask([{"command": "ping"}])

    def open_call(self, number: int, caller: Address, callee: Address) -> tuple[Address, Address]:
        """Where the caller and where the callee are to send."""
        offer, answer, _ = cycle(number, caller, callee)
        (faces_callee,), (faces_caller,) = self._ask([offer]), self._ask([answer])
        return _media_address(faces_caller), _media_address(faces_callee)

    def cycle(self, number: int, caller: Address, callee: Address) -> None:
        for command in cycle(number, caller, callee):
            self._ask([command])

    def cycle_pipelined(self, numbers: Iterable[int], caller: Address, callee: Address) -> None:
        """PIPELINE calls at a time: first their offers, then their answers, then their ends, because datagrams of one
        call may overtake each other in rtpengine's threads."""
        waiting = list(numbers)
        while waiting:
            part, waiting = waiting[:PIPELINE], waiting[PIPELINE:]
            for commands in zip(*(cycle(number, caller, callee) for number in part)):
                self._ask(commands)

    def _ask(self, commands: Iterable[dict[str, Value]]) -> list[dict[str, Value]]:
        """Send all, return their replies in the order of the commands."""
        cookies = []
        for command in commands:
            self._cookie += 1
            cookies.append(b"%d" % self._cookie)
            self._connection.send(cookies[-1] + b" " + encode(command))
        replies = dict(self._connection.recv(65536).split(b" ", 1) for _ in cookies)
        return [_accepted(replies[cookie]) for cookie in cookies]


def cycle(number: int, caller: Address, callee: Address) -> tuple[dict[str, Value], dict[str, Value], dict[str, Value]]:
    """The commands of a whole call."""
    tags: dict[str, Value] = {"call-id": f"call{number}", "from-tag": f"from{number}"}
    both: dict[str, Value] = {**tags, "to-tag": f"to{number}"}
    plain: dict[str, Value] = {"ICE": "remove", "transport-protocol": "RTP/AVP"}
    return ({"command": "offer", "sdp": _sdp(caller), **tags, **plain},
            {"command": "answer", "sdp": _sdp(callee), **both, **plain},
            {"command": "delete", "delete-delay": 0, **both})


def _sdp(address: Address) -> str:
    host, port = address
    return (f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n")


def _media_address(reply: dict[str, Value]) -> Address:
    lines = dict(line.split("=", 1) for line in str(reply["sdp"]).splitlines() if line[:2] in ("c=", "m="))
    return lines["c"].split()[2], int(lines["m"].split()[1])


def _accepted(reply: bytes) -> dict[str, Value]:
    value, _ = decode(reply)
    if not isinstance(value, dict) or value.get("result") not in ("ok", "pong"):
        raise RuntimeError(f"rtpengine refused: {value}")
    return value
