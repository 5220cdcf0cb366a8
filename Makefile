# all test interop bench demo lint install uninstall clean
PYTHON ?= python3
PREFIX ?= /usr/local
DESTDIR ?=
MAN = $(PREFIX)/share/man
VENV = .venv

PROGRAMS = rtpproxy makeann extractaudio rtppctl

all: $(PROGRAMS:%=build/%)

build/%: $(shell find rtpp -name '*.py') tools/build_single_file.py
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

demo:
	$(PYTHON) -m demo $(if $(KEEP),--keep)

lint: $(VENV)/bin/ruff
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(MAN)/man1 $(DESTDIR)$(MAN)/man8
	install -m 755 $(PROGRAMS:%=build/%) $(DESTDIR)$(PREFIX)/bin
	install -m 644 man/makeann.1 man/extractaudio.1 man/rtppctl.1 $(DESTDIR)$(MAN)/man1
	install -m 644 man/rtpproxy.8 $(DESTDIR)$(MAN)/man8

uninstall:
	rm -f $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/bin/%)
	rm -f $(DESTDIR)$(MAN)/man1/makeann.1 $(DESTDIR)$(MAN)/man1/extractaudio.1 $(DESTDIR)$(MAN)/man1/rtppctl.1 \
		$(DESTDIR)$(MAN)/man8/rtpproxy.8

clean:
	rm -rf build .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: all test interop bench demo lint install uninstall clean
