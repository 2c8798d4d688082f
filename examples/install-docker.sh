#!/usr/bin/env bash
# Installs Docker's engine, CLI, compose and buildx from Debian, if they are not there.
#
# Debian 12 itself has engine 20.10. Gam wants a newer one, so it is taken from the suite after it (forky), pinned so low
# that nothing else comes from there unasked: libc, containerd and runc stay those of the release.
# More packages of the release may be named as arguments.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }
[ "$(id -u)" = 0 ] || { say "install-docker.sh: run as root (it installs packages)"; exit 1; }

release_packages=(busybox-static nftables iptables iproute2 ca-certificates curl procps "$@")
missing=()
for package in "${release_packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
engine=()
[ -x /usr/sbin/dockerd ] || [ -n "$(command -v dockerd)" ] || engine=(docker.io docker-cli docker-compose docker-buildx tini-static)
[ ${#missing[@]} = 0 ] && [ ${#engine[@]} = 0 ] && exit 0

# The machine's own mirror serves that suite too. Either file may be missing.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources 2>/dev/null |
  sed -n '/security/d; s/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\?\(http[^ ]*\).*/\2/p' | sed -n 1p) || true
[ -n "$mirror" ] || { say "install-docker.sh: no Debian mirror found in /etc/apt; install docker.io 26 or newer by hand"; exit 1; }

if [ ${#engine[@]} != 0 ]; then
  cat > /etc/apt/sources.list.d/gam-forky.sources <<EOF
Types: deb
URIs: $mirror
Suites: forky
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
EOF
  printf 'Package: *\nPin: release n=forky\nPin-Priority: 50\n' > /etc/apt/preferences.d/gam-forky
fi

export DEBIAN_FRONTEND=noninteractive
# A package's start script must not start a dockerd here: whoever wants one starts it where it belongs.
policy=/usr/sbin/policy-rc.d
[ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' > $policy; chmod +x $policy; trap 'rm -f $policy' EXIT; }
apt-get update -q >&2
apt-get install -qy --no-install-recommends "${missing[@]}" "${engine[@]/%//forky}" >&2
