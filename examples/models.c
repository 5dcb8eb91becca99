/* SPDX-License-Identifier: MIT
 *
 * models.c - an application's models: a folder of them, what is in it, how they come and go, and an
 * answer of the one that is active.
 *
 *   example_models FOLDER list
 *   example_models FOLDER import FILE.gguf [NAME]       used where it is
 *   example_models FOLDER download REFERENCE [NAME]     goes on where it stopped
 *   example_models FOLDER set NAME KEY VALUE            temperature, contextSize, ...
 *   example_models FOLDER ask NAME QUESTION
 *   example_models FOLDER remove NAME
 *
 * Links to libhearth-models and libhearth. Exit status 0, or 1 with one line on standard error.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hearth/hearth.h>
#include <hearth/models.h>

static void show(const hearth_models_entry *entry)
{
    const char *between = "";
    printf("%s  %s  %s %s  %.1f MB  used %" PRIu64 " times  ", entry->name, entry->origin,
           entry->architecture, entry->quantization, (double)entry->size_bytes / 1e6,
           entry->usage_count);
    for (unsigned bit = 1; bit <= HEARTH_MODELS_AUDIO; bit *= 2) {
        if (entry->capabilities & bit) {
            printf("%s%s", between, hearth_models_capability_name(bit));
            between = ",";
        }
    }
    printf("%s%s\n", entry->problem[0] ? "  cannot be used: " : "", entry->problem);
}

static hearth_status list(hearth_models *models, hearth_error *err)
{
    const hearth_models_entry *const *entries;
    size_t n;
    hearth_status status = hearth_models_list(models, &entries, &n, err);
    if (status != HEARTH_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        show(entries[i]);
    hearth_models_list_free(entries, n);
    return HEARTH_OK;
}

static bool tell(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    if (total > 0)
        fprintf(stderr, "\r%3.0f%%", 100.0 * (double)done / (double)total);
    return true; /* false would cancel; what came stays for the next time */
}

static hearth_status bring(hearth_models *models, const char *verb, const char *what,
                           const char *name, hearth_error *err)
{
    const hearth_models_entry *entry = NULL;
    hearth_models_import_options import;
    hearth_models_download_options download;
    hearth_status status;
    if (strcmp(verb, "import") == 0) {
        hearth_models_import_options_init(&import);
        import.path = what;
        import.name = name;
        status = hearth_models_import(models, &import, &entry, err);
    } else {
        hearth_models_download_options_init(&download);
        download.reference = what;
        download.name = name;
        download.progress.fn = tell;
        status = hearth_models_download(models, &download, &entry, err);
        fputc('\n', stderr);
    }
    if (status == HEARTH_OK)
        show(entry);
    hearth_models_entry_unref(entry);
    return status;
}

/* ---- an answer ---- */

/* The question as a conversation. Only what JSON needs is written otherwise. */
static size_t write_conversation(char *out, size_t size, const char *question)
{
    size_t n = (size_t)snprintf(out, size, "{\"messages\":[{\"role\":\"user\",\"content\":\"");
    for (; *question && n + 16 < size; question++) {
        unsigned char c = (unsigned char)*question;
        if (c == '"' || c == '\\' || c < ' ')
            n += (size_t)snprintf(out + n, size - n, "\\u%04x", (unsigned)c);
        else
            out[n++] = (char)c;
    }
    return n + (size_t)snprintf(out + n, size - n, "\"}]}");
}

static hearth_status answer(const hearth_models_active *active, const hearth_chat *chat,
                            const char *question, hearth_error *err)
{
    char conversation[4096];
    hearth_chat_options options;
    hearth_request_options request;
    hearth_answer *a = NULL;
    hearth_answer_event event;
    hearth_chat_options_init(&options);
    hearth_request_options_init(&request);
    request.max_tokens = 100;
    options.conversation = conversation;
    options.n_conversation = write_conversation(conversation, sizeof conversation, question);
    options.request = &request;
    hearth_status status = hearth_chat_submit(chat, active->engine, &options, &a, err);
    while (status == HEARTH_OK) {
        status = hearth_answer_next(a, -1, &event, err);
        if (status != HEARTH_OK || event.type == HEARTH_ANSWER_DONE)
            break;
        if (event.type == HEARTH_ANSWER_PART && event.part.type == HEARTH_CHAT_CONTENT)
            fwrite(event.part.text, 1, event.part.n, stdout);
    }
    putchar('\n');
    hearth_answer_free(a);
    return status;
}

static hearth_status ask(hearth_models *models, const char *name, const char *question,
                         hearth_error *err)
{
    const hearth_models_active *active;
    hearth_engine_options options;
    hearth_chat *chat = NULL;
    hearth_engine_options_init(&options);
    options.n_parallel = 1;
    hearth_status status = hearth_models_activate(models, name, NULL, &options, &active, err);
    if (status != HEARTH_OK)
        return status;
    fprintf(stderr, "%s, %u positions\n", active->entry->name,
            hearth_engine_get_plan(active->engine)->memory.n_ctx);
    status = hearth_chat_new(&chat, active->model, NULL, 0, err);
    if (status == HEARTH_OK)
        status = answer(active, chat, question, err);
    hearth_chat_free(chat);
    hearth_models_deactivate(models);
    return status;
}

static hearth_status run(hearth_models *models, int n, char **words, hearth_error *err)
{
    const char *verb = words[0];
    if (n == 1 && strcmp(verb, "list") == 0)
        return list(models, err);
    if ((n == 2 || n == 3) && (strcmp(verb, "import") == 0 || strcmp(verb, "download") == 0))
        return bring(models, verb, words[1], n == 3 ? words[2] : NULL, err);
    if (n == 4 && strcmp(verb, "set") == 0)
        return hearth_models_set(models, words[1], words[2], words[3], err);
    if (n == 3 && strcmp(verb, "ask") == 0)
        return ask(models, words[1], words[2], err);
    if (n == 2 && strcmp(verb, "remove") == 0)
        return hearth_models_remove(models, words[1], NULL, err);
    snprintf(err->message, sizeof err->message,
             "usage: example_models FOLDER list | import FILE [NAME] | download REFERENCE [NAME] | "
             "set NAME KEY VALUE | ask NAME QUESTION | remove NAME");
    return HEARTH_EINVAL;
}

int main(int argc, char **argv)
{
    hearth_error err = {0};
    hearth_models *models = NULL;
    hearth_models_options options;
    if (argc < 3) {
        fprintf(stderr, "usage: %s FOLDER VERB ...\n", argv[0]);
        return 1;
    }
    hearth_models_options_init(&options);
    options.folder = argv[1];
    options.huggingface = options.lmstudio = options.ollama = false;
    hearth_status status = hearth_models_open(&models, &options, &err);
    if (status == HEARTH_OK)
        status = run(models, argc - 2, argv + 2, &err);
    if (status != HEARTH_OK)
        fprintf(stderr, "%s\n", err.message);
    hearth_models_close(models);
    return status == HEARTH_OK ? 0 : 1;
}
