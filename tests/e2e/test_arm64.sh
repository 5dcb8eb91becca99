# The library builds for 64-bit ARM: what phones and small boards have.
said=$("$SOURCE/tools/check_arm64" "$BUILD/arm64" 2>&1) || { echo "$said" | tail -n 20; exit 1; }
echo "$said"
case "$said" in *skipped*) exit 77 ;; esac
