"""Log lines with the call-id of the call they are about, to standard error or to syslog.

Lines are formatted where they arise and written by a thread of their own, so that a slow terminal or
syslog never holds up the relay. The queue is bounded: what does not fit is dropped, and the number of
dropped lines is written as soon as there is room.

Line format: `LEVEL:CALL-ID:function:line: message`; lines about no call carry `GLOBAL`. With
RTPP_LOG_TFORM=rel in the environment the time since RTPP_LOG_TSTART precedes: seconds of the clock that
`rtpproxy -C` names, so that whoever starts several programs can compare their logs (default: since start).
"""

from __future__ import annotations

import logging
import os
import queue
import re
import syslog
import threading
import time
from typing import Callable, Optional

LEVELS = {
    "DBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERR": logging.ERROR,
    "CRIT": logging.CRITICAL,
}
for _name, _number in LEVELS.items():
    logging.addLevelName(_number, _name)

_SYSLOG_PRIORITY = {
    logging.DEBUG: syslog.LOG_DEBUG,
    logging.INFO: syslog.LOG_INFO,
    logging.WARNING: syslog.LOG_WARNING,
    logging.ERROR: syslog.LOG_ERR,
    logging.CRITICAL: syslog.LOG_CRIT,
}
CLOCK_NAME = "CLOCK_BOOTTIME" if hasattr(time, "CLOCK_BOOTTIME") else "CLOCK_MONOTONIC"
QUEUE_LINES = 10_000
STDERR = 2

_logger = logging.getLogger("rtpproxy")
_logger.propagate = False
_logger.addHandler(logging.NullHandler())  # until `start` nothing is written
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class CallLog:
    """The log of one call: `log.info("text %s", value)` writes a line with its call-id.

    Commands and packets pass dozens of log calls of which hardly any writes: one that does not is over at once.
    """

    __slots__ = ("call_id",)

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id

    isEnabledFor = staticmethod(_logger.isEnabledFor)  # under the name that logging gives it

    def debug(self, text: str, *values: object) -> None:
        if _logger.isEnabledFor(logging.DEBUG):
            self._write(logging.DEBUG, text, values)

    def info(self, text: str, *values: object) -> None:
        if _logger.isEnabledFor(logging.INFO):
            self._write(logging.INFO, text, values)

    def warning(self, text: str, *values: object) -> None:
        self._write(logging.WARNING, text, values)

    def error(self, text: str, *values: object) -> None:
        self._write(logging.ERROR, text, values)

    def critical(self, text: str, *values: object) -> None:
        self._write(logging.CRITICAL, text, values)

    def exception(self, text: str, *values: object) -> None:
        """An error with the traceback of the exception being handled."""
        self._write(logging.ERROR, text, values, exc_info=True)

    def log(self, level: int, text: str, *values: object) -> None:
        """At a level of the module `logging`."""
        self._write(level, text, values)

    def _write(self, level: int, text: str, values: tuple[object, ...], exc_info: bool = False) -> None:
        _logger.log(level, text, *values, exc_info=exc_info, extra={"call_id": self.call_id}, stacklevel=3)


GLOBAL = CallLog("GLOBAL")


def _clock() -> float:
    return time.clock_gettime(getattr(time, CLOCK_NAME))


class _Formatter(logging.Formatter):
    """Lines safe to print: a call-id or tag cannot forge a line or send escape codes to a terminal."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s:%(call_id)s:%(funcName)s:%(lineno)d: %(message)s")
        self._start: Optional[float] = None
        if os.environ.get("RTPP_LOG_TFORM") == "rel":
            try:
                self._start = float(os.environ["RTPP_LOG_TSTART"])
            except (KeyError, ValueError):
                self._start = _clock()

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).split("\n")  # a traceback has many
        text = "\n".join(_UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", line) for line in lines)
        if self._start is None:
            return text
        seconds, millis = divmod(int((_clock() - self._start) * 1000), 1000)
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{millis:03d}/{text}"


Write = Callable[[int, str], None]


def _to_stderr(level: int, text: str) -> None:
    # Past sys.stderr: were this thread stuck in its buffer, the interpreter could not flush it and would never end.
    data = (text + "\n").encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(STDERR, data) :]


def _to_syslog(level: int, text: str) -> None:
    for line in text.split("\n"):
        syslog.syslog(_SYSLOG_PRIORITY.get(level, syslog.LOG_ERR), line)


class LogWriter(logging.Handler):
    """Queues formatted lines and writes them from a thread of its own."""

    def __init__(self, targets: list[Write]) -> None:
        super().__init__()
        self.setFormatter(_Formatter())
        self._targets = targets
        self._lines: queue.Queue[Optional[tuple[int, str]]] = queue.Queue(QUEUE_LINES)
        self._dropped = 0
        self.lost = 0  # lines dropped since the start
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait((record.levelno, self.format(record)))
        except queue.Full:
            self._dropped += 1
            self.lost += 1
        except Exception:
            self.handleError(record)

    @property
    def queued(self) -> int:
        """Lines that wait, about."""
        return self._lines.qsize()

    def _run(self) -> None:
        while True:
            item = self._lines.get()
            if item is None:
                return
            self._write(*item)
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._write(logging.WARNING, f"WARN:GLOBAL:log:0: {dropped} log lines dropped: log target too slow")

    def _write(self, level: int, text: str) -> None:
        for target in self._targets:
            try:
                target(level, text)
            except (OSError, ValueError):
                pass  # a closed terminal or a full disk behind stderr must not end the log thread

    def close(self) -> None:
        """Write what is queued, wait for it (two seconds at most), and end the thread.

        The interpreter calls it once more when it ends, for all handlers of logging.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._lines.put(None, timeout=1.0)
            self._thread.join(timeout=2.0)
        except queue.Full:
            pass
        super().close()


def writers() -> list[LogWriter]:
    """Those at work: one, once `start` was called."""
    return [handler for handler in _logger.handlers if isinstance(handler, LogWriter)]


def start(level: str, *, to_stderr: bool, facility: Optional[str]) -> LogWriter:
    """Begin logging at `level` (a name of LEVELS) to standard error, to a syslog facility ("DAEMON"), or both.

    Call it after the process went to the background: the thread would not survive the fork.
    """
    targets: list[Write] = []
    if to_stderr:
        targets.append(_to_stderr)
    if facility is not None:
        syslog.openlog("rtpproxy", syslog.LOG_PID, getattr(syslog, f"LOG_{facility}"))
        targets.append(_to_syslog)
    writer = LogWriter(targets)
    for old in list(_logger.handlers):
        _logger.removeHandler(old)
    _logger.addHandler(writer)
    _logger.setLevel(LEVELS[level])
    return writer
