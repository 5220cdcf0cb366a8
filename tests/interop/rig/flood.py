"""RTP at a high rate, and what arrives of it.

Each end is a process with a socket handed down as descriptor: `python3 -m tests.interop.rig.flood send DESCRIPTOR RATE
SECONDS HOST PORT...` paces packets over all ports, `... receive DESCRIPTOR` counts until its input ends. Each port gets
a stream with its own SSRC and consecutive sequence numbers.
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


def send(descriptor: int, rate: float, seconds: float, host: str, ports: list[int]) -> None:
    """Print how many packets there were, and in how many seconds."""
    sender = socket.socket(fileno=descriptor)
    pack, payload = HEADER.pack, bytes(SIZE)
    start = time.monotonic()
    number, total = 0, int(rate * seconds)
    while number < total:
        due = min(total, int((time.monotonic() - start) * rate))
        for each in range(number, due):
            turn, stream = divmod(each, len(ports))
            packet = pack(0x80, 0, turn & 0xFFFF, turn * 160 & 0xFFFFFFFF, stream + 1) + payload
            sender.sendto(packet, (host, ports[stream]))
        number = max(number, due)
        time.sleep(TICK)
    print(json.dumps({"sent": total, "seconds": round(time.monotonic() - start, 1)}))


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
        send(int(descriptor), float(rest[0]), float(rest[1]), rest[2], [int(port) for port in rest[3:]])
    else:
        receive(int(descriptor))


if __name__ == "__main__":
    main()
