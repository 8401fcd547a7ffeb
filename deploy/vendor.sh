#!/bin/sh
# Fetches what the console is built on (app/console/static/vendor/) from npm, by exact version, and records the digests.
# Run it to upgrade: `git diff` shows what changed. Nothing else writes that folder; `deploy/check.sh vendored` compares.
set -eu
PREACT=11.2.0 HTM=3.1.1 INTER=5.3.0
cd "$(dirname "$0")/../app/console/static/vendor"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

fetch() { # NPM-NAME VERSION FOLDER; npm compares the archive with the registry's integrity
    archive=$(npm pack "$1@$2" --silent --pack-destination "$WORK")
    mkdir "$WORK/$3"
    tar -xzf "$WORK/$archive" -C "$WORK/$3" --strip-components 1
}

fetch preact "$PREACT" preact
fetch htm "$HTM" htm
fetch @fontsource-variable/inter "$INTER" inter

uncommented() { sed -e '/^\/\/# sourceMappingURL=/d' "$1"; } # the maps are not served

rm -f ./*
uncommented "$WORK/preact/dist/preact.mjs" >preact.js
# A browser resolves no bare name, and an import map would have to be an inline script.
uncommented "$WORK/preact/hooks/dist/hooks.mjs" | sed -e 's#from"preact"#from"./preact.js"#' >hooks.js
uncommented "$WORK/htm/dist/htm.module.js" >htm.js
cp "$WORK/inter/files/inter-latin-wght-normal.woff2" inter.woff2
cp "$WORK/preact/LICENSE" preact.LICENSE
cp "$WORK/htm/LICENSE" htm.LICENSE
cp "$WORK/inter/LICENSE" inter.LICENSE
sha256sum ./* >"$WORK/sums"
mv "$WORK/sums" SHA256SUMS
