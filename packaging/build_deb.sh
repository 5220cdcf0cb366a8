#!/bin/sh
# Build the Debian package into build/, from a copy of this directory. Needs debhelper; see debian/.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/rtpproxy"
tar -c --exclude-vcs --exclude=./build --exclude='./.*' --exclude=__pycache__ . | tar -x -C "$work/rtpproxy"
(cd "$work/rtpproxy" && dpkg-buildpackage -us -uc -b >"$work/log" 2>&1) || { cat "$work/log"; exit 1; }
mkdir -p build
cp "$work"/rtpproxy_* build/
ls build/rtpproxy_*_all.deb
