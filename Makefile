# all install uninstall deb rpm test interop bench demo lint clean
PYTHON ?= python3
INTERPRETER ?= /usr/bin/env python3
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
VENV = .venv
EAGER = RTPPROXY_PROGRAM=tests/interop/rig/eager.py
CALL_TESTS = $(patsubst %,tests/interop/test_%.py,differential kamailio sipp sippy)

MAN = $(PREFIX)/share/man
UNITS ?= $(PREFIX)/lib/systemd/system
SYSUSERS = $(PREFIX)/lib/sysusers.d
BASH_COMPLETIONS = $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS = $(PREFIX)/share/zsh/site-functions
EXAMPLES = $(PREFIX)/share/doc/rtpproxy/examples

# Symbolic links to the first one; the table is in rtpp/programs.py, and a test compares.
PROGRAMS = rtpproxy makeann extractaudio rtppctl
LINKS = $(filter-out rtpproxy,$(PROGRAMS))

all: build/rtpproxy

build/rtpproxy: $(shell find rtpp -name '*.py') tools/build_single_file.py
	PYTHONHASHSEED=0 $(PYTHON) tools/build_single_file.py $@ '$(INTERPRETER)'

install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 build/rtpproxy $(DESTDIR)$(PREFIX)/bin
	for name in $(LINKS); do ln -sf rtpproxy $(DESTDIR)$(PREFIX)/bin/$$name; done
	install -d $(DESTDIR)$(MAN)/man1 $(DESTDIR)$(MAN)/man8
	install -m 644 man/*.1 $(DESTDIR)$(MAN)/man1
	install -m 644 man/*.8 $(DESTDIR)$(MAN)/man8
	install -d $(DESTDIR)$(UNITS) $(DESTDIR)$(SYSUSERS)
	for unit in packaging/systemd/rtpproxy*; do \
		sed 's,@BINDIR@,$(PREFIX)/bin,' $$unit > $(DESTDIR)$(UNITS)/$${unit##*/}; \
		chmod 644 $(DESTDIR)$(UNITS)/$${unit##*/}; done
	install -m 644 packaging/systemd/sysusers.conf $(DESTDIR)$(SYSUSERS)/rtpproxy.conf
	install -d $(DESTDIR)$(BASH_COMPLETIONS) $(DESTDIR)$(ZSH_COMPLETIONS)
	install -m 644 packaging/completions/rtpproxy.bash $(DESTDIR)$(BASH_COMPLETIONS)/rtpproxy
	for name in $(LINKS); do ln -sf rtpproxy $(DESTDIR)$(BASH_COMPLETIONS)/$$name; done
	install -m 644 packaging/completions/_rtpproxy $(DESTDIR)$(ZSH_COMPLETIONS)
	install -d $(DESTDIR)$(SYSCONFDIR)/default $(DESTDIR)$(SYSCONFDIR)/rtpproxy $(DESTDIR)$(EXAMPLES)
	[ -e $(DESTDIR)$(SYSCONFDIR)/default/rtpproxy ] || \
		install -m 644 packaging/rtpproxy.default $(DESTDIR)$(SYSCONFDIR)/default/rtpproxy
	install -m 644 packaging/instance.conf.example docs/grafana.json docs/examples/*.py $(DESTDIR)$(EXAMPLES)

# Settings that were changed stay.
uninstall:
	rm -f $(PROGRAMS:%=$(DESTDIR)$(PREFIX)/bin/%) $(PROGRAMS:%=$(DESTDIR)$(BASH_COMPLETIONS)/%)
	rm -f $(patsubst man/%.1,$(DESTDIR)$(MAN)/man1/%.1,$(wildcard man/*.1))
	rm -f $(patsubst man/%.8,$(DESTDIR)$(MAN)/man8/%.8,$(wildcard man/*.8))
	rm -f $(patsubst packaging/systemd/%,$(DESTDIR)$(UNITS)/%,$(wildcard packaging/systemd/rtpproxy*))
	rm -f $(DESTDIR)$(SYSUSERS)/rtpproxy.conf $(DESTDIR)$(ZSH_COMPLETIONS)/_rtpproxy
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/rtpproxy
	! cmp -s packaging/rtpproxy.default $(DESTDIR)$(SYSCONFDIR)/default/rtpproxy || \
		rm $(DESTDIR)$(SYSCONFDIR)/default/rtpproxy

# Packages are built in a copy of this directory; they end up in build/.
deb:
	packaging/build_deb.sh

rpm:
	packaging/build_rpm.sh

test:
	$(PYTHON) -m tests

$(VENV)/bin/ruff:
	tests/interop/install.sh

interop:
	tests/interop/install.sh
	$(VENV)/bin/python -m tests -j 1 tests/interop

# The whole program, calls through SIP servers, and the comparison with the C engine, once more with streams that settle
# at their first packets: with all that can be relayed in the kernel relayed there, and with connected sockets.
interop-fastpath:
	tests/interop/install.sh
	$(EAGER) RTPPROXY_OPTIONS="--fastpath on" $(VENV)/bin/python -m tests -j 1 tests/daemon $(CALL_TESTS)

interop-connected:
	tests/interop/install.sh
	$(EAGER) RTPPROXY_OPTIONS="--fastpath off" $(VENV)/bin/python -m tests -j 1 tests/daemon $(CALL_TESTS)

bench:
	$(PYTHON) -m bench $(BENCH)

demo:
	$(PYTHON) -m demo $(if $(KEEP),--keep)

lint: $(VENV)/bin/ruff
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

clean:
	rm -rf build .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: all install uninstall deb rpm test interop interop-fastpath interop-connected bench demo lint clean
