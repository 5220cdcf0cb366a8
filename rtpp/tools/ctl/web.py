"""Asks the proxy's status page for what the control protocol cannot tell: which sessions there are.

The page is that of the proxy's option --http; see docs/http.md for what it answers. It is read only. What it sends is
taken apart with care all the same: behind the address may be anything.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from rtpp.tools.ctl.failures import Failure, NoAnswer, StrangeAnswer

PAGE = 500  # sessions asked for at once, the most that the proxy gives
MAX_BODY = 16 * 1024 * 1024  # bytes

Json = dict[str, Any]


class Web:
    """The status page at `text`: a URL, ADDRESS:PORT or PORT, as --http of the proxy has it."""

    def __init__(self, text: str, timeout: float) -> None:
        if re.fullmatch(r"[0-9]+", text):
            text = f"127.0.0.1:{text}"
        self.url = text if "://" in text else f"http://{text}"
        self._timeout = timeout
        try:
            parts = urlsplit(self.url)
            self._host, self._port = parts.hostname, parts.port
        except ValueError as error:
            raise Failure(f"--http {text}: {error}")
        if parts.scheme != "http" or not self._host:
            raise Failure(f"--http {text}: http://ADDRESS:PORT, ADDRESS:PORT or PORT is needed, as rtpproxy has it")

    def status(self) -> Json:
        """The proxy as a whole."""
        return self._get("/status", {})

    def sessions(self, query: Mapping[str, str], limit: int) -> Iterator[Json]:
        """Sessions, in the order of the proxy, a page at a time."""
        offset = 0
        while offset < limit:
            page = {"offset": str(offset), "limit": str(min(PAGE, limit - offset))}
            found = self._get("/sessions", {**query, **page}).get("sessions")
            if not isinstance(found, list) or not all(isinstance(session, dict) for session in found):
                raise StrangeAnswer(f"{self.url}/sessions does not answer with a list of sessions")
            yield from found
            offset += len(found)
            if len(found) < int(page["limit"]):
                return

    def _get(self, path: str, query: Mapping[str, str]) -> Json:
        connection = http.client.HTTPConnection(self._host or "", self._port or 80, timeout=self._timeout)
        target = path + ("?" + urlencode(query, errors="surrogateescape") if query else "")
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read(MAX_BODY)
        except ConnectionRefusedError:
            raise NoAnswer(f"nothing listens on {self.url}: rtpproxy does not run, or not with this --http",
                           absent=True)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"cannot get {self.url}{path}: {error}")
        finally:
            connection.close()
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise StrangeAnswer(f"{self.url}{path} answers with status {response.status} and no JSON object: it is not "
                                "the status page of rtpproxy")
        if response.status != 200:
            raise Failure(f"{self.url}{path}: {answer.get('error', response.reason)}")
        return answer
