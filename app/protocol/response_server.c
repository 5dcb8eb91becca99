/* SPDX-License-Identifier: MIT
 *
 * response_server.c - what a server tells of itself: models, slots, properties, adapters, in the
 * shapes of llama-server (whose /v1/models holds OpenAI's list and an Ollama-like one).
 */
#include <string.h>

#include "protocol/reply_impl.h"

/* ---- models ---- */

static void write_card(json_writer *w, const model_card *m)
{
    json_open(w, NULL, '{');
    json_text(w, "id", m->id);
    json_open(w, "aliases", '[');
    for (size_t i = 0; i < m->n_aliases; i++)
        json_text(w, NULL, m->aliases[i]);
    json_close(w, ']');
    json_open(w, "tags", '[');
    for (size_t i = 0; i < m->n_tags; i++)
        json_text(w, NULL, m->tags[i]);
    json_close(w, ']');
    json_text(w, "object", "model");
    json_whole(w, "created", m->created_s);
    json_text(w, "owned_by", "hearth");
    json_open(w, "meta", '{');
    json_text(w, "vocab_type", m->type);
    json_whole(w, "n_vocab", (int64_t)m->n_vocab);
    json_whole(w, "n_ctx", (int64_t)m->n_ctx);
    json_whole(w, "n_ctx_train", (int64_t)m->n_ctx_train);
    json_whole(w, "n_embd", (int64_t)m->n_embd);
    json_whole(w, "n_params", (int64_t)m->n_params);
    json_whole(w, "size", (int64_t)m->n_bytes);
    json_text(w, "ftype", m->ftype);
    json_close(w, '}');
    json_close(w, '}');
}

static void write_text_list(json_writer *w, const char *key, const char *only)
{
    json_open(w, key, '[');
    json_text(w, NULL, only);
    json_close(w, ']');
}

static void write_ollama_card(json_writer *w, const model_card *m)
{
    json_open(w, NULL, '{');
    json_text(w, "name", m->id);
    json_text(w, "model", m->id);
    json_text(w, "modified_at", "");
    json_text(w, "size", "");
    json_text(w, "digest", "");
    json_text(w, "type", "model");
    json_text(w, "description", "");
    write_text_list(w, "tags", "");
    write_text_list(w, "capabilities", "completion");
    json_text(w, "parameters", "");
    json_open(w, "details", '{');
    json_text(w, "parent_model", "");
    json_text(w, "format", "gguf");
    json_text(w, "family", "");
    write_text_list(w, "families", "");
    json_text(w, "parameter_size", "");
    json_text(w, "quantization_level", m->ftype ? m->ftype : "");
    json_close(w, '}');
    json_close(w, '}');
}

hearth_status response_models(const model_card *cards, size_t n, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    json_open(&w, NULL, '{');
    json_open(&w, "models", '[');
    for (size_t i = 0; i < n; i++)
        write_ollama_card(&w, &cards[i]);
    json_close(&w, ']');
    json_text(&w, "object", "list");
    json_open(&w, "data", '[');
    for (size_t i = 0; i < n; i++)
        write_card(&w, &cards[i]);
    json_close(&w, ']');
    json_close(&w, '}');
    return json_done(&w, err);
}

hearth_status response_model(const model_card *card, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    write_card(&w, card);
    return json_done(&w, err);
}

/* ---- slots, adapters ---- */

hearth_status response_slot_file(const slot_file_result *result, buf *out, hearth_error *err)
{
    json_writer w;
    bool saves = strcmp(result->action, "save") == 0;
    bool erases = strcmp(result->action, "erase") == 0;
    json_start(&w, out);
    json_open(&w, NULL, '{');
    json_whole(&w, "id_slot", result->id_slot);
    if (erases) {
        json_whole(&w, "n_erased", (int64_t)result->n_tokens);
    } else {
        json_text(&w, "filename", result->filename);
        json_whole(&w, saves ? "n_saved" : "n_restored", (int64_t)result->n_tokens);
        json_whole(&w, saves ? "n_written" : "n_read", (int64_t)result->n_bytes);
        json_open(&w, "timings", '{');
        json_number(&w, saves ? "save_ms" : "restore_ms", result->ms);
        json_close(&w, '}');
    }
    json_close(&w, '}');
    return json_done(&w, err);
}

