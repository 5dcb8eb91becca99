/* SPDX-License-Identifier: MIT
 *
 * engine.h - one model for many requests at once.
 *
 * What     An engine owns the keys and values of all its requests, in pages of 64 positions, and
 *          one thread that runs the passes. Requests join and leave at every pass: those that write
 *          go first, the rest of the pass reads prompts, shared between clients. What two requests
 *          have in common at their start is stored and computed once, while they run and after.
 * Bits     What a request gives depends on the model, its tokens, its options and its seed: not on
 *          the other requests, on what was cached, nor on how its prompt was cut into passes.
 * Memory   All of it is taken at open, as hearth_engine_plan says, but for what a request brings
 *          (its tokens, its sampler, its queue of events), which submit takes.
 * Threads  An engine is thread-safe: any thread may submit, embed and ask for statistics. A request
 *          has one consumer thread at a time (next, free); cancel is for any thread.
 * Order    Free every request before or after close: a request outlives its engine, and next tells
 *          ECANCELED then. Nothing else may be called with an engine while or after it is closed.
 */
#ifndef HEARTH_ENGINE_H
#define HEARTH_ENGINE_H

#include <hearth/generate.h>
#include <hearth/grammar.h>
#include <hearth/sampler.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_engine hearth_engine;
typedef struct hearth_request hearth_request;

/* ---- the engine ---- */

typedef struct hearth_engine_options {
    size_t struct_size;  /* set by hearth_engine_options_init */
    uint32_t n_ctx;      /* positions that one request may use; 0: the most that the plan allows, at
                            most the model's training context */
    uint32_t n_parallel; /* requests that run at once; 0: chosen by the size of the cache */
    uint32_t n_queue;    /* requests that wait; one more is EBUSY */
    uint32_t n_batch;    /* tokens of one pass at most; 0: a good default. Never changes a result */
    int32_t n_threads;   /* 0: physical cores within the cgroup's quota. Never changes a result */
    uint32_t n_fair;     /* tokens that a pass reads beside others who write or read; 0: a good
                            default. Smaller: shorter pauses for those who write, slower reading */
    hearth_cache_type cache_type_k;
    hearth_cache_type cache_type_v;
    uint64_t cache_bytes; /* of all pages; 0: enough for one whole context, more where memory is
                             plenty. Told in the plan */
    bool
        no_prefix_cache; /* keep nothing of finished requests, share nothing between running ones */
    const char *disk_dir; /* NULL: no disk tier. A folder, made if it is absent, where pages of
                             finished prompts are kept for other runs; engines of several processes
                             may share it. Copied */
    uint64_t disk_bytes;  /* most bytes in it; the least recently used pages leave. 0: 4 GiB */
    bool no_drafts;       /* guess no tokens from the text so far. Never changes a result */
    uint32_t draft_max;   /* tokens guessed at a time at most; more than 7 is 7, 0: none */
    uint32_t draft_min;   /* fewer than that are not tried; at most 7 */
    const hearth_model *draft_model; /* a smaller model of the same vocabulary that guesses where
                                        the text so far tells nothing, or NULL. Never changes a
                                        result. Must outlive the engine */
    uint32_t draft_n_ctx;     /* longest text that it guesses for; 0, or more than the model's or
                                 its own training context: that */
    float draft_p_min;        /* 0 to 1: tokens that it holds less likely are not guessed */
    bool ignore_memory_limit; /* open although the plan says that it does not fit */
    hearth_log log; /* what went wrong beside requests: a damaged file, a full disk. Called from the
                       engine's threads, one at a time */
    uint32_t group_n; /* self-extend, as in hearth_session_options; the draft model goes without */
    uint32_t group_w;
} hearth_engine_options;

/* n_queue 128, F16 cache, draft_max 7, draft_p_min 0.75, everything else 0. */
HEARTH_API void hearth_engine_options_init(hearth_engine_options *options);

/* What an engine takes, from the header alone. In `memory` n_ctx, n_batch, n_threads and all bytes
 * are as they will be in force; n_ctx_max is the largest context of one request that would fit. */
