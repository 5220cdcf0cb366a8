"""RTP at a high rate, and what arrives of it.

Each end is a process with a socket handed down as descriptor: `python3 -m tests.interop.rig.flood send DESCRIPTOR RATE
HOST PORT...` paces packets over all ports, at first at a tenth of the rate, `... receive DESCRIPTOR` counts; both until
their input ends. Each port gets a stream with its own SSRC and consecutive sequence numbers.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

HEADER = struct.Struct("!BBHII")
SIZE = 160
TICK = 0.001  # seconds
SLOWLY = 5.0  # seconds in which streams may settle


def send(descriptor: int, rate: float, host: str, ports: list[int]) -> None:
    """Print how many packets there were, and the rate without the start."""
    sender = socket.socket(fileno=descriptor)
    pack, payload = HEADER.pack, bytes(SIZE)
    start = time.monotonic()
    number = 0
    while not select.select([sys.stdin], [], [], TICK)[0]:
        elapsed = time.monotonic() - start
        due = int(min(elapsed, SLOWLY) * rate / 10 + max(0.0, elapsed - SLOWLY) * rate)
        for each in range(number, due):
            turn, stream = divmod(each, len(ports))
            packet = pack(0x80, 0, turn & 0xFFFF, turn * 160 & 0xFFFFFFFF, stream + 1) + payload
            sender.sendto(packet, (host, ports[stream]))
        number = due
    fast = time.monotonic() - start - SLOWLY
    print(json.dumps({"sent": number, "rate": round((number - SLOWLY * rate / 10) / fast)}))


def receive(descriptor: int) -> None:
    """Print how many packets came, are missing, came twice, came late."""
    receiver = socket.socket(fileno=descriptor)
    receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
    receiver.setblocking(False)
    expected: dict[int, int] = {}
    received = missing = repeated = reordered = 0
    while not select.select([sys.stdin, receiver], [], [])[0].count(sys.stdin):
        try:
            while True:
                data = receiver.recv(2048)
                _, _, sequence, _, ssrc = HEADER.unpack_from(data)
                received += 1
                ahead = sequence - expected.get(ssrc, 0) & 0xFFFF
                if ahead == 0xFFFF:
                    repeated += 1
                elif ahead >= 0x8000:
                    reordered += 1
                else:
                    missing += ahead
                    expected[ssrc] = sequence + 1 & 0xFFFF
        except BlockingIOError:
            pass
    print(json.dumps({"received": received, "missing": missing, "repeated": repeated, "reordered": reordered}))


def main() -> None:
    what, descriptor, *rest = sys.argv[1:]
    if what == "send":
        send(int(descriptor), float(rest[0]), rest[1], [int(port) for port in rest[2:]])
    else:
        receive(int(descriptor))


if __name__ == "__main__":
    main()