static void write_lora(json_writer *w, const lora_card *card)
{
    json_open(w, NULL, '{');
    json_whole(w, "id", card->id);
    json_text(w, "path", card->path);
    json_float(w, "scale", card->scale);
    json_text(w, "task_name", "");
    json_text(w, "prompt_prefix", "");
    json_close(w, '}');
}

hearth_status response_lora(const lora_card *card, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    write_lora(&w, card);
    return json_done(&w, err);
}

hearth_status response_loras(const lora_card *cards, size_t n, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    json_open(&w, NULL, '[');
    for (size_t i = 0; i < n; i++)
        write_lora(&w, &cards[i]);
    json_close(&w, ']');
    return json_done(&w, err);
}

static void write_slot(json_writer *w, const slot_card *s)
{
    json_open(w, NULL, '{');
    json_whole(w, "id", s->id);
    json_whole(w, "n_ctx", s->n_ctx);
    json_truth(w, "speculative", s->speculative);
    json_truth(w, "is_processing", s->is_processing);
    if (s->options) {
        json_whole(w, "id_task", s->id_task);
        json_whole(w, "n_prompt_tokens", (int64_t)s->usage.n_prompt);
        json_whole(w, "n_prompt_tokens_processed", (int64_t)s->usage.n_processed);
        json_whole(w, "n_prompt_tokens_cache", (int64_t)s->usage.n_cached);
        json_open(w, "params", '{');
        settings_write(w, s->options);
        json_close(w, '}');
        json_open(w, "next_token", '[');
        json_open(w, NULL, '{');
        json_truth(w, "has_next_token", s->is_processing);
        json_truth(w, "has_new_line", s->has_new_line);
        json_whole(w, "n_remain", s->n_remain);
        json_whole(w, "n_decoded", (int64_t)s->usage.n_generated);
        json_close(w, '}');
        json_close(w, ']');
    }
    json_close(w, '}');
}

hearth_status response_slots(const slot_card *cards, size_t n, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    json_open(&w, NULL, '[');
    for (size_t i = 0; i < n; i++)
        write_slot(&w, &cards[i]);
    json_close(&w, ']');
    return json_done(&w, err);
}

/* ---- properties ---- */

hearth_status response_props(const props_card *p, buf *out, hearth_error *err)
{
    static const char *const senses[] = {"vision", "video", "audio"};
    json_writer w;
    json_start(&w, out);
    json_open(&w, NULL, '{');
    json_open(&w, "default_generation_settings", '{');
    json_open(&w, "params", '{');
    settings_write(&w, p->defaults);
    json_close(&w, '}');
    json_whole(&w, "n_ctx", p->n_ctx);
    json_close(&w, '}');
    json_whole(&w, "total_slots", p->n_slots);
    json_text(&w, "model_alias", p->model_alias);
    json_text(&w, "model_ftype", p->model_ftype);
    json_text(&w, "model_path", p->model_path);
    json_open(&w, "modalities", '{');
    for (size_t i = 0; i < 3; i++)
        json_truth(&w, senses[i], false);
    json_close(&w, '}');
    json_truth(&w, "endpoint_slots", p->endpoint_slots);
    json_truth(&w, "endpoint_props", p->endpoint_props);
    json_truth(&w, "endpoint_metrics", p->endpoint_metrics);
    json_text(&w, "chat_template", p->chat_template ? p->chat_template : "");
    if (p->chat_template_tool_use)
        json_text(&w, "chat_template_tool_use", p->chat_template_tool_use);
    json_value_of(&w, "chat_template_caps", p->chat_template_caps);
    json_text(&w, "bos_token", p->bos_token ? p->bos_token : "");
    json_text(&w, "eos_token", p->eos_token ? p->eos_token : "");
    json_text(&w, "build_info", p->build_info);
    json_truth(&w, "is_sleeping", p->is_sleeping);
    json_close(&w, '}');
    return json_done(&w, err);
}
