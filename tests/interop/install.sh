#!/bin/sh
# Install the programs that the interop tests need: Debian packages (as root) and, into the virtual environment .venv,
# Python packages. What each test needs is listed in tests/interop/packages/*.txt, one `apt NAME` or `pip NAME==VERSION`
# a line. Does nothing, quickly, when all is there.
set -eu
cd "$(dirname "$0")/../.."
packages=tests/interop/packages

wanted=$(sed -n 's/^apt //p' $packages/*.txt | sort -u)
missing=
for name in $wanted; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $name"
done
if [ -n "$missing" ]; then
    echo "installing Debian packages:$missing"
    apt-get update -q
    # shellcheck disable=SC2086  # one word for each package
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

[ -x .venv/bin/python ] || python3 -m venv .venv
requirements=$(sed -n 's/^pip //p' $packages/*.txt | sort -u)
stamp=.venv/installed-requirements
if [ "$(cat $stamp 2>/dev/null)" != "$requirements" ]; then
    echo "installing Python packages:" $requirements
    # shellcheck disable=SC2086
    .venv/bin/pip install -q --disable-pip-version-check $requirements
    printf '%s\n' "$requirements" > $stamp
fi