typedef struct hearth_engine_plan_result {
    hearth_plan memory;
    uint32_t n_parallel;
    uint64_t n_pages; /* of the cache: cache_bytes in all */
    uint64_t page_bytes;
    uint64_t draft_bytes; /* of total_bytes what the draft model takes: weights, cache, compute */
} hearth_engine_plan_result;

/* options may be NULL. Touches nothing; works at every scope. EINVAL for options out of their
 * range, among them cache_bytes too small for one request of n_ctx. */
HEARTH_API hearth_status hearth_engine_plan(const hearth_model *model,
                                            const hearth_engine_options *options,
                                            hearth_engine_plan_result *out, hearth_error *err);

/* The model must outlive the engine. ENOFIT before anything is allocated if the plan does not fit
 * in free memory. A disk tier that cannot be used (no right to write) is EIO, a draft model with
 * another vocabulary EMISMATCH. */
HEARTH_API hearth_status hearth_engine_open(hearth_engine **out, const hearth_model *model,
                                            const hearth_engine_options *options,
                                            hearth_error *err);
/* Cancels every request, waits for the pass under way (at most one layer's work) and for what the
 * disk tier has still to write. NULL is fine. */
HEARTH_API void hearth_engine_close(hearth_engine *engine);

HEARTH_API const hearth_model *hearth_engine_model(const hearth_engine *engine);
/* The plan as it is in force. */
HEARTH_API const hearth_engine_plan_result *hearth_engine_get_plan(const hearth_engine *engine);

/* Takes the memory that passes with this adapter need, so that the first request with it need not:
 * that is n_batch rows of its rank and its widest matrix, kept until close and told in the
 * statistics. Nothing is left to do if an adapter of that size was used before. ENOFIT, ENOMEM.
 * Any thread. */
HEARTH_API hearth_status hearth_engine_prepare_adapter(hearth_engine *engine,
                                                       const hearth_adapter *adapter,
                                                       hearth_error *err);

/* ---- requests ---- */

typedef struct hearth_request_options {
    size_t struct_size;    /* set by hearth_request_options_init */
    const int32_t *tokens; /* the prompt, at least one token; copied */
    size_t n_tokens;
    const hearth_sampler_options *sampler; /* NULL: the defaults; used during submit only */
    const hearth_matcher *matcher; /* the grammar of the answer, or NULL; copied. An answer to which
                                      nothing may be added any more ends (STOP) */
    const float *adapters;   /* how strongly each of the model's LoRA adapters is applied; NULL: 1
                                each;   copied */
    size_t n_adapters;       /* as the model has, with `adapters` */
    int32_t max_tokens;      /* -1: until the model stops or the context is full; 0 only reads */
    const char *const *stop; /* stop strings, not given out; copied */
    size_t n_stop;
    bool ignore_eos; /* go on past the model's end tokens (they are forbidden) */
    bool special;    /* write control tokens as text */
    bool logprobs;   /* every token comes with its log probability */
    size_t n_probs; /* the likeliest candidates told with every token, at most 1024; if not 0, as if
                       logprobs were set */
    bool post_sampling_probs; /* probabilities after the sampler's chain, in place of those of the
                                 model's raw distribution */
    bool no_cache_prompt;     /* take nothing from the prefix cache and leave nothing there */
    bool prompt_progress;     /* PROMPT events */
    bool context_shift;       /* when the context is full, forget the older half of what follows the
                                 first n_keep tokens, read the rest again at its new positions and go on;
                                 a prompt that is too long loses as much before it is read. Else the
                                 one is HEARTH_FINISH_CONTEXT, the other HEARTH_ECONTEXT */
    uint32_t n_keep;
    uint32_t n_discard; /* tokens that a shift forgets, at least one is left; 0: half */
    double max_time_ms; /* since submit; 0: none. Ends with HEARTH_FINISH_LIMIT and `timed_out` */
    uint64_t client;    /* who asks: passes and places are shared fairly between different keys */
    const hearth_adapter_use *uses; /* exactly these adapters, opened for the model at any time, in
                                       place of `adapters`; kept until the request ends. The array
                                       is copied. NULL: as `adapters` says */
    size_t n_uses;
} hearth_request_options;

