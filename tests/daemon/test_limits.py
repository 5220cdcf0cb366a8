"""As many sessions as there are ports and descriptors, and thousands of them one after the other."""

from __future__ import annotations

import re
import unittest

from tests.daemon.program import HAS_PROC, Lines, ProgramCase, one_shot, wait_until

PORT = r"\A[0-9]+ 127\.0\.0\.1\Z"


class LimitCase(ProgramCase):
    def create_until_refused(self, client: Lines, most: int = 1000) -> tuple[int, str]:
        """How many sessions of one leg could be made, and how the next was refused."""
        for number in range(most):
            reply = client.ask(f"U {number} 127.0.0.1 4 f")
            if not re.match(PORT, reply):
                return number, reply
        raise AssertionError(f"{most} sessions and still room")

    def client(self, path: str) -> Lines:
        client = Lines(path)
        self.addCleanup(client.close)
        self.assertEqual(client.ask("V"), "20040107")
        return client


class PortRangeTest(LimitCase):
    def test_range_is_used_up(self) -> None:
        """All pairs but none to spare: E72 for a session, E71 for a leg; D, X and time-outs free them at once."""
        program = self.program("-l 127.0.0.1 -d ERR -T 1 -s cunix:{dir}/c", pairs=60)
        client = self.client(f"{program.directory}/c")
        before = program.descriptors() if HAS_PROC else 0
        self.assertEqual(self.create_until_refused(client), (60, "E72"))
        self.assertEqual(client.ask("L 7 127.0.0.1 4 f t"), "E71")
        self.assertEqual(client.ask("Un 7 127.0.0.1 4 f"), "E71")
        self.assertEqual(client.ask("D 8 f"), "0")
        self.assertRegex(client.ask("L 7 127.0.0.1 4 f t"), PORT)
        self.assertEqual(client.ask("U new 127.0.0.1 4 f"), "E72")
        self.assertEqual(client.ask("D 7 f"), "0")
        self.assertRegex(client.ask("U new 127.0.0.1 4 f t && L 127.0.0.1 5").partition(" && ")[2], PORT)
        self.assertEqual(client.ask("X"), "0")
        if HAS_PROC:
            self.assertEqual(program.descriptors(), before)
        self.assertEqual(self.create_until_refused(client), (60, "E72"))
        wait_until(lambda: client.ask("G nsess_timeout") == "60", "all time out")
        if HAS_PROC:
            self.assertEqual(program.descriptors(), before)
        self.assertEqual(self.create_until_refused(client), (60, "E72"))
        self.assertEqual(program.stop(), 0)

    def test_random_order(self) -> None:
        """Without -b every pair is used, in no particular order."""
        program = self.program("-l 127.0.0.1 -d ERR -s cunix:{dir}/c", pairs=60)
        client = self.client(f"{program.directory}/c")
        ports = [int(client.ask(f"U {number} 127.0.0.1 4 f").split()[0]) for number in range(60)]
        everything = list(range(program.first_port, program.first_port + 120, 2))
        self.assertEqual(sorted(ports), everything)
        self.assertNotEqual(ports, everything)


@unittest.skipUnless(HAS_PROC, "no /proc here")
class DescriptorTest(LimitCase):
    def test_descriptors_are_used_up(self) -> None:
        """Sessions are refused while enough descriptors remain for control: also for new connections."""
        program = self.program("-l 127.0.0.1 -d ERR -L 128 -s cunix:{dir}/c -s unix:{dir}/u", pairs=150)
        client = self.client(f"{program.directory}/c")
        before = program.descriptors(), program.threads()
        for release in ("X", "D"):
            created, reply = self.create_until_refused(client)
            self.assertEqual(reply, "E72")
            self.assertGreaterEqual(created, 30)
            self.assertEqual(client.ask("L 7 127.0.0.1 4 f t"), "E71")
            self.assertRegex(client.ask("U 7 127.0.0.1 4 f"), PORT)
            for _ in range(5):
                self.assertEqual(one_shot(f"{program.directory}/u", b"V"), b"20040107\n")
                self.client(f"{program.directory}/c")
            if release == "X":
                self.assertEqual(client.ask("X"), "0")
            else:
                for number in range(created):
                    self.assertEqual(one_shot(f"{program.directory}/u", b"D %d f" % number), b"0\n")
            self.assertEqual(client.ask("G nsess_created"), client.ask("G nsess_destroyed"))
            wait_until(lambda: program.descriptors() <= before[0] + 10, "the descriptors are free")
            self.assertEqual(program.threads(), before[1])
        self.assertEqual(program.stop(), 0)


@unittest.skipUnless(HAS_PROC, "no /proc here")
class LeakTest(LimitCase):
    def test_thousands_of_calls(self) -> None:
        """10,000 calls set up and torn down in every way leave memory and descriptors as they were."""
        program = self.program("-l 127.0.0.1 -d ERR -s cunix:{dir}/c", pairs=150)
        client = self.client(f"{program.directory}/c")
        ways = ("D {0} f", "D {0} x f", "Q {0} f t && D", "D {0} f t")

        def cycle(start: int, count: int) -> None:
            """`count` calls, in batches written at once."""
            batch = 50
            for first in range(start, start + count, batch):
                lines = []
                for number in range(first, first + batch):
                    both_legs = " && L 127.0.0.1 5000 && S ttl=30" if number % 10 == 0 else ""
                    lines.append(f"Uc0,8 call-{number}@host 127.0.0.1 4000 f t{both_legs}")
                    lines.append(ways[number // 10 % len(ways)].format(f"call-{number}@host"))
                client.send("\n".join([*lines, ""]).encode())
                replies = [client.line() for _ in lines]
                self.assertNotIn(b"E", b"".join(replies))

        cycle(0, 1000)
        memory, descriptors, threads = program.memory(), program.descriptors(), program.threads()
        cycle(1000, 10_000)
        self.assertEqual((program.descriptors(), program.threads()), (descriptors, threads))
        self.assertLess(program.memory() - memory, 1500, f"kilobytes more than {memory}")
        self.assertEqual(client.ask("G nsess_created nsess_destroyed nsess_complete"), "11000 11000 1100")


if __name__ == "__main__":
    unittest.main()
