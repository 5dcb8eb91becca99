/* SPDX-License-Identifier: MIT
 *
 * fuzz_gateway.c - what hearth serve reads of bodies and of engines' answers. A body that is taken
 * is still JSON with another model in it; a stream says the same however it is cut; Ollama's
 * requests become JSON or a refusal.
 *
 * Input    any bytes: they are a body, and a stream of events.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/body.h"
#include "gateway/chunks.h"
#include "gateway/relay.h"
#include "gateway/title.h"
#include "protocol/ollama.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool has_limit(const json_t *body)
{
    static const char *const names[] = {"max_tokens", "max_completion_tokens", "max_output_tokens",
                                        "n_predict"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *limit = json_object_get(body, names[i]);
        found = found || (limit && !json_is_null(limit));
    }
    return found;
}

/* What is JSON for jansson is an object for the scanner, too, and stays JSON. */
static void check_body(const char *text, size_t n)
{
    body_view view;
    char name[64];
    buf out;
    json_t *whole = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    bool taken = body_read(text, n, &view, NULL) == HEARTH_OK;
    buf_init(&out, 0);
    if (taken) {
        body_text(view.model, name, sizeof name);
        require(body_for_engine(&view, "m\"", n % 2 ? "max_tokens" : NULL, 7, &out));
    }
    if (json_is_object(whole) && taken) {
        json_t *changed = json_loadb(out.data, out.n, JSON_REJECT_DUPLICATES, NULL);
        /* Only a key that is written with escapes can be there twice now. */
        require(changed || strstr(text, "\\u"));
        const char *model = json_string_value(json_object_get(changed, "model"));
        require(changed == NULL || (model && strcmp(model, "m\"") == 0));
        require(changed == NULL || n % 2 == 0 || has_limit(changed));
        json_decref(changed);
    }
    json_decref(whole);
    buf_deinit(&out);
}

static void read_stream(const char *text, size_t n, size_t step, buf *said)
{
    chunks c;
    chunk one;
    chunks_init(&c);
    for (size_t at = 0; at < n; at += step) {
        require(buf_append(chunks_input(&c), text + at, n - at < step ? n - at : step));
        while (chunks_next(&c, &one))
            require(buf_append_format(said, "%d", (int)one.kind));
    }
    require(buf_append(said, c.content.n ? c.content.data : "", c.content.n));
    chunks_deinit(&c);
}

static void check_stream(const char *text, size_t n)
{
    buf whole, cut;
    buf_init(&whole, 0);
    buf_init(&cut, 0);
    read_stream(text, n, n + 1, &whole);
    read_stream(text, n, 3, &cut);
    require(whole.n == cut.n && (whole.n == 0 || memcmp(whole.data, cut.data, whole.n) == 0));
    require(relay_whole_events(text, n) <= n);
    buf_deinit(&whole);
    buf_deinit(&cut);
}

static void check_ollama(const char *text, size_t n)
{
    json_t *body = json_loadb(text, n, 0, NULL);
    for (int kind = OLLAMA_CHAT; body && kind <= OLLAMA_EMBEDDING; kind++) {
        ollama_request r;
        hearth_error err = {0};
        hearth_status status = ollama_request_read(&r, (ollama_kind)kind, body, &err);
        require(status == HEARTH_OK || (status == HEARTH_EINVAL && err.message[0]));
        ollama_answer *a = NULL;
        buf out;
        buf_init(&out, 0);
        if (status == HEARTH_OK && ollama_answer_new(&a, &r, "m", NULL) == HEARTH_OK) {
            ollama_answer_chunk(a, body, 0, &out, NULL);
            require(ollama_answer_end(a, 0, 0, 0, &out, NULL) == HEARTH_OK);
            require(out.n > 0 && out.data[out.n - 1] == '\n');
        }
        buf_deinit(&out);
        ollama_answer_free(a);
        ollama_request_deinit(&r);
    }
    json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char title[TITLE_BYTES];
    char *text = mem_dup((const char *)data, n);
    if (text == NULL)
        return 0;
    check_body(text, n);
    check_stream(text, n);
    check_ollama(text, n);
    title_clean(text, title);
    require(strlen(title) < TITLE_BYTES);
    mem_free(text);
    return 0;
}
