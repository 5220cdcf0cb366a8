"""A headless Chromium, driven over the WebDriver protocol by chromedriver. Standard library only."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from typing import Any, Callable, Optional

from tests.interop.rig.tools import program
from tests.ports import free_port

PATIENCE = 30.0  # seconds; the machine may be busy
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
         "--hide-scrollbars", "--force-device-scale-factor=1")


class Browser:
    """One window. Close it in any case."""

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="rtpproxy-browser-")
        port = free_port()
        self._driver = subprocess.Popen([program("chromedriver"), f"--port={port}"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env={"HOME": self._profile, "PATH": "/usr/bin:/bin"})
        self._base = f"http://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            wait(self._is_ready, "chromedriver is ready")
            options = {"args": [*FLAGS, f"--user-data-dir={self._profile}"], "binary": program("chromium")}
            capabilities = {"browserName": "chrome", "goog:chromeOptions": options,
                            "goog:loggingPrefs": {"browser": "ALL"}}
            answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
            self._base += f"/session/{answer['sessionId']}"
        except BaseException:
            self.close()
            raise

    def _is_ready(self) -> bool:
        try:
            return bool(self._call("GET", "/status")["ready"])
        except OSError:
            return False

    def _call(self, method: str, path: str, body: Optional[dict[str, Any]] = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()[:2000]}") from error

    def close(self) -> None:
        if "/session/" in self._base:
            self._call("DELETE", "")
        self._driver.terminate()
        self._driver.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """What JavaScript returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str, *arguments: object) -> Any:
        """Until an expression is true; its value."""
        return wait(lambda: self.run(f"return {script}", *arguments), script)

    def text(self, selector: str) -> str:
        """What is to be read in an element."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def press(self, key: str) -> None:
        """A key of the keyboard, by its WebDriver code."""
        down = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": down}]})

    def show(self, width: int, height: int, scheme: str = "light") -> None:
        """A screen of this size, in the `light` or `dark` scheme."""
        self._devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                       mobile=False)
        self._devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def _devtools(self, command: str, **parameters: Any) -> Any:
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path: str) -> None:
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._call("GET", "/screenshot")))

    def messages(self) -> list[str]:
        """What the page complained about on the console since the last call."""
        return [each["message"] for each in self._call("POST", "/se/log", {"type": "browser"})]


def wait(condition: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE} s in vain until {what}")
        time.sleep(0.05)
