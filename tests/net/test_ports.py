"""Port pairs: the order they are handed out in, what is passed over, what ends the search, and their sockets."""

from __future__ import annotations

import errno
import random
import socket
import unittest
from typing import Optional

from rtpp.net.addresses import IPV4, IPV6
from rtpp.net.ports import RECEIVE_BUFFER, NoPortsError, PortPool, bind_pair, set_tos
from rtpp.settings import ListenAddress
from tests.ports import HAS_IPV6, free_ports

LOOPBACK = ListenAddress(IPV4, "127.0.0.1")
LOOPBACK6 = ListenAddress(IPV6, "::1")


class Opener:
    """Opens pairs in thought: `errors` says which ports fail, and how. Remembers what it was asked."""

    def __init__(self, errors: Optional[dict[int, int]] = None) -> None:
        self.errors = errors or {}
        self.asked: list[int] = []

    def __call__(self, port: int) -> str:
        self.asked.append(port)
        if port in self.errors:
            raise OSError(self.errors[port], "refused")
        return f"sockets on {port}"


def take(pool: PortPool, count: int = 1) -> list[int]:
    return [pool.take(Opener())[0] for _ in range(count)]


class Order(unittest.TestCase):
    def test_sequential_goes_round(self) -> None:
        pool = PortPool(27002, 27008, sequential=True)
        self.assertEqual(take(pool, 3), [27002, 27004, 27006])
        pool.release(27002)
        pool.release(27006)
        self.assertEqual(take(pool, 2), [27008, 27002])  # the wheel comes round before a released pair is used again
        self.assertEqual(take(pool), [27006])

    def test_released_at_once_is_not_used_at_once(self) -> None:
        pool = PortPool(30000, 30018, sequential=True)
        used = []
        for _ in range(20):
            used += take(pool)
            pool.release(used[-1])
        self.assertEqual(used, 2 * list(range(30000, 30020, 2)))

    def test_random_order_holds_every_pair_once(self) -> None:
        pool = PortPool(30000, 30998)
        ports = take(pool, 500)
        self.assertEqual(sorted(ports), list(range(30000, 31000, 2)))
        self.assertNotEqual(ports, sorted(ports))
        self.assertNotEqual(ports, take(PortPool(30000, 30998), 500))

    def test_random_order_waits_for_the_wheel_too(self) -> None:
        pool = PortPool(30000, 30998)
        first = take(pool)[0]
        pool.release(first)
        self.assertNotIn(first, take(pool, 499))
        self.assertEqual(take(pool), [first])

    def test_result_of_opening_is_handed_on(self) -> None:
        self.assertEqual(PortPool(5000, 5002, sequential=True).take(Opener()), (5000, "sockets on 5000"))

    def test_size_and_free(self) -> None:
        pool = PortPool(5000, 5006)
        self.assertEqual((pool.size, pool.free), (4, 4))
        port = take(pool)[0]
        self.assertEqual(pool.free, 3)
        pool.release(port)
        self.assertEqual(pool.free, 4)


class Exhaustion(unittest.TestCase):
    def test_single_pair_gives_nothing(self) -> None:
        for sequential in (False, True):
            pool = PortPool(28000, 28000, sequential=sequential)
            opener = Opener()
            for _ in range(3):
                with self.assertRaises(NoPortsError):
                    pool.take(opener)
            self.assertEqual(opener.asked, [])

    def test_empty_range_gives_nothing(self) -> None:
        with self.assertRaises(NoPortsError):
            PortPool(28002, 28000).take(Opener())

    def test_every_pair_of_a_larger_range_is_had(self) -> None:
        for sequential in (False, True):
            for pairs in range(2, 12):
                with self.subTest(pairs=pairs, sequential=sequential):
                    pool = PortPool(28000, 28000 + 2 * pairs - 2, sequential=sequential)
                    self.assertEqual(sorted(take(pool, pairs)), list(range(28000, 28000 + 2 * pairs, 2)))
                    with self.assertRaises(NoPortsError):
                        pool.take(Opener())

    def test_pair_used_last_is_not_looked_at_by_the_next_search(self) -> None:
        pool = PortPool(28000, 28002, sequential=True)
        self.assertEqual(take(pool), [28000])
        self.assertEqual(take(pool), [28002])
        pool.release(28002)
        with self.assertRaises(NoPortsError):
            pool.take(Opener())
        pool.release(28000)
        self.assertEqual(take(pool), [28000])

    def test_failed_search_leaves_the_wheel_where_it_was(self) -> None:
        pool = PortPool(28000, 28004, sequential=True)
        take(pool)
        busy = Opener(dict.fromkeys((28002, 28004), errno.EADDRINUSE))
        with self.assertRaises(NoPortsError):
            pool.take(busy)
        self.assertEqual(busy.asked, [28002, 28004])
        self.assertEqual(pool.free, 2)
        self.assertEqual(take(pool), [28002])

    def test_random_taking_and_releasing(self) -> None:
        """Against the rule told plainly: from the slot after the one used last, all but that one."""
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        for pairs in (1, 2, 3, 7, 20):
            pool = PortPool(40000, 40000 + 2 * pairs - 2, sequential=True)
            ports = list(range(40000, 40000 + 2 * pairs, 2))
            held: set[int] = set()
            cursor = 0
            for _ in range(400):
                if held and chance.random() < 0.45:
                    port = chance.choice(sorted(held))
                    held.discard(port)
                    pool.release(port)
                    continue
                busy = {port: chance.choice((errno.EADDRINUSE, errno.EACCES)) for port in ports
                        if chance.random() < 0.2}
                probed = [ports[(cursor + step) % pairs] for step in range(pairs - 1)]
                expected = next((port for port in probed if port not in held and port not in busy), None)
                try:
                    taken: Optional[int] = pool.take(Opener(busy))[0]
                except NoPortsError:
                    taken = None
                self.assertEqual(taken, expected, f"seed {seed}, {pairs} pairs")
                if taken is not None:
                    held.add(taken)
                    cursor = (ports.index(taken) + 1) % pairs
                self.assertEqual(pool.free, pairs - len(held))


