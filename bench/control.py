"""A controller on a lasting stream connection: a command is a line, a reply is a line."""

from __future__ import annotations

import socket
from collections.abc import Iterable

PIPELINE = 16  # cycles whose commands are on their way at once

Address = tuple[str, int]


class Controller:
    """Sets calls up and takes them down, as a SIP server does."""

    def __init__(self, connection: socket.socket, media_host: str) -> None:
        """`media_host` is where the proxy listens for media if it does not say."""
        connection.settimeout(30)
        self._connection = connection
        self._media_host = media_host
        self._pending = b""

    def close(self) -> None:
        self._connection.close()

    def ask(self, command: str) -> str:
        self._connection.sendall(command.encode() + b"\n")
        return self._replies(1)[0]

    def open_call(self, number: int, caller: Address, callee: Address) -> tuple[Address, Address]:
        """Where the caller and where the callee are to send."""
        offer, answer, _ = cycle(number, caller, callee)
        faces_callee, faces_caller = self.ask(offer), self.ask(answer)
        return self._media_address(faces_caller), self._media_address(faces_callee)

    def cycle(self, number: int, caller: Address, callee: Address) -> None:
        """Set a call up and take it down, each command after the reply to the one before."""
        for command in cycle(number, caller, callee):
            reply = self.ask(command)
        _expect_zero(reply)

    def cycle_pipelined(self, numbers: Iterable[int], caller: Address, callee: Address) -> None:
        """The same for many calls, PIPELINE at a time without waiting for replies in between."""
        waiting = list(numbers)
        while waiting:
            part, waiting = waiting[:PIPELINE], waiting[PIPELINE:]
            commands = [command for number in part for command in cycle(number, caller, callee)]
            self._connection.sendall("".join(f"{command}\n" for command in commands).encode())
            for reply in self._replies(len(commands))[2::3]:
                _expect_zero(reply)

    def _media_address(self, reply: str) -> Address:
        """From "PORT [ADDRESS]"."""
        port, _, host = reply.partition(" ")
        if not port.isdecimal() or port == "0":
            raise RuntimeError(f"the proxy refused a call: {reply}")
        return host or self._media_host, int(port)

    def _replies(self, count: int) -> list[str]:
        while self._pending.count(b"\n") < count:
            data = self._connection.recv(65536)
            if not data:
                raise ConnectionError("the proxy closed its control socket")
            self._pending += data
        *lines, self._pending = self._pending.split(b"\n", count)
        return [line.decode() for line in lines]


def cycle(number: int, caller: Address, callee: Address) -> tuple[str, str, str]:
    """The commands of a whole call."""
    call, from_tag, to_tag = f"call{number}", f"from{number}", f"to{number}"
    return (f"U {call} {caller[0]} {caller[1]} {from_tag}", f"L {call} {callee[0]} {callee[1]} {from_tag} {to_tag}",
            f"D {call} {from_tag} {to_tag}")


def _expect_zero(reply: str) -> None:
    if reply != "0":
        raise RuntimeError(f"the proxy refused to end a call: {reply}")
