# What is installed of the library: these files and no others, headers that stand alone, public names only, and a
# program of somebody else's built against it in every way.
. "${SOURCE:?}/tests/e2e/check.sh" || exit 1
stage="$work/stage"
cache() {
    sed -n "s/^$1:[A-Z]*=//p" "$BUILD/CMakeCache.txt"
}
prefix=$(cache CMAKE_INSTALL_PREFIX)
cc=$(cache CMAKE_C_COMPILER)
sanitize=$(cache HEARTH_SANITIZE)
sanitize=${sanitize:+-fsanitize=$sanitize}
version=$(sed -n 's/^#define HEARTH_VERSION "\(.*\)"/\1/p' "$SOURCE/include/hearth/hearth.h")
for component in library models development; do
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
what="the package of the models' library"
expect_equal "$(files models)" "$(printf '%s\n' "$lib/libhearth-models.so.0" "$lib/libhearth-models.so.$version")"
what="the development package"
expect_equal "$(files development | grep -v '/man3/')" "$(
    {
        (cd "$SOURCE" && ls include/hearth/*)
        printf '%s\n' "$lib"/libhearth{,-models}.{so,a} "$lib"/pkgconfig/hearth{,-models}.pc \
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

# check_names LIBRARY VERSION PREFIX HEADER...: what it shows and what these declare are the same.
check_names() {
    local library=$1 map=$2 prefix=$3
    shift 3
    nm -D --defined-only "$root/$lib/$library.so.0" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/names"
    while read -r name; do
        checks=$((checks + 1))
        [ -f "$man/$name.3" ] || fail "$name has no manual page"
    done <"$work/names"
    what="$library.so"
    expect_equal "$(grep -v "^$prefix" "$work/names")" ""
    expect_equal "$(nm -D --defined-only "$root/$lib/$library.so.0" | awk '$2 != "A"' | grep -vE "@@${map}_[0-9.]+\$")" ""
    what="$library.a"
    expect_equal "$(nm -g --defined-only "$root/$lib/$library.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort)" "$(cat "$work/names")"
    what="functions that the headers of $library declare"
    expect_equal "$(cd "$root/include/hearth" && grep -ohE '^HEARTH_API [^(]*\(' "$@" | sed -E 's/.*[ *]([a-z0-9_]+)\($/\1/' | sort)" "$(cat "$work/names")"
    what="the SONAME of $library"
    expect_in "SONAME.*$library\.so\.0" "$(objdump -p "$root/$lib/$library.so.0" 2>/dev/null)"
}
# shellcheck disable=SC2046
check_names libhearth HEARTH hearth_ $(cd "$root/include/hearth" && ls | grep -v '^models\.h$')
check_names libhearth-models HEARTH_MODELS hearth_models_ models.h
what="what libhearth needs"
expect_equal "$(objdump -p "$root/$lib/libhearth.so.0" | awk '/NEEDED/ { print $2 }' | grep -vE '^(libc|libm|ld-linux.*|libpcre2-8|libutf8proc|libjansson|lib[a-z]*san)\.so' )" ""

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
cp "$SOURCE"/tests/consumer/* "$SOURCE/examples/models.c" "$work/"
try_consumer() {
    what=$1
    answer=$(LD_LIBRARY_PATH="$root/$lib" "$2" "$SOURCE/models/ember/ember.gguf" 2>&1)
    expect_in "^$version llama, [0-9]+ tokens, 0$" "$answer"
}
# The example that manages models is the consumer of libhearth-models.
export XDG_CACHE_HOME="$work/cache"
try_models() {
    what=$1
    rm -rf "$work/managed"
    export LD_LIBRARY_PATH="$root/$lib"
    "$2" "$work/managed" import "$SOURCE/models/ember/ember.gguf" house/small >"$work/said" 2>&1 || fail "$what: import: $(cat "$work/said")"
    "$2" "$work/managed" set small contextSize 256 || fail "$what: set"
    expect_in "^house/small, 256 positions" "$("$2" "$work/managed" ask small Hello 2>&1)"
    expect_in "^house/small  hearth  llama .* used 1 times  chat" "$("$2" "$work/managed" list)"
    "$2" "$work/managed" remove house/small || fail "$what: remove"
    unset LD_LIBRARY_PATH
}
export PKG_CONFIG_PATH="$root/$lib/pkgconfig" CFLAGS="$sanitize" CC="$cc"
what="pkg-config"
expect_equal "$(pkg-config --modversion hearth hearth-models)" "$version
$version"
# shellcheck disable=SC2046
{
    "$cc" $sanitize "$work/consumer.c" $(pkg-config --cflags --libs hearth) -o "$work/pc_shared" || fail "pkg-config, shared"
    try_consumer "pkg-config, shared" "$work/pc_shared"
    "$cc" $sanitize "$work/models.c" $(pkg-config --cflags --libs hearth-models) -o "$work/pc_models" || fail "pkg-config, models"
    try_models "pkg-config, models" "$work/pc_models"
    rm "$root/$lib/libhearth.so" "$root/$lib/libhearth-models.so"
    "$cc" $sanitize "$work/consumer.c" $(pkg-config --static --cflags --libs hearth) -o "$work/pc_static" || fail "pkg-config, static"
    try_consumer "pkg-config, static" "$work/pc_static"
    "$cc" $sanitize "$work/models.c" $(pkg-config --static --cflags --libs hearth-models) -o "$work/pc_models_static" || fail "pkg-config, models, static"
    try_models "pkg-config, models, static" "$work/pc_models_static"
    expect_equal "$(objdump -p "$work/pc_models_static" | grep -c 'NEEDED.*libhearth')" 0
}
if cmake -S "$work" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$root" >"$work/log" 2>&1 && cmake --build "$work/cmake" >>"$work/log" 2>&1; then
    try_consumer "find_package, shared" "$work/cmake/consumer_shared"
    try_consumer "find_package, static" "$work/cmake/consumer_static"
    try_models "find_package, models" "$work/cmake/models_shared"
    try_models "find_package, models, static" "$work/cmake/models_static"
else
    fail "find_package: $(tail -n 5 "$work/log")"
fi
what="find_package of another version"
mkdir -p "$work/other"
sed 's/hearth 0.1 /hearth 0.9 /' "$work/CMakeLists.txt" >"$work/other/CMakeLists.txt"
cp "$work/consumer.c" "$work/other/"
cmake -S "$work/other" -B "$work/other/build" -DCMAKE_PREFIX_PATH="$root" >"$work/log" 2>&1 && fail "version 0.9 was found"
expect_in "0\.1\.0" "$(cat "$work/log")"
what="find_package of a part that is not there"
sed 's/COMPONENTS models/COMPONENTS cellar/' "$work/CMakeLists.txt" >"$work/other/CMakeLists.txt"
cmake -S "$work/other" -B "$work/other/build2" -DCMAKE_PREFIX_PATH="$root" >"$work/log" 2>&1 && fail "a component cellar was found"
expect_in "cellar" "$(cat "$work/log")"

# ---- the program that the documentation shows ----
what="the program of docs/EMBEDDING.md"
awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' "$SOURCE/docs/EMBEDDING.md" >"$work/answer.c"
ln -s libhearth.so.0 "$root/$lib/libhearth.so"
# shellcheck disable=SC2046
"$cc" $sanitize -std=c99 -pedantic -Wall -Wextra -Werror "$work/answer.c" $(pkg-config --cflags --libs hearth) -o "$work/answer" || fail "$what does not compile"
expect_in '[a-z]' "$(LD_LIBRARY_PATH="$root/$lib" "$work/answer" "$SOURCE/models/ember/ember.gguf")"
LD_LIBRARY_PATH="$root/$lib" "$work/answer" "$work/nothing-there" 2>"$work/said" && fail "$what: no failure without a model"
expect_in 'nothing-there' "$(cat "$work/said")"

# ---- the Debian packages, of what is built already (so says the name of the generator) ----
if command -v cpack >/dev/null && command -v dpkg-deb >/dev/null; then
    (cd "$BUILD" && cpack -G DEB -D CPACK_CMAKE_GENERATOR=Ninja -D "CPACK_COMPONENTS_ALL=library;models;development" \
        -B "$work/deb") >"$work/log" 2>&1 || fail "cpack: $(tail -n 5 "$work/log")"
    for pair in libhearth0:library libhearth-models0:models libhearth-dev:development; do
        deb=$(echo "$work"/deb/"${pair%:*}"_"$version"_*.deb)
        what="${deb##*/}"
        expect_equal "$(dpkg-deb --fsys-tarfile "$deb" | tar t | grep -v '/$' | sed 's|^\./usr/||' | sort)" "$(cd "$work/${pair#*:}$prefix" && find . -type f -o -type l | sed 's|^\./||' | sort)"
    done
    depends() {
        dpkg-deb -f "$work/deb/$1_$version"_*.deb Depends
    }
    what="what the packages depend on"
    expect_equal "$(depends libhearth0 | grep -oE 'curl|yaml|ssl|microhttpd|sqlite|uv1')" ""
    expect_in "libhearth0 \(= $version\).*libcurl" "$(depends libhearth-models0)"
    expect_in "libhearth0 \(= $version\), libhearth-models0 \(= $version\)" "$(depends libhearth-dev)"
fi
finish