/* max_tokens -1, everything else 0. */
HEARTH_API void hearth_request_options_init(hearth_request_options *options);

/* Queues a request; *out is the caller's until hearth_request_free. Any thread.
 * ECONTEXT if the prompt leaves no position to write to (the message tells both counts), EBUSY if
 * the queue is full, EINVAL for a bad token or option, EUNSUPPORTED for an encoder. */
HEARTH_API hearth_status hearth_engine_submit(hearth_engine *engine,
                                              const hearth_request_options *options,
                                              hearth_request **out, hearth_error *err);

typedef enum hearth_request_event_type {
    HEARTH_REQUEST_NONE = 0,   /* the time ran out; nothing is new */
    HEARTH_REQUEST_PROMPT = 1, /* progress in reading the prompt; only the newest is kept */
    HEARTH_REQUEST_TOKEN = 2,  /* one token, with the text that it completed */
    HEARTH_REQUEST_DONE = 3    /* the last one */
} hearth_request_event_type;

typedef struct hearth_token_prob {
    int32_t token;
    float logprob; /* natural logarithm; of post-sampling probabilities with that option */
} hearth_token_prob;

/* Counts and times are those of the moment the event was made; pointers are borrowed until the next
 * call of next or free. */
typedef struct hearth_request_event {
    hearth_request_event_type type;
    /* TOKEN */
    const char *text; /* whole characters, and never a part of a stop string; may be empty */
    size_t n_text;
    int32_t token; /* -1: only text that was held back, at the end */
    bool ends;     /* the token ended the answer; it has no text unless `special` is set */
    float logprob; /* of the token, if asked for */
    const hearth_token_prob *top; /* likeliest first */
    size_t n_top;
    /* DONE */
    hearth_finish_reason reason;
    const char *stop_word; /* or NULL */
    bool timed_out;
    /* all */
    size_t n_prompt;      /* tokens of the prompt */
    size_t n_prompt_done; /* of them read or taken from the cache */
    size_t n_cached;      /* of them taken from the cache: at most n_prompt - 1 */
    size_t n_generated;   /* tokens chosen, the one that ends the answer included */
    size_t n_drafted;     /* tokens guessed, and those that were right */
    size_t n_draft_accepted;
    size_t n_shifts; /* of the context, and tokens that they forgot */
    size_t n_shifted;
    size_t n_reread; /* tokens read a second time: after a shift, or after the request had to
                        give its pages to others for a while */
    uint64_t
        n_passes;    /* of the engine since it was submitted: what it waited for and took part in */
    double queue_ms; /* waiting for a place */
    double prompt_ms;   /* from there to the first token */
    double generate_ms; /* from the first token on */
} hearth_request_event;

/* The next event. timeout_ms 0 does not wait, -1 waits for ever. After DONE every further call
 * gives DONE again. If the request failed, its status (and in err its message) is returned once all
 * events before are read, and from then on: ECANCELED after hearth_request_cancel or close, EIO if
 * the model's file shrank, ENOMEM, EFORMAT for logits that are no numbers. A consumer that does not
 * read stops its own request after some tokens, and nobody else's. */
HEARTH_API hearth_status hearth_request_next(hearth_request *request, int timeout_ms,
                                             hearth_request_event *event, hearth_error *err);

/* Ends the request within one pass, whatever it is doing; it then fails with ECANCELED. Any thread,
 * any time before free; more than once is fine. */
HEARTH_API void hearth_request_cancel(hearth_request *request);
/* Cancels it if it still runs. NULL is fine. */
HEARTH_API void hearth_request_free(hearth_request *request);

/* Unique within the engine, from 1; as in hearth_engine_slot. */
HEARTH_API uint64_t hearth_request_id(const hearth_request *request);

/* ---- texts in files ---- */

/* The text of a request: its tokens, and with which adapters they were read. Immutable; any thread.
 * It holds no keys and values. */
typedef struct hearth_text hearth_text;

/* After DONE: prompt and answer, as they stand in the context. EINVAL before. */
HEARTH_API hearth_status hearth_request_text(const hearth_request *request, hearth_text **out,
                                             hearth_error *err);