class Errors(unittest.TestCase):
    def test_busy_pairs_are_passed_over(self) -> None:
        for code in (errno.EADDRINUSE, errno.EACCES):
            with self.subTest(errno.errorcode[code]):
                pool = PortPool(28000, 28008, sequential=True)
                opener = Opener({28000: code, 28002: code})
                self.assertEqual(pool.take(opener)[0], 28004)
                self.assertEqual(opener.asked, [28000, 28002, 28004])
                self.assertEqual(pool.free, 4)

    def test_other_errors_end_the_search(self) -> None:
        for code in (errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENOBUFS, errno.EINVAL):
            with self.subTest(errno.errorcode[code]):
                pool = PortPool(28000, 28008, sequential=True)
                opener = Opener({28000: code})
                with self.assertRaises(OSError) as caught:
                    pool.take(opener)
                self.assertEqual(caught.exception.errno, code)
                self.assertEqual(opener.asked, [28000])
                self.assertEqual(pool.free, 5)
                self.assertEqual(take(pool), [28000])


class Sockets(unittest.TestCase):
    def pair(self, address: ListenAddress, port: int, tos: int = 0xB8) -> tuple[socket.socket, socket.socket]:
        pair = bind_pair(address, port, tos)
        for each in pair:
            self.addCleanup(each.close)
        return pair

    def test_pair_is_even_and_odd_and_does_not_block(self) -> None:
        port = free_ports(2)
        for bound, number in zip(self.pair(LOOPBACK, port), (port, port + 1)):
            self.assertEqual(bound.getsockname(), ("127.0.0.1", number))
            self.assertFalse(bound.getblocking())
            self.assertGreaterEqual(bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), min(RECEIVE_BUFFER, 212992))
            with self.assertRaises(BlockingIOError):
                bound.recv(1)

    def test_type_of_service(self) -> None:
        for tos, shown in ((0xB8, 0xB8), (0, 0), (0x10, 0x10), (-1, 0)):
            with self.subTest(tos=tos):
                for bound in self.pair(LOOPBACK, free_ports(2), tos):
                    self.assertEqual(bound.getsockopt(socket.IPPROTO_IP, socket.IP_TOS), shown)

    def test_type_of_service_that_cannot_be_set_is_no_error(self) -> None:
        rtp, rtcp = self.pair(LOOPBACK, free_ports(2), 0x20)
        rtp.close()
        set_tos(rtp, 0x40)
        for tos in (99999, 2**31 - 1):  # commands may name any
            set_tos(rtcp, tos)
        set_tos(rtcp, 0x40)
        self.assertEqual(rtcp.getsockopt(socket.IPPROTO_IP, socket.IP_TOS), 0x40)

    @unittest.skipUnless(HAS_IPV6, "no IPv6 on the loopback interface")
    def test_ipv6_socket_is_ipv6_only(self) -> None:
        port = free_ports(2)
        six = self.pair(ListenAddress(IPV6, "::"), port)
        four = self.pair(ListenAddress(IPV4, "0.0.0.0"), port)  # the same numbers in the other family
        self.assertEqual(six[0].getsockname()[:2], ("::", port))
        self.assertEqual(four[1].getsockname(), ("0.0.0.0", port + 1))
        for bound in six:
            self.assertEqual(bound.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY), 1)

    def test_half_a_pair_leaves_nothing_open(self) -> None:
        for taken in (0, 1):
            with self.subTest(taken=taken):
                port = free_ports(2)
                with socket.socket(IPV4, socket.SOCK_DGRAM) as other:
                    other.bind(("127.0.0.1", port + taken))
                    with self.assertRaises(OSError) as caught:
                        bind_pair(LOOPBACK, port, 0)
                    self.assertEqual(caught.exception.errno, errno.EADDRINUSE)
                self.pair(LOOPBACK, port)  # both can be had again

    def test_real_pairs_pass_over_what_others_hold(self) -> None:
        base = free_ports(8)
        pool = PortPool(base, base + 6, sequential=True)
        with socket.socket(IPV4, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", base + 1))  # the RTCP port of the first pair
            port, pair = pool.take(lambda number: self.pair(LOOPBACK, number))
        self.assertEqual(port, base + 2)
        self.assertEqual(pair[1].getsockname()[1], base + 3)

    def test_address_that_is_not_ours(self) -> None:
        pool = PortPool(28000, 28998)
        with self.assertRaises(OSError) as caught:
            pool.take(lambda port: self.pair(ListenAddress(IPV4, "192.0.2.1"), port))
        self.assertEqual(caught.exception.errno, errno.EADDRNOTAVAIL)
        self.assertEqual(pool.free, 500)


if __name__ == "__main__":
    unittest.main()
