#!/bin/sh
#
# Makes this machine a Tessera render node that works for @MASTER@.
#
#   curl -fsS @MASTER@/install.sh | sudo TESSERA_TOKEN=key sh
#   curl -fsS @MASTER@/install.sh | sudo TESSERA_TOKEN=key sh -s -- --name studio -- --backend wgpu
#
# It fetches one program from there, checks it, and lets it install itself as a service with a user of its
# own; nothing runs as root after that. What is given after -- goes to render-node install. Removed again by:
#
#   sudo render-node uninstall

set -eu

master='@MASTER@'
sha256='@SHA256@'
# Whose releases the service takes in place of this program, if the farm has any: --no-updates for none.
update_key='@UPDATE_KEY@'

fail() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}

fetch() {
    if command -v curl >/dev/null 2>&1; then
        curl --fail --silent --show-error --output "$2" "$1"
    elif command -v wget >/dev/null 2>&1; then
        wget --quiet --output-document="$2" "$1"
    else
        fail 'neither curl nor wget is here: install one of them'
    fi
}

# All of it is read before any of it runs: a broken connection leaves nothing half done.
main() {
    [ "$(uname -s) $(uname -m)" = '@SYSTEM@' ] ||
        fail "this farm has a program for @SYSTEM@ only, and this is $(uname -s) $(uname -m)"
    [ "$(id -u)" = 0 ] || fail 'only root can install a service: put sudo in front of sh'
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    printf 'install: fetching render-node from %s\n' "$master"
    fetch "$master/downloads/render-node" "$folder/render-node" || fail 'it could not be fetched'
    printf '%s  %s\n' "$sha256" "$folder/render-node" | sha256sum --check --status ||
        fail 'what came is not what was announced; nothing was installed'
    chmod 755 "$folder/render-node"
    "$folder/render-node" install --master "$master" ${update_key:+--update-key "$update_key"} "$@"
}

main "$@"
