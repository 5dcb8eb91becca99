# What is installed of the library: these files and no others, headers that stand alone, public names only, and a
# program of somebody else's built against it in every way.
. "$SOURCE/tests/e2e/check.sh"
stage="$work/stage"
cache() {
    sed -n "s/^$1:[A-Z]*=//p" "$BUILD/CMakeCache.txt"
}
prefix=$(cache CMAKE_INSTALL_PREFIX)
cc=$(cache CMAKE_C_COMPILER)
sanitize=$(cache HEARTH_SANITIZE)
sanitize=${sanitize:+-fsanitize=$sanitize}
version=$(sed -n 's/^#define HEARTH_VERSION "\(.*\)"/\1/p' "$SOURCE/include/hearth/hearth.h")
for component in library development; do
    DESTDIR="$work/$component" cmake --install "$BUILD" --component $component >"$work/log" 2>&1 ||
        fail "cmake --install $component: $(tail -n 3 "$work/log")"
    mkdir -p "$stage"
    cp -a "$work/$component/." "$stage/"
done
root="$stage$prefix"
lib=$(dirname "$(find "$root" -name 'libhearth.so.0')")
lib=${lib#"$root/"}
files() {
    (cd "$work/$1$prefix" && find . -type f -o -type l) | sed 's|^\./||' | sort
}

# ---- which files ----
what="the library's package"
expect_equal "$(files library)" "$(printf '%s\n' "$lib/libhearth.so.0" "$lib/libhearth.so.$version")"
what="the development package"
expect_equal "$(files development | grep -v '/man3/')" "$(
    {
        (cd "$SOURCE" && ls include/hearth/*)
        printf '%s\n' "$lib/libhearth.so" "$lib/libhearth.a" "$lib/pkgconfig/hearth.pc" \
            "$lib/cmake/hearth/hearthConfig.cmake" "$lib/cmake/hearth/hearthConfigVersion.cmake"
    } | sort)"
what="the version of the library's file"
expect_equal "$(readlink "$root/$lib/libhearth.so.0")" "libhearth.so.$version"

# ---- manual pages: one for each header, one that leads there for each function ----
man=$(find "$root" -name man3)
for header in "$SOURCE"/include/hearth/*.h; do
    name=$(basename "$header" .h)
    page="$man/hearth_$name.3"
    [ "$name" = hearth ] && page="$man/hearth.3"
    what="the page of $name.h"
    expect_in '^\.SH NAME' "$(cat "$page")"
    expect_in '^\.SH DESCRIPTION' "$(cat "$page")"
done
nm -D --defined-only "$root/$lib/libhearth.so.0" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/names"
while read -r name; do
    checks=$((checks + 1))
    [ -f "$man/$name.3" ] || fail "$name has no manual page"
done <"$work/names"

# ---- names ----
what="the shared library"
expect_equal "$(grep -v '^hearth_' "$work/names")" ""
expect_equal "$(nm -D --defined-only "$root/$lib/libhearth.so.0" | awk '$2 != "A" && $3 !~ /@@HEARTH_[0-9.]+$/')" ""
what="the static library"
expect_equal "$(nm -g --defined-only "$root/$lib/libhearth.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -v '^hearth_')" ""
what="the names of both libraries"
expect_equal "$(nm -g --defined-only "$root/$lib/libhearth.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort)" "$(cat "$work/names")"
what="functions that a header declares"
expect_equal "$(grep -ohE '^HEARTH_API [^(]*\(' "$root"/include/hearth/*.h | sed -E 's/.*[ *]([a-z0-9_]+)\($/\1/' | sort)" "$(cat "$work/names")"
what="the SONAME"
expect_in 'SONAME.*libhearth\.so\.0' "$(objdump -p "$root/$lib/libhearth.so.0" 2>/dev/null)"

# ---- headers, each alone ----
for header in "$root"/include/hearth/*.h; do
    name=$(basename "$header")
    echo "#include <hearth/$name>" | tee "$work/alone.cpp" >"$work/alone.c"
    checks=$((checks + 1))
    "$cc" -std=c99 -pedantic -Wall -Wextra -Werror -I"$root/include" -fsyntax-only "$work/alone.c" || fail "$name as C99"
    if command -v c++ >/dev/null; then
        c++ -std=c++17 -pedantic -Wall -Wextra -Werror -I"$root/include" -fsyntax-only "$work/alone.cpp" || fail "$name as C++17"
    fi
done

# ---- somebody else's program ----
cp "$SOURCE"/tests/consumer/* "$work/"
try_consumer() {
    what=$1
    answer=$(LD_LIBRARY_PATH="$root/$lib" "$2" "$SOURCE/models/ember/ember.gguf" 2>&1)
    expect_in "^$version llama, [0-9]+ tokens, 0$" "$answer"
}
export PKG_CONFIG_PATH="$root/$lib/pkgconfig" CFLAGS="$sanitize" CC="$cc"
what="pkg-config"
expect_equal "$(pkg-config --modversion hearth)" "$version"
# shellcheck disable=SC2046
{
    "$cc" $sanitize "$work/consumer.c" $(pkg-config --cflags --libs hearth) -o "$work/pc_shared" || fail "pkg-config, shared"
    try_consumer "pkg-config, shared" "$work/pc_shared"
    rm "$root/$lib/libhearth.so"
    "$cc" $sanitize "$work/consumer.c" $(pkg-config --static --cflags --libs hearth) -o "$work/pc_static" || fail "pkg-config, static"
    try_consumer "pkg-config, static" "$work/pc_static"
}
if cmake -S "$work" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$root" >"$work/log" 2>&1 && cmake --build "$work/cmake" >>"$work/log" 2>&1; then
    try_consumer "find_package, shared" "$work/cmake/consumer_shared"
    try_consumer "find_package, static" "$work/cmake/consumer_static"
else
    fail "find_package: $(tail -n 5 "$work/log")"
fi
what="find_package of another version"
mkdir -p "$work/other"
sed 's/hearth 0.1 /hearth 0.9 /' "$SOURCE/tests/consumer/CMakeLists.txt" >"$work/other/CMakeLists.txt"
cp "$work/consumer.c" "$work/other/"
cmake -S "$work/other" -B "$work/other/build" -DCMAKE_PREFIX_PATH="$root" >"$work/log" 2>&1 && fail "version 0.9 was found"
expect_in "0\.1\.0" "$(cat "$work/log")"
finish
