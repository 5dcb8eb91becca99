/* SPDX-License-Identifier: MIT
 *
 * fuzz_schema.c - any text as a JSON Schema: refused with a message, or a grammar that gives JSON.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "support/grammar_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(hearth_grammar *g)
{
    uint64_t random = 1;
    for (int i = 0; i < 3; i++) {
        buf out;
        buf_init(&out, 0);
        if (grammar_random_text(g, &random, 300, &out)) {
            json_t *value = json_loadb(out.data, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
            require(value != NULL);
            json_decref(value);
        }
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
    hearth_status status = hearth_grammar_from_schema(&g, text, &err);
    require((status == HEARTH_OK) == (g != NULL) && (g || err.message[0]));
    if (g)
        check(g);
    mem_free(text);
    return 0;
}
