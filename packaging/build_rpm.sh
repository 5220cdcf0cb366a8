#!/bin/sh
# Build the RPM package into build/, from a copy of this directory. Needs rpmbuild; see packaging/rpm/. What it needs is not
# looked for among RPM's packages: there are none on a host of another kind.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' rtpp/__init__.py)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/SOURCES"
tar -c --exclude-vcs --exclude=./build --exclude='./.*' --exclude=__pycache__ \
    --transform "s,^\.,rtpproxy-$version," . | gzip -n >"$work/SOURCES/rtpproxy-$version.tar.gz"
rpmbuild -bb --quiet --nodeps --define "_topdir $work" --define "proxy_version $version" packaging/rpm/rtpproxy.spec \
    >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
mkdir -p build
cp "$work"/RPMS/noarch/rtpproxy-*.rpm build/
ls build/rtpproxy-*.noarch.rpm