HEARTH_API hearth_text *hearth_text_ref(hearth_text *text);
/* Lets go of one reference. NULL is fine. */
HEARTH_API void hearth_text_free(hearth_text *text);
HEARTH_API size_t hearth_text_n_tokens(const hearth_text *text);

typedef struct hearth_text_counts {
    size_t n_tokens;  /* whose keys and values were written, or are in the prefix cache now */
    uint64_t n_bytes; /* of the file */
} hearth_text_counts;

/* Writes the keys and values that the prefix cache has of a text into a file, which appears when it
 * is whole. What the cache has dropped, from the first page that is missing on, is not in it.
 * Requests go on meanwhile. EUNSUPPORTED with no_prefix_cache. Any thread. */
HEARTH_API hearth_status hearth_engine_save(hearth_engine *engine, const hearth_text *text,
                                            const char *path, hearth_text_counts *out,
                                            hearth_error *err);
/* Puts them back into the prefix cache, as far as it has room: a prompt that begins like the text
 * need not be read then. EFORMAT for a file that is damaged or none of these, EMISMATCH for one of
 * another model or cache type, ECONTEXT for one that is too long. Any thread. */
HEARTH_API hearth_status hearth_engine_load(hearth_engine *engine, const char *path,
                                            hearth_text **out, hearth_text_counts *counts,
                                            hearth_error *err);
/* Drops the text from the prefix cache, but for pages that other texts share or requests use. What
 * is in disk_dir stays there. */
HEARTH_API hearth_status hearth_engine_forget(hearth_engine *engine, const hearth_text *text,
                                              hearth_error *err);

/* ---- memory ---- */

typedef enum hearth_trim_level {
    HEARTH_TRIM_CACHE = 0, /* what is kept of finished texts and is in no request's use */
    HEARTH_TRIM_WEIGHTS =
        1 /* that, and the weights' pages, which are read again as they are used */
} hearth_trim_level;

typedef struct hearth_trim_counts {
    uint64_t cache_bytes;  /* given back to the system */
    uint64_t weight_bytes; /* of mapped files, let go of */
} hearth_trim_counts;

/* Gives memory back because other programs need it. What it was for comes back when it is needed,
 * so that the plan is no promise until then. Answers are the same. Texts that have still to be
 * written to disk stay. Between two passes; any thread. */
HEARTH_API hearth_status hearth_engine_trim(hearth_engine *engine, hearth_trim_level level,
                                            hearth_trim_counts *out, hearth_error *err);

/* ---- embeddings ---- */

typedef enum hearth_pooling {
    HEARTH_POOLING_MODEL = -1, /* as the model says; mean where it says nothing */
    HEARTH_POOLING_NONE = 0,   /* one vector for every token */
    HEARTH_POOLING_MEAN = 1,
    HEARTH_POOLING_CLS = 2,  /* the first token's */
    HEARTH_POOLING_LAST = 3, /* the last token's */
    HEARTH_POOLING_RANK = 4  /* the scores of a reranker's classifier: EUNSUPPORTED where the model
                                has none. The text is a query and a document as the model wants
                                them: hearth_tokenize_pair */
} hearth_pooling;

typedef struct hearth_embed_item {
    const int32_t *tokens; /* at least one */
    size_t n_tokens;
    float *out; /* n_embd floats; n_tokens times that for HEARTH_POOLING_NONE. For
                   HEARTH_POOLING_RANK n_labels floats (hearth_model_info), in the order of its
                   labels: what the classifier gives, and where that is meant as the logits of
                   answers (Qwen3: "yes", "no"), their probabilities */
} hearth_embed_item;

typedef struct hearth_embed_options {
    size_t struct_size; /* set by hearth_embed_options_init */
    hearth_pooling pooling;
    bool normalize; /* every vector to length 1; not the scores of HEARTH_POOLING_RANK */
    uint64_t client;
    hearth_progress progress; /* texts done of all; false cancels. Asked after every text, and some
                                 times a second while waiting */
    const hearth_adapter_use *uses; /* exactly these adapters; NULL: the model's own, 1 each */
    size_t n_uses;
} hearth_embed_options;

