#!/bin/sh
# Installs from Debian the programs that tests and checks call and Python cannot bring. Nothing it installs is started.
# Run again at will: it looks for each program first. Without root or apt it says what is missing and succeeds,
# because every test that needs a program skips, with the reason, where the program is absent.
set -eu

# program:package; chromium also takes fonts, without which every page renders as empty boxes
WANTED="prometheus:prometheus promtool:prometheus systemd-analyze:systemd docker-compose:docker-compose chromium:chromium chromedriver:chromium-driver pg_ctlcluster:postgresql mosquitto:mosquitto mosquitto_sub:mosquitto-clients"
POLICY=/usr/sbin/policy-rc.d

missing() {
    for pair in $WANTED; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s ' "${pair##*:}"
    done
}

forbid_daemons() { # Debian starts a daemon on installation unless this file says 101
    [ -e "$POLICY" ] && return 0
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
    trap 'rm -f "$POLICY"' EXIT
    trap 'exit 130' INT TERM
}

install() {
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    log=$(mktemp)
    for step in "update" "install --yes --no-install-recommends $*"; do
        # shellcheck disable=SC2086 # a step is words
        if ! apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 $step >"$log" 2>&1; then
            echo "services: apt-get $step failed:" >&2
            tail -n 15 "$log" >&2
        fi
    done
    rm -f "$log"
}

packages=$(missing)
[ -n "$packages" ] || { echo "services: everything is here"; exit 0; }

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "services: not root on Debian, so nothing was installed. Missing: $packages"
    echo "services: tests and checks that need them will be skipped"
    exit 0
fi

forbid_daemons
case $packages in *chromium*) fonts=fonts-dejavu-core ;; *) fonts= ;; esac
echo "services: installing $packages$fonts"
# shellcheck disable=SC2086 # package names are words
install $packages $fonts

packages=$(missing)
[ -z "$packages" ] || echo "services: still missing: $packages (what needs them will be skipped)"
