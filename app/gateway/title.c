/* SPDX-License-Identifier: MIT
 *
 * title.c - see title.h.
 */
#include "gateway/title.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "gateway/chunks.h"
#include "gateway/upstream.h"

enum { QUESTION_BYTES = 500, TITLE_MAX = 60, WORDS_MAX = 10, ANSWER_MAX = 1 << 20 };

static const char instruction[] =
    "Give the conversation that begins with the following message a title of at most eight words, "
    "in its language. Answer with the title alone.";

/* The longest part of whole characters in n bytes. */
static size_t whole_characters(const char *text, size_t n)
{
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static bool is_around(char c)
{
    return strchr(" \t\"'`*#_.,:;", c) != NULL;
}

bool title_clean(const char *text, char out[TITLE_BYTES])
{
    while (*text && (is_around(*text) || *text == '\n' || *text == '\r'))
        text++;
    size_t n = strcspn(text, "\r\n");
    const bool whole = n <= TITLE_MAX;
    if (!whole) {
        size_t cut = whole_characters(text, TITLE_MAX), blank = cut;
        while (blank > 0 && text[blank] != ' ')
            blank--;
        n = blank > TITLE_MAX / 2 ? blank : cut;
    }
    while (n > 0 && is_around(text[n - 1]))
        n--;
    memcpy(out, text, n);
    out[n] = '\0';
    return whole && n > 0;
}

static size_t count_words(const char *text)
{
    size_t n = 0;
    for (const char *c = text; *c; c++)
        n += *c != ' ' && (c == text || c[-1] == ' ');
    return n;
}

/* The first message of a user on the shown branch. */
static hearth_status first_question(gateway *g, int64_t chat, char **out, hearth_error *err)
{
    store_messages path;
    *out = NULL;
    TRY(store_message_path(g->store, chat, 0, 0, &path, err));
    for (size_t i = 0; i < path.n && *out == NULL; i++) {
        const char *text = path.items[i].content;
        size_t n = strlen(text);
        if (path.items[i].role == STORE_USER && n > 0)
            *out = mem_dup(text, n > QUESTION_BYTES ? whole_characters(text, QUESTION_BYTES) : n);
    }
    store_messages_free(&path);
    if (*out == NULL)
        FAIL(err, EINVAL, "chat", "there is nothing yet to name the chat after");
    return HEARTH_OK;
}

/* An engine that refuses says nothing. */
static hearth_status ask(gateway *g, const upstream_request *asked, buf *answer,
                         runtime_failure *failure, hearth_error *err)
{
    upstream up = {0};
    TRY(upstream_ask(&up, g, asked, failure, err));
    hearth_status status = upstream_read(&up, asked, answer, failure, err);
    if (status == HEARTH_OK && upstream_status(&up) != 200)
        buf_clear(answer);
    upstream_close(&up);
    return status;
}

/* False: what the model said is no title. */
static bool read_answer(const buf *answer, char out[TITLE_BYTES])
{
    chunks said;
    json_t *root = answer->n > 0 ? json_loadb(answer->data, answer->n, 0, NULL) : NULL;
    chunks_init(&said);
    bool ok = chunks_read_whole(&said, root) && said.content.n > 0 &&
              title_clean(said.content.data, out) && count_words(out) <= WORDS_MAX;
    chunks_deinit(&said);
    json_decref(root);
    return ok;
}

hearth_status title_make(gateway *g, int64_t chat, const char *model, bool (*wanted)(void *user),
                         void *user, char out[TITLE_BYTES], runtime_failure *failure,
                         hearth_error *err)
{
    char *question = NULL, *text = NULL;
    hearth_status status = HEARTH_OK;
    body_view body;
    buf answer;
    buf_init(&answer, ANSWER_MAX);
    TRY(first_question(g, chat, &question, err));
    json_t *root =
        json_pack("{s:[{s:s, s:s}, {s:s, s:s}], s:f, s:f, s:i, s:i, s:{s:b}, s:i}", "messages",
                  "role", "system", "content", instruction, "role", "user", "content", question,
                  "temperature", 0.3, "top_p", 0.9, "top_k", 40, "max_tokens", 32,
                  "chat_template_kwargs", "enable_thinking", 0, "reasoning_budget_tokens", 0);
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (text == NULL)
        FAIL_OUT(err, ENOMEM, "title", "no memory for a title");
    TRY_OUT(body_read(text, strlen(text), &body, err));
    const upstream_request asked = {.model = model,
                                    .path = "/v1/chat/completions",
                                    .body = &body,
                                    .keep_ms = RUNTIME_KEEP_DEFAULT,
                                    .wanted = wanted,
                                    .user = user};
    TRY_OUT(ask(g, &asked, &answer, failure, err));
    if (!read_answer(&answer, out))
        title_clean(question, out);
    const store_chat_change change = {.title = out};
    status = store_chat_update(g->store, chat, &change, err);
out:
    buf_deinit(&answer);
    free(text);
    mem_free(question);
    return status;
}
