/* SPDX-License-Identifier: MIT
 *
 * grammar.c - a grammar as a counted, immutable handle.
 */
#include "grammar/grammar.h"

#include <string.h>

#include "base/mem.h"
#include "grammar/gbnf.h"

hearth_status grammar_take_gbnf(hearth_grammar **out, char *text, size_t n, const char *root,
                                hearth_error *err)
{
    *out = NULL;
    hearth_grammar *g = mem_calloc(1, sizeof *g);
    if (g == NULL) {
        mem_free(text);
        return error_no_memory(err, "a grammar", sizeof *g);
    }
    atomic_init(&g->n_refs, 1);
    g->gbnf = text;
    hearth_status status = gbnf_compile(g, text, n, root, err);
    if (status == HEARTH_OK)
        *out = g;
    else
        hearth_grammar_unref(g);
    return status;
}

hearth_status hearth_grammar_from_gbnf(hearth_grammar **out, const char *text, const char *root,
                                       hearth_error *err)
{
    *out = NULL;
    if (text == NULL)
        FAIL(err, EINVAL, "grammar", "there is no grammar; give its text");
    size_t n = strlen(text);
    char *copy = mem_dup(text, n);
    if (copy == NULL)
        return error_no_memory(err, "a grammar", n);
    return grammar_take_gbnf(out, copy, n, root ? root : "root", err);
}

hearth_grammar *hearth_grammar_ref(hearth_grammar *grammar)
{
    atomic_fetch_add(&grammar->n_refs, 1);
    return grammar;
}

void hearth_grammar_unref(hearth_grammar *grammar)
{
    if (grammar == NULL || atomic_fetch_sub(&grammar->n_refs, 1) != 1)
        return;
    for (size_t i = 0; i < grammar->n_tokens; i++)
        mem_free(grammar->tokens[i].text);
    mem_free(grammar->tokens);
    mem_free(grammar->nodes);
    mem_free(grammar->starts);
    mem_free(grammar->gbnf);
    mem_free(grammar);
}

const char *hearth_grammar_to_gbnf(const hearth_grammar *grammar)
{
    return grammar->gbnf;
}
