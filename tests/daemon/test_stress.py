"""Everything at once: several controllers on the same calls, media, prompts, recordings, time-outs."""

from __future__ import annotations

import random
import socket
import struct
import tempfile
import threading
import time
import unittest
from pathlib import Path

from tests.daemon.program import HAS_PROC, Lines, ProgramCase, wait_until

SEED = 20260306
SECONDS = 2.0
CONTROLLERS = 4
CALLS = 12
PAIRS = 80


FORMS = (
    "U {call} {where} {tags}",
    "U {call} {where} {tags}",
    "Uc0,8z20 {call} {where} {tags}",
    "Un {call} {where} {tags}",
    "Uw {call} {where} {tags}",
    "U {call} {where} f t && L {where} && S ttl=1",
    "U {call} {where} f t && D",
    "U {call} {where} f t && L {where} && C {other} f t",
    "L {call} {where} {tags}",
    "Lnl127.0.0.2 {call} {where} {tags}",
    "D {call} {tags}",
    "Dw {call} {tags}",
    "Q {call} {tags}",
    "Q {call} {tags} && D",
    "P-1 {call} {prompt} 0 {tags}",
    "P2 {call} {prompt} session {tags}",
    "S {call} {tags}",
    "R {call} {tags}",
    "R {call} {tags}",
    "N {call} {tags}",
    "Na {call} {tags}",
    "C {call} udp:{udp} {tags}",
    "C {call} copy{call} {tags}",
    "G nsess_created",
    "Ib",
)
TAGS = ("f", "t", "f t", "t f", "f;1", "f;1 t;1", "t;1 f;1", "x y")


class StressTest(ProgramCase):
    def test_everything_at_once(self) -> None:
        recordings = tempfile.TemporaryDirectory()
        self.addCleanup(recordings.cleanup)
        prompt = Path(recordings.name, "prompt")
        Path(f"{prompt}.0").write_bytes(b"\xff" * 1600)
        records = Path(recordings.name, "records")
        records.mkdir()
        program = self.program(f"-l 127.0.0.1 -d ERR -T 1 -W 1 -r {records} -s cunix:{{dir}}/c", pairs=PAIRS)
        path = f"{program.directory}/c"
        clients = [Lines(path) for _ in range(CONTROLLERS + 1)]
        for client in clients:
            self.addCleanup(client.close)
            client.ask("V")
        before = (program.threads(), program.descriptors()) if HAS_PROC else (0, 0)
        phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(phone.close)
        phone.bind(("127.0.0.1", 0))
        where = f"127.0.0.1 {phone.getsockname()[1]}"
        end = time.monotonic() + SECONDS
        failures: list[str] = []
        said = [0] * CONTROLLERS

        def control(number: int) -> None:
            source = random.Random(SEED + number)
            client = clients[number]
            while time.monotonic() < end:
                form = "X" if source.random() < 0.003 else source.choice(FORMS)
                call, other = source.randrange(CALLS), source.randrange(CALLS)
                command = form.format(call=call, other=other, where=where, prompt=prompt, tags=source.choice(TAGS),
                                      udp=where.replace(" ", ":"))
                start = time.monotonic()
                reply = client.ask(command)
                if command == "Ib":
                    for _ in range(4):
                        client.line()
                said[number] += 1
                if time.monotonic() - start > 1.0 or reply in ("", "E89"):
                    failures.append(f"{command} -> {reply} after {time.monotonic() - start:.3f} s")
                    return

        def media() -> None:
            source = random.Random(SEED)
            ports = [program.first_port + offset for offset in range(2 * PAIRS)]
            sequence = 0
            phone.settimeout(0)
            while time.monotonic() < end:
                for _ in range(20):
                    sequence += 1
                    packet = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160, 7) + b"\xff" * 160
                    phone.sendto(packet, ("127.0.0.1", source.choice(ports)))
                try:
                    while True:
                        phone.recv(2000)
                except OSError:
                    time.sleep(0.002)

        threads = [threading.Thread(target=control, args=(number,)) for number in range(CONTROLLERS)]
        threads.append(threading.Thread(target=media))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [], f"seed {SEED}")
        self.assertGreater(min(said), 50)
        client = clients[-1]
        self.assertEqual(client.ask("X"), "0")
        self.assertEqual(client.ask("G nsess_created nplrs_created"), client.ask("G nsess_destroyed nplrs_destroyed"))
        self.assertGreater(int(client.ask("G npkts_relayed")), 0)
        if HAS_PROC:
            wait_until(lambda: (program.threads(), program.descriptors()) == before,
                       lambda: f"{program.threads()} threads and {program.descriptors()} descriptors, before: {before}")
        ports = {client.ask(f"U final{number} 127.0.0.1 4 f").split()[0] for number in range(PAIRS)}
        self.assertEqual(len(ports), PAIRS, "every pair is free")
        self.assertEqual(program.stop(), 0)


if __name__ == "__main__":
    unittest.main()