/* The model's pooling, normalized. */
HEARTH_API void hearth_embed_options_init(hearth_embed_options *options);

/* Embeddings or scores of n texts, as many in one pass as fit; returns when all are there. They
 * wait in the same queue as requests, a few at a time. All or nothing: on failure the outs are
 * undefined. ECANCELED by progress; ECONTEXT names the text that is too long and both counts; EBUSY
 * as for submit. Any thread. */
HEARTH_API hearth_status hearth_engine_embed(hearth_engine *engine, const hearth_embed_item *items,
                                             size_t n, const hearth_embed_options *options,
                                             hearth_error *err);

/* ---- statistics ---- */

enum { HEARTH_GUESSES_MOST = 7 }; /* at a time */

typedef struct hearth_engine_stats {
    size_t struct_size; /* set by the caller: sizeof(hearth_engine_stats) */
    uint32_t n_running;
    uint32_t n_waiting;
    uint64_t n_pages;        /* of the pool */
    uint64_t n_pages_used;   /* by running requests */
    uint64_t n_pages_cached; /* kept for later, used by nobody now */
    /* Totals since open. */
    uint64_t n_requests; /* submitted */
    uint64_t n_done;
    uint64_t n_failed;  /* canceled ones included */
    uint64_t n_refused; /* EBUSY */
    uint64_t n_passes;
    uint64_t n_pass_tokens;   /* tokens that went through a pass: read and written */
    uint64_t n_pass_requests; /* requests that took part in a pass, over all passes */
    uint64_t n_prompt_tokens; /* prompt tokens read */
    uint64_t n_cached_tokens; /* prompt tokens that did not have to be read */
    uint64_t n_generated_tokens;
    uint64_t n_drafts; /* times that tokens were guessed */
    uint64_t n_drafted_tokens;
    uint64_t n_draft_accepted_tokens;
    uint64_t n_reread_tokens; /* see hearth_request_event */
    uint64_t n_preempted;     /* requests that had to give up their pages for a while */
    uint64_t n_pages_evicted;
    uint64_t busy_ns;   /* spent in passes */
    uint64_t prompt_ns; /* sum of the requests' prompt_ms, generate_ms */
    uint64_t generate_ns;
    /* The disk tier. */
    uint64_t disk_bytes;
    uint64_t n_disk_read; /* pages */
    uint64_t n_disk_written;
    uint64_t
        n_disk_dropped; /* not written: the disk was full, or they had to leave before their turn */
    uint64_t n_disk_damaged;
    uint64_t adapter_bytes; /* of memory for passes with adapters: beyond what the plan counts, if
                               they were opened after it */
    uint64_t n_draft_accepted_at[HEARTH_GUESSES_MOST]; /* by place among the guesses: [0] the first
                                                        */
} hearth_engine_stats;

/* struct_size must be set. As of the end of the last pass. Any thread. */
HEARTH_API hearth_status hearth_engine_get_stats(const hearth_engine *engine,
                                                 hearth_engine_stats *out, hearth_error *err);

typedef enum hearth_slot_state {
    HEARTH_SLOT_IDLE = 0,
    HEARTH_SLOT_READING = 1, /* its prompt */
    HEARTH_SLOT_WRITING = 2,
    HEARTH_SLOT_EMBEDDING = 3
} hearth_slot_state;

/* A place for one running request. */
typedef struct hearth_engine_slot {
    hearth_slot_state state;
    uint64_t request; /* its id; 0: idle */
    uint64_t client;
    size_t n_prompt;
    size_t n_prompt_done;
    size_t n_cached;
    size_t n_generated;
    int32_t max_tokens;
} hearth_engine_slot;

/* Writes the first *n (capacity in, n_parallel at most out) slots. Any thread. */
HEARTH_API hearth_status hearth_engine_get_slots(const hearth_engine *engine,
                                                 hearth_engine_slot *slots, size_t *n,
                                                 hearth_error *err);

#ifdef __cplusplus
}
#endif
#endif
