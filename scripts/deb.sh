#!/usr/bin/env bash
# Makes dist/edgevoice_VERSION_ARCHITECTURE.deb for the release and processor that this runs on: an environment with all Python packages
# in /opt/edgevoice, units, user, folders and a configuration. What pip has to compile is kept as wheels in ~/.cache/edgevoice/wheels.
# Usage: scripts/deb.sh; EDGEVOICE_DEB_VERSION=… sets another version.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
unset PYTHONPATH PYTHONHOME
system_python=$(readlink -f /usr/bin/python3)
python=$PWD/.venv/bin/python
architecture=$(dpkg --print-architecture)
version=${EDGEVOICE_DEB_VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)}
[ "$(readlink -f "$python")" = "$system_python" ] || die "the package is for the system's Python, and .venv has another" "make distclean && EDGEVOICE_PYTHON=/usr/bin/python3 make setup"
release=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
next_release=${release%.*}.$(( ${release#*.} + 1 ))
build=build/deb; log=$build/deb.log
rm -rf "$build"; mkdir -p "$build" dist

# Every processor of the architecture: kernels in variants, chosen when they are loaded (`engines/llama_native.py`).
llama_flags="-DGGML_NATIVE=OFF -DGGML_BACKEND_DL=ON -DGGML_CPU_ALL_VARIANTS=ON -DCMAKE_INSTALL_BINDIR=llama_cpp/lib -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF"
llama=$(grep '^llama-cpp-python==' constraints.txt)
pyaudio=$(grep -i '^pyaudio==' constraints.txt)
wheels=${XDG_CACHE_HOME:-$HOME/.cache}/edgevoice/wheels/$(hash_of "$architecture" "$system_python" "$llama" "$pyaudio" "$llama_flags")
wheel() { "$python" -m pip wheel --disable-pip-version-check --no-input --no-deps --no-build-isolation --no-cache-dir -w "$@"; }

kept() { compgen -G "$wheels/$1-*.whl" >/dev/null; }
mkdir -p "$wheels"
if ! kept llama_cpp_python; then
    say "[1] llama.cpp for every $architecture processor (20 minutes or more on two cores; kept for the next time)"
    mkdir -p "$build/tmp"
    TMPDIR=$PWD/$build/tmp CMAKE_ARGS=$llama_flags CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) logged "llama.cpp" "$log" wheel "$wheels" -v "$llama" \
        || die "llama.cpp could not be compiled" "the whole log: $log"
fi
kept [Pp]y[Aa]udio || logged "PyAudio" "$log" wheel "$wheels" "$pyaudio" || die "PyAudio could not be compiled" "the whole log: $log"

say "[2] edgevoice itself, in portable machine code"
mkdir -p "$build/own" "$build/source"
git ls-files -z --cached --others --exclude-standard -- edgevoice ext setup.py pyproject.toml LICENSE README.md | tar --null -T - -cf - | tar -xf - -C "$build/source"
(unset EDGEVOICE_NATIVE; logged "edgevoice" "$log" wheel "$build/own" "./$build/source") || die "edgevoice could not be compiled" "the whole log: $log"

say "[3] the environment"
root=$build/root; home=$root/opt/edgevoice; packages=$home/lib/python$release/site-packages
mkdir -p "$home/bin" "$packages"
ln -s "$system_python" "$home/bin/python"
printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = %s\n' "$release" >"$home/pyvenv.cfg"
logged "packages" "$log" "$python" -m pip --python "$home/bin/python" install --disable-pip-version-check --no-input --no-compile \
    --only-binary :all: --find-links "$wheels" --find-links "$build/own" -c constraints.txt edgevoice \
    || die "the packages could not be installed" "the whole log: $log"
find "$home/bin" -type f -delete
rm -rf "$packages"/{lib,include,bin} # llama.cpp's files for C programs, a second time
for library in "$packages"/llama_cpp/lib/*.so.*.*; do # a wheel has no links: each is there three times
    name=${library##*/}; name=${name%.*.*}
    ln -sf "${library##*/}" "${library%/*}/$name"; ln -sf "${library##*/}" "${library%/*}/${name%.*}"
done
# Its AMX kernels end in SIGILL on virtual machines that show the unit and do not keep its tiles, and small models gain nothing by them.
rm -f "$packages"/llama_cpp/lib/libggml-cpu-sapphirerapids.so
printf '#!/opt/edgevoice/bin/python -I\nimport sys\n\nfrom edgevoice.cli.main import main\n\nsys.exit(main())\n' >"$home/bin/edgevoice"
chmod 755 "$home/bin/edgevoice"
# The service cannot write there, so what Python compiles comes along, and is believed without a look at the source.
"$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$root" -p / "$home/lib" >>"$log" 2>&1 || true # some packages bring templates

say "[4] the package"
units=edgevoice/units
install -Dm644 -t "$root/usr/lib/systemd/system" "$units"/edgevoice.service "$units"/edgevoice-models.service
install -Dm644 "$units/sysusers.conf" "$root/usr/lib/sysusers.d/edgevoice.conf"
install -Dm644 "$units/tmpfiles.conf" "$root/usr/lib/tmpfiles.d/edgevoice.conf"
install -Dm644 "$units/edgevoice.toml" "$root/etc/edgevoice/edgevoice.toml"
install -Dm644 -t "$root/usr/share/doc/edgevoice/examples" "$units"/mqtt.conf "$units"/jetson.conf configs/*.toml
install -Dm644 LICENSE "$root/usr/share/doc/edgevoice/copyright"
mkdir -p "$root/usr/bin"; ln -s /opt/edgevoice/bin/edgevoice "$root/usr/bin/edgevoice"
install -Dm755 -t "$root/DEBIAN" packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm
echo /etc/edgevoice/edgevoice.toml >"$root/DEBIAN/conffiles"
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@PYTHON@/$release/; s/@NEXT_PYTHON@/$next_release/" \
    -e "s/@LIBC@/$(dpkg-query -W -f '${Version}' libc6 | cut -d- -f1)/; s/@SIZE@/$(du -sk --exclude=DEBIAN "$root" | cut -f1)/" \
    packaging/deb/control >"$root/DEBIAN/control"
find "$root" -type d -exec chmod 755 {} +
deb=dist/edgevoice_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz -z1 --build "$root" "$deb" >>"$log"
say "      $deb, $(( $(stat -c %s "$deb") / 1000000 )) MB, after $SECONDS s"
