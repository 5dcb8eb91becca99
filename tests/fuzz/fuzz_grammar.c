/* SPDX-License-Identifier: MIT
 *
 * fuzz_grammar.c - any text as GBNF and as a regular expression: refused with a message, or a
 * grammar whose random texts it accepts, and which takes any bytes without harm.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/grammar_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(hearth_grammar *g, const char *text, size_t n)
{
    uint64_t random = 1;
    grammar_accepts(g, text, n);
    for (int i = 0; i < 3; i++) {
        buf out;
        buf_init(&out, 0);
        if (grammar_random_text(g, &random, 100, &out))
            require(grammar_accepts(g, out.data ? out.data : "", out.n));
        buf_deinit(&out);
    }
    hearth_grammar_unref(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    hearth_error err = {0};
    hearth_grammar *g = NULL;
    char *text = mem_dup((const char *)data, n);
    if (text == NULL)
        return 0;
    hearth_status status = hearth_grammar_from_gbnf(&g, text, NULL, &err);
    require((status == HEARTH_OK) == (g != NULL) && (g || err.message[0]));
    if (g)
        check(g, text, n);
    err = (hearth_error){0};
    status = hearth_grammar_from_regex(&g, text, &err);
    require((status == HEARTH_OK) == (g != NULL) && (g || err.message[0]));
    if (g)
        check(g, text, n);
    mem_free(text);
    return 0;
}
