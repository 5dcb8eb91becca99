/* SPDX-License-Identifier: MIT
 *
 * metrics.c - see metrics.h. The names that begin with llamacpp: are those of llama-server, so that
 * dashboards for it go on working.
 */
#include "worker/metrics.h"

#include <inttypes.h>

/* Milliseconds: from one token of a fast machine to a long prompt on a slow one. */
static const double bounds_ms[METRICS_BUCKETS] = {
    1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000};

void histogram_add(histogram *h, double ms)
{
    size_t i = 0;
    while (i < METRICS_BUCKETS && ms > bounds_ms[i])
        i++;
    atomic_fetch_add(&h->buckets[i], 1);
    atomic_fetch_add(&h->sum_us, ms > 0 ? (uint_fast64_t)(ms * 1000) : 0);
}

void metrics_response(metrics *m, int status)
{
    int digit = status / 100;
    atomic_fetch_add(&m->responses[digit >= 1 && digit <= 5 ? digit : 0], 1);
}

void metrics_tokens(metrics *m, uint64_t n)
{
    uint_fast64_t old = atomic_load(&m->n_tokens_max);
    while (n > old && !atomic_compare_exchange_weak(&m->n_tokens_max, &old, n))
        continue;
}

static bool write_one(buf *out, const char *type, const char *name, const char *help, double value)
{
    return buf_append_format(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type,
                             name, value);
}

static bool write_histogram(histogram *h, const char *name, const char *help, buf *out)
{
    uint64_t total = 0;
    bool ok = buf_append_format(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        total += atomic_load(&h->buckets[i]);
        ok = ok && buf_append_format(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                                     bounds_ms[i] / 1000, total);
    }
    total += atomic_load(&h->buckets[METRICS_BUCKETS]);
    return ok && buf_append_format(
                     out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n",
                     name, total, name, (double)atomic_load(&h->sum_us) / 1e6, name, total);
}

static double per_second(uint64_t n, uint64_t ns)
{
    return ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

static bool write_positions(const hearth_engine_stats *s, buf *out)
{
    static const char name[] = "llamacpp:spec_decode_num_accepted_tokens_per_pos_total";
    bool ok = buf_append_format(
        out, "# HELP %s Guesses that were right, by place.\n# TYPE %s counter\n", name, name);
    for (size_t i = 0; i < HEARTH_GUESSES_MOST; i++)
        ok = ok && buf_append_format(out, "%s{position=\"%zu\"} %" PRIu64 "\n", name, i,
                                     s->n_draft_accepted_at[i]);
    return ok;
}

static bool write_llama(metrics *m, const hearth_engine_stats *s, buf *out)
{
    const struct {
        const char *type, *name, *help;
        double value;
    } rows[] = {
        {"counter", "llamacpp:prompt_tokens_total", "Prompt tokens read.",
         (double)s->n_prompt_tokens},
        {"counter", "llamacpp:prompt_seconds_total", "Time that requests spent on their prompts.",
         (double)s->prompt_ns / 1e9},
        {"counter", "llamacpp:tokens_predicted_total", "Tokens written.",
         (double)s->n_generated_tokens},
        {"counter", "llamacpp:tokens_predicted_seconds_total", "Time that requests spent writing.",
         (double)s->generate_ns / 1e9},
        {"counter", "llamacpp:n_decode_total", "Passes through the model.", (double)s->n_passes},
        {"counter", "llamacpp:spec_decode_num_drafts_total", "Times that tokens were guessed.",
         (double)s->n_drafts},
        {"counter", "llamacpp:spec_decode_num_draft_tokens_total", "Tokens guessed.",
         (double)s->n_drafted_tokens},
        {"counter", "llamacpp:spec_decode_num_accepted_tokens_total", "Guesses that were right.",
         (double)s->n_draft_accepted_tokens},
        {"counter", "llamacpp:n_tokens_max", "Most tokens of one request so far.",
         (double)atomic_load(&m->n_tokens_max)},
        {"gauge", "llamacpp:prompt_tokens_seconds", "Prompt tokens read per second.",
         per_second(s->n_prompt_tokens, s->prompt_ns)},
        {"gauge", "llamacpp:predicted_tokens_seconds", "Tokens written per second.",
         per_second(s->n_generated_tokens, s->generate_ns)},
        {"gauge", "llamacpp:requests_processing", "Requests that run.", (double)s->n_running},
        {"gauge", "llamacpp:requests_deferred", "Requests that wait.", (double)s->n_waiting},
        {"gauge", "llamacpp:n_busy_slots_per_decode", "Requests per pass, on average.",
         s->n_passes ? (double)s->n_pass_requests / (double)s->n_passes : 0},
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ok = ok && write_one(out, rows[i].type, rows[i].name, rows[i].help, rows[i].value);
    return ok && write_positions(s, out);
}

static bool write_hearth(const hearth_engine_stats *s, buf *out)
{
    const struct {
        const char *type, *name, *help;
        double value;
    } rows[] = {
        {"counter", "hearth:pass_tokens_total", "Tokens that went through a pass.",
         (double)s->n_pass_tokens},
        {"counter", "hearth:cached_tokens_total", "Prompt tokens that were in the cache.",
         (double)s->n_cached_tokens},
        {"counter", "hearth:requests_total", "Requests taken.", (double)s->n_requests},
        {"counter", "hearth:requests_failed_total", "Requests that failed or were canceled.",
         (double)s->n_failed},
        {"counter", "hearth:requests_refused_total", "Requests refused because the queue was full.",
         (double)s->n_refused},
        {"counter", "hearth:preempted_total", "Requests that gave up their pages for a while.",
         (double)s->n_preempted},
        {"counter", "hearth:busy_seconds_total", "Time spent in passes.", (double)s->busy_ns / 1e9},
        {"gauge", "hearth:pages", "Pages of the cache.", (double)s->n_pages},
        {"gauge", "hearth:pages_used", "Pages of running requests.", (double)s->n_pages_used},
        {"gauge", "hearth:pages_cached", "Pages kept for later.", (double)s->n_pages_cached},
        {"counter", "hearth:pages_evicted_total", "Pages that made room.",
         (double)s->n_pages_evicted},
        {"gauge", "hearth:disk_bytes", "Bytes of the disk cache.", (double)s->disk_bytes},
        {"counter", "hearth:disk_pages_read_total", "Pages read from it.", (double)s->n_disk_read},
        {"counter", "hearth:disk_pages_written_total", "Pages written to it.",
         (double)s->n_disk_written},
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ok = ok && write_one(out, rows[i].type, rows[i].name, rows[i].help, rows[i].value);
    return ok;
}

bool metrics_write(metrics *m, const hearth_engine_stats *stats, buf *out)
{
    bool ok = write_llama(m, stats, out) && write_hearth(stats, out) &&
              write_histogram(&m->first_token, "hearth:first_token_seconds",
                              "From a request to its first token.", out) &&
              write_histogram(&m->inter_token, "hearth:inter_token_seconds",
                              "From one token to the next.", out) &&
              write_histogram(&m->queue, "hearth:queue_seconds", "Waiting for a place.", out) &&
              buf_append_format(out, "# HELP hearth:responses_total HTTP responses by class.\n"
                                     "# TYPE hearth:responses_total counter\n");
    for (int i = 1; i <= 5 && ok; i++)
        ok = buf_append_format(out, "hearth:responses_total{class=\"%dxx\"} %" PRIu64 "\n", i,
                               (uint64_t)atomic_load(&m->responses[i]));
    return ok;
}
