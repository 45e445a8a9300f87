#!/usr/bin/env bash
# Unpacks promtool, which checks rules of Prometheus, from Debian's package into a folder. Nothing is installed into the system.
#
# Usage: promtool.sh FOLDER
set -euo pipefail
folder=$1
if [ -x "$folder/promtool" ]; then exit 0; fi
mkdir -p "$folder"
cd "$folder"
apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }
dpkg --fsys-tarfile prometheus_*.deb | tar --extract --strip-components=3 ./usr/bin/promtool
rm prometheus_*.deb
