/* SPDX-License-Identifier: MIT
 *
 * fuzz_unchunk.c - the chunked framing of any bytes: whole or cut anywhere, the reader says the
 * same and gives the same body, which is never longer than what came in.
 *
 * Input    the length of the pieces, a byte, then the framed bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/unchunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    unchunk whole = {0}, cut = {0};
    buf a, b;
    if (n == 0)
        return 0;
    size_t step = 1u + data[0] % 32;
    const char *bytes = (const char *)data + 1;
    n--;
    buf_init(&a, 0);
    buf_init(&b, 0);
    unchunk_feed(&whole, bytes, n, &a);
    for (size_t at = 0; at < n; at += step)
        unchunk_feed(&cut, bytes + at, n - at < step ? n - at : step, &b);
    require(whole.state == cut.state && whole.left == cut.left);
    require(a.n == b.n && a.n <= n && (a.n == 0 || memcmp(a.data, b.data, a.n) == 0));
    buf_deinit(&a);
    buf_deinit(&b);
    return 0;
}
