# The service's unit: systemd takes every line of it.
. "$SOURCE/tests/e2e/check.sh"
command -v systemd-analyze >/dev/null || skip "no systemd-analyze"

sed "s#@BINDIR@#$(dirname "$HEARTH")#" "$SOURCE/packaging/hearth.service" >"$work/hearth.service"
what="systemd-analyze verify"
# The manual is not installed here.
expect_equal "$(systemd-analyze verify --man=no "$work/hearth.service" 2>&1)" ""
finish
