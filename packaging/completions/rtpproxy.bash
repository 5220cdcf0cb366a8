# Bash completion for rtpproxy and the programs that share its file. A test compares the options with the programs' own.

_rtpproxy_options='-2 -6 -? -A -C -D -F -L -M -P -R -S -T -V -W -a -b -c -d -f -i -l -m -n -p -r -s -t -u -v -w
    --bridge_symmetric --config --dso --fastpath --force_asymmetric --help --http --nice --no_redirect --no_resolve --overload_prot'
_makeann_options='-L -l -v'
_extractaudio_options='-A -B -D -F -S -d -e -i -n -s --alice-crypto --bob-crypto --help --plot'
_rtppctl_commands='check delete drain ping raw record session sessions stats stop watch'
_rtppctl_options='-h --help --http --json --timeout -s'

_rtpproxy() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    -r | -S) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    -p | --config) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --dso)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -W 'acct_csv acct_rtcp_hep catch_dtmf' -f -- "$word")
        return ;;
    -s) compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -W 'udp: udp6: tcp: tcp6: unix: cunix: stdio: stdioc: systemd:' -- "$word")
        return ;;
    --fastpath) mapfile -t COMPREPLY < <(compgen -W 'auto on off' -- "$word"); return ;;
    -c) mapfile -t COMPREPLY < <(compgen -W 'fifo rr' -- "$word"); return ;;
    -d) mapfile -t COMPREPLY < <(compgen -W 'DBUG INFO WARN ERR CRIT' -- "$word"); return ;;
    -u) mapfile -t COMPREPLY < <(compgen -u -- "$word"); return ;;
    -6 | -A | -L | -M | -T | -W | -l | -m | -n | -t | -w | --http | --nice) return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$_rtpproxy_options" -- "$word")
}

_makeann() {
    local word=${COMP_WORDS[COMP_CWORD]}
    case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$_makeann_options" -- "$word") ;;
    *) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    esac
}

_extractaudio() {
    local word=${COMP_WORDS[COMP_CWORD]}
    case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$_extractaudio_options" -- "$word") ;;
    *) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    esac
}

_rtppctl() {
    local word=${COMP_WORDS[COMP_CWORD]}
    case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$_rtppctl_options" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$_rtppctl_commands" -- "$word") ;;
    esac
}

complete -F _rtpproxy rtpproxy
complete -F _rtppctl rtppctl
complete -F _makeann makeann
complete -F _extractaudio extractaudio
