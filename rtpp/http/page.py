"""The status page as it is served: one self-contained file, and the policy that lets it do no more than it must.

Style and script stand in the page and are allowed by their hashes: whatever else might find its way into the page is
neither run nor applied by a browser.
"""

from __future__ import annotations

import base64
import hashlib

from rtpp.http.markup import MARKUP
from rtpp.http.script import SCRIPT
from rtpp.http.style import STYLE


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"


BYTES = MARKUP.replace("{style}", STYLE).replace("{script}", SCRIPT).encode("utf-8")
POLICY = "; ".join((
    "default-src 'none'",
    f"script-src {_hash(SCRIPT)}",
    f"style-src {_hash(STYLE)}",
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
))
