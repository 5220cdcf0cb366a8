"""The texts that explain the command line: `--help`, complete and grouped, and the short usage for errors."""

from __future__ import annotations

USAGE = """\
usage: rtpproxy [-2fvFiPaRbD] [-l [label@]addr1[/addr2][=advertised]]
    [-6 [label@]addr1[/addr2][=advertised]] [-s udp:host[:port] | tcp:host[:port] | unix:path | ...]
    [-t tos] [-r record_dir [-S spool_dir]] [-T ttl] [-L open_files] [-m port_min]
    [-M port_max] [-u user[:group]] [-w socket_mode] [-n notify_target]
    [-d level[:facility]] [-p pid_file] [-c fifo|rr] [-A addr1[/addr2]] [-W setup_ttl]
       rtpproxy -V
       rtpproxy --help
"""

HELP = """\
rtpproxy relays, records, copies and plays the media of calls that a SIP server controls.

usage: rtpproxy [OPTION]...

Control
  -s SOCKET             control socket, may be repeated (default unix:/var/run/rtpproxy.sock):
                        udp:HOST[:PORT], udp6:HOST[:PORT], tcp:HOST[:PORT],
                        tcp6:HOST[:PORT] (default port 22222), unix:PATH, cunix:PATH,
                        stdio:, stdioc:, systemd:
  -n TARGET             permitted target of timeout notifications, may be repeated:
                        unix:PATH, tcp:HOST:PORT or tcp:%%CC_SELF%%:PORT
  -w MODE               mode of local control sockets, decimal (511 is octal 0777); takes
                        effect together with -u :GROUP
      --fastpath WHEN       relay settled calls in the kernel: auto (default), on, off
      --http [ADDR:]PORT    status page and metrics (default: none; ADDR is 127.0.0.1)

Addresses and ports
  -l [LABEL@]ADDR[/EXTERNAL][=ADVERTISED]
                        IPv4 listen address (default *), may be repeated with labels;
                        with /EXTERNAL, bridge between two networks
  -6 [LABEL@]ADDR[/EXTERNAL][=ADVERTISED]
                        the same for IPv6; -l ADDR -6 /ADDR bridges IPv4 to IPv6
  -A ADDR[/EXTERNAL]    address to put into replies instead of the listen address;
                        a bridge needs both
  -m PORT               lowest media port (default 35000)
  -M PORT               highest media port (default 65000)
  -b                    allocate ports in sequence instead of at random
      --no_resolve      accept numeric addresses only, never look up a name

Media
  -2                    send small packets (below 128 bytes) twice
  -t TOS                type of service of sent packets, 0 to 255 (default 184);
                        -1 leaves the system's default
      --force_asymmetric   take a party's address from commands only, unless they say s
      --bridge_symmetric   in bridging mode learn addresses from packets all the same

Life of a session
  -T SECONDS            end a session after this long without packets (default 60)
  -W SECONDS            the same while the call is being set up (default: as -T)
  -i                    count the idle time of each direction on its own
      --overload_prot[=SPEC]   refuse new sessions when overloaded; SPEC is ignored

Recording
  -r DIR                directory for recordings
  -S DIR                directory for recordings in progress, moved to -r at the end
  -a                    record every session from its start
  -P                    record in pcap format
  -R                    do not record RTCP

Process
  -f                    stay in the foreground
  -D                    keep the working directory when going to the background
      --no_redirect     keep standard output and error in the background, and log there too
  -p FILE               pid file (default /var/run/rtpproxy.pid; /dev/null for none)
  -u USER[:GROUP]       run as this user and group
  -F                    run as superuser without asking
  -L N                  limit of open files
  -c fifo|rr            real-time scheduling
      --nice N          scheduling priority, -20 to 20

Logging
  -d LEVEL[:FACILITY]   DBUG, INFO, WARN, ERR or CRIT, and the syslog facility (default:
                        DBUG in the foreground, WARN:DAEMON in the background)

Modules
      --dso MODULE      load a module: acct_csv, catch_dtmf, or a file of Python
      --config FILE     load the modules that a configuration file names

Information
  -V                    print the version
  -v                    print the capabilities of the control protocol
  -C                    print the name of the clock used
  -?                    print a short usage
      --help            print this text
"""
