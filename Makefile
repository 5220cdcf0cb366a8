# all test interop bench lint install uninstall clean
PYTHON ?= python3
PREFIX ?= /usr/local
DESTDIR ?=
VENV = .venv

all: build/rtpproxy

build/rtpproxy: $(shell find rtpp -name '*.py') tools/build_single_file.py
	$(PYTHON) tools/build_single_file.py $@

test:
	$(PYTHON) -m tests

$(VENV)/bin/ruff:
	tests/interop/install.sh

interop:
	tests/interop/install.sh
	$(VENV)/bin/python -m tests tests/interop

bench:
	$(PYTHON) -m bench

lint: $(VENV)/bin/ruff
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 755 build/rtpproxy $(DESTDIR)$(PREFIX)/bin/rtpproxy
	install -m 644 man/rtpproxy.8 $(DESTDIR)$(PREFIX)/share/man/man8/rtpproxy.8

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/rtpproxy $(DESTDIR)$(PREFIX)/share/man/man8/rtpproxy.8

clean:
	rm -rf build .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: all test interop bench lint install uninstall clean
