#!/bin/sh
# Static checks of everything in deploy/, the Dockerfile and the compose files: deploy/check.sh [CHECK ...], all of them by default.
# Exits 0 when what could be checked is right, 1 when something is wrong, 77 when a program for one named CHECK is absent.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH="$PWD/.venv/bin:$PATH" # hadolint comes from PyPI
ALL="shell vendored dockerfile compose compose-cuda systemd prometheus rules rule-tests"
OUTPUT=$(mktemp)
trap 'rm -f "$OUTPUT"' EXIT

program() {
    case $1 in
        shell) echo sh ;;
        vendored) echo sha256sum ;;
        dockerfile) echo hadolint ;;
        compose | compose-cuda) echo docker-compose ;;
        systemd) echo systemd-analyze ;;
        *) echo promtool ;;
    esac
}

check() {
    case $1 in
        shell) for script in deploy/*.sh .ci/run; do sh -n "$script" || return 1; done ;;
        vendored) # every file of what is not ours, and none besides
            (cd app/console/static/vendor && sha256sum --strict --check SHA256SUMS &&
                [ "$(find . -type f | wc -l)" -eq "$(($(wc -l <SHA256SUMS) + 1))" ])
            ;;
        dockerfile) hadolint Dockerfile ;;
        compose) GRAFANA_ADMIN_PASSWORD=unused docker-compose --profile factory config --quiet ;;
        compose-cuda)
            GRAFANA_ADMIN_PASSWORD=unused docker-compose -f docker-compose.yml -f deploy/docker-compose.cuda.yml config --quiet
            ;;
        systemd) # as installed, but for what /opt holds only then; at most 3.0 of 10 exposed
            folder=$(mktemp -d) || return 1
            sed "s|/opt/inspect-line/.venv/bin/python|/bin/true|" deploy/systemd/inspect-line.service >"$folder/inspect-line.service"
            systemd-analyze verify "$folder/inspect-line.service" &&
                systemd-analyze security --offline=true --threshold=30 "$folder/inspect-line.service"
            outcome=$?
            rm -r "$folder"
            return $outcome
            ;;
        prometheus) promtool check config deploy/prometheus/prometheus.yml ;;
        rules) promtool check rules deploy/prometheus/alerts.yml ;;
        rule-tests) (cd deploy/prometheus && promtool test rules alerts_test.yml) ;;
    esac
}

result=0
for name in ${*:-$ALL}; do
    case " $ALL " in *" $name "*) ;; *) echo "deploy: unknown check $name; there are: $ALL" && exit 1 ;; esac
    if ! command -v "$(program "$name")" >/dev/null 2>&1; then
        echo "deploy: $name skipped, $(program "$name") is not here"
        [ $# -eq 1 ] && result=77
    elif check "$name" >"$OUTPUT" 2>&1; then
        echo "deploy: $name ok"
    else
        echo "deploy: $name is wrong:"
        cat "$OUTPUT"
        result=1
    fi
done
exit $result
