/* SPDX-License-Identifier: MIT
 *
 * flags.c - see flags.h: flags.def expanded into rows, notes, refusals and the environment's names.
 */
#include "worker/flags.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- rows ---- */

#define W worker_flags
#define GROUP(name, title) const option flags_##name##_rows[] = {
#define GROUP_END(name)                                                                            \
    OPTION_ROW_END                                                                                 \
    }                                                                                              \
    ;
#define TEXT(member, name, value, help) OPTION_ROW_TEXT(name, W, member, value, help),
#define I32(member, name, default_, min, max, help)                                                \
    OPTION_ROW_I32(name, W, member, min, max, "N", help),
#define U32(member, name, default_, min, max, help)                                                \
    OPTION_ROW_U32(name, W, member, min, max, "N", help),
#define F32(member, name, default_, min, max, help)                                                \
    OPTION_ROW_F32(name, W, member, min, max, "N", help),
#define SWITCH(member, name, help) OPTION_ROW_FLAG(name, W, member, help),
#define LIST(member, name, value, help) OPTION_ROW_LIST(name, W, member, value, help),
#define CHOICE(type, member, name, choices, help)                                                  \
    OPTION_ROW_CHOICE(type, name, W, member, choices, help),
#define ALIAS(name, of) OPTION_ROW_ALIAS(name, of),
#define QUIET_SWITCH(member, name) OPTION_ROW_FLAG(name, W, member, ""),
#define QUIET_VALUE(member, name) OPTION_ROW_TEXT(name, W, member, "VALUE", ""),
#define QUIET_MAYBE(member, name) OPTION_ROW_OPTIONAL(name, W, member, "[VALUE]", ""),
#define NOTED_SWITCH(member, name, why) OPTION_ROW_FLAG(name, W, member, why),
#define NOTED_VALUE(member, name, why) OPTION_ROW_TEXT(name, W, member, "VALUE", why),
#define NOTED_MAYBE(member, name, why) OPTION_ROW_OPTIONAL(name, W, member, "[VALUE]", why),
#define REFUSED_SWITCH(member, name, why) OPTION_ROW_FLAG(name, W, member, why),
#define REFUSED_VALUE(member, name, allowed, why) OPTION_ROW_TEXT(name, W, member, "VALUE", why),
#include "worker/flags.def"

const option flags_sampler_rows[] = {
#define SAMPLER_F OPTION_ROW_F32
#define SAMPLER_I OPTION_ROW_I32
#define SAMPLER_U OPTION_ROW_U32
#define X(type, field, value, min, max, flag, help)                                                \
    SAMPLER_##type(flag, W, sampler.field, min, max, "N", help),
#include <hearth/sampler_options.def>
#undef X
    OPTION_ROW_ALIAS("-s", "--seed"),
    OPTION_ROW_ALIAS("--temperature", "--temp"),
    OPTION_ROW_ALIAS("--typical-p", "--typical"),
    OPTION_ROW_ALIAS("--top-nsigma", "--top-n-sigma"),
    OPTION_ROW_TEXT("--samplers", W, sampler.samplers, "A;B;...",
                    "the filters and their order, joined by semicolons"),
    OPTION_ROW_TEXT("--sampler-seq", W, sampler_letters, "LETTERS",
                    "the same as one letter each: edskypmxt"),
    OPTION_ROW_ALIAS("--sampling-seq", "--sampler-seq"),
    OPTION_ROW_LIST("--dry-sequence-breaker", W, breakers, "TEXT",
                    "text that DRY does not look across; 'none' for no breaker. May be repeated"),
    OPTION_ROW_LIST("--logit-bias", W, biases, "ID(+|-)BIAS",
                    "add to the logit of a token: 15043+1 or 15043-inf. May be repeated"),
    OPTION_ROW_ALIAS("-l", "--logit-bias"),
    OPTION_ROW_END_GIVEN(worker_flags, sampler_given),
};

#define GROUP(name, title) {title, flags_##name##_rows, 0},
static const option_group groups[] = {
#include "worker/flags.def"
    {"Sampling", flags_sampler_rows, 0},
};
static const option_set all = {groups, OPTION_COUNT(groups)};

/* ---- defaults ---- */

void flags_init(worker_flags *flags)
{
    *flags = (worker_flags){.host = "127.0.0.1"};
#define I32(member, name, default_, min, max, help) flags->member = default_;
#define U32 I32
#define F32 I32
#include "worker/flags.def"
    flags->cache_type_k = flags->cache_type_v = HEARTH_CACHE_F16;
    hearth_sampler_options_init(&flags->sampler);
}

/* ---- the environment ---- */

static const char *const renamed[][2] = {
#define ENV(name, flag) {name, flag},
#include "worker/flags.def"
};

/* "CTX_SIZE" as "--ctx-size". */
static bool flag_of(const char *name, size_t n, char out[64])
{
    for (size_t i = 0; i < OPTION_COUNT(renamed); i++) {
        if (strlen(renamed[i][0]) == n && memcmp(renamed[i][0], name, n) == 0) {
            snprintf(out, 64, "%s", renamed[i][1]);
            return true;
        }
    }
    if (n > 60)
        return false;
    memcpy(out, "--", 2);
    for (size_t i = 0; i < n; i++)
        out[2 + i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
    out[2 + n] = '\0';
    return true;
}

static bool is_off(const char *value)
{
    return strcmp(value, "0") == 0 || strcasecmp(value, "off") == 0 ||
           strcasecmp(value, "false") == 0 || strcasecmp(value, "disabled") == 0;
}

/* A switch that the environment turns off is the one whose name says no. */
static const option *find_off(const char *flag, const option_group **group)
{
    char no[72];
    snprintf(no, sizeof no, "--no-%s", flag + 2);
    return option_find(&all, no, strlen(no), group);
}

static hearth_status read_variable(worker_flags *flags, const char *name, size_t n,
                                   const char *value, const hearth_log *log, hearth_error *err)
{
    const option_group *group = NULL;
    char flag[64];
    const option *row =
        flag_of(name, n, flag) ? option_find(&all, flag, strlen(flag), &group) : NULL;
    if (row == NULL) {
        log_write(log, HEARTH_LOG_WARNING, "LLAMA_ARG_%.*s is not known and has no effect",
                  (int)(n > 64 ? 64 : n), name);
        return HEARTH_OK;
    }
    if (row->type == OPTION_FLAG) {
        if (is_off(value))
            row = find_off(flag, &group);
        if (row)
            *(bool *)option_field(group, row, flags) = true;
        return HEARTH_OK;
    }
    if (group->rows == flags_sampler_rows)
        flags->sampler_given |= UINT64_C(1) << (row - group->rows);
    return option_assign(row, option_field(group, row, flags), value, err);
}

hearth_status flags_read_environment(worker_flags *flags, char *const *environment,
                                     const hearth_log *log, hearth_error *err)
{
    static const char prefix[] = "LLAMA_ARG_";
    for (; *environment; environment++) {
        const char *text = *environment, *equals = strchr(text, '=');
        if (equals == NULL || equals[1] == '\0')
            continue;
        if (strncmp(text, "LLAMA_API_KEY=", 14) == 0)
            flags->api_key = equals + 1;
        if (strncmp(text, prefix, sizeof prefix - 1) != 0)
            continue;
        text += sizeof prefix - 1;
        TRY(read_variable(flags, text, (size_t)(equals - text), equals + 1, log, err));
    }
    return HEARTH_OK;
}

/* ---- notes and refusals ---- */

static bool is_one_of(const char *value, const char *words)
{
    size_t n = strlen(value);
    while (*words) {
        size_t n_word = strcspn(words, "|");
        if (n_word == n && strncasecmp(words, value, n) == 0)
            return true;
        words += n_word + (words[n_word] == '|');
    }
    return false;
}

static void tell(buf *line, const hearth_log *log)
{
    if (line->n > 0)
        log_write(log, HEARTH_LOG_WARNING, "flags without effect here: %s", line->data);
    buf_clear(line);
}

/* "--a, --b (why); --c (another why)": one line, unless it gets too long for the log. */
static void note(const worker_flags *flags, const hearth_log *log)
{
    const struct {
        bool given;
        const char *name, *why;
    } rows[] = {
#define NOTED_SWITCH(member, name, why) {flags->member, name, why},
#define NOTED_VALUE(member, name, why) {flags->member != NULL, name, why},
#define NOTED_MAYBE NOTED_VALUE
#include "worker/flags.def"
    };
    bool told[OPTION_COUNT(rows)] = {false};
    buf line;
    buf_init(&line, 0);
    for (size_t i = 0; i < OPTION_COUNT(rows); i++) {
        if (!rows[i].given || told[i])
            continue;
        buf_append_format(&line, "%s%s", line.n > 0 ? "; " : "", rows[i].name);
        for (size_t k = i + 1; k < OPTION_COUNT(rows); k++) {
            if (!rows[k].given || strcmp(rows[k].why, rows[i].why) != 0)
                continue;
            told[k] = true;
            buf_append_format(&line, ", %s", rows[k].name);
        }
        buf_append_format(&line, " (%s)", rows[i].why);
        if (line.n > 300)
            tell(&line, log);
    }
    tell(&line, log);
    buf_deinit(&line);
}

static hearth_status refuse(const char *name, const char *why, hearth_error *err)
{
    FAIL(err, EINVAL, name, "%s: %s", name, why);
}

hearth_status flags_check(const worker_flags *flags, const hearth_log *log, hearth_error *err)
{
#define REFUSED_SWITCH(member, name, why)                                                          \
    if (flags->member)                                                                             \
        return refuse(name, why, err);
#define REFUSED_VALUE(member, name, allowed, why)                                                  \
    if (flags->member && !is_one_of(flags->member, allowed))                                       \
        return refuse(name, why, err);
#include "worker/flags.def"
    note(flags, log);
    return HEARTH_OK;
}

/* ---- values ---- */

void flags_sampler(const worker_flags *flags, const hearth_model *model,
                   hearth_sampler_options *out)
{
    hearth_sampler_options recommended;
    size_t row = 0;
    hearth_model_sampler_options(model, &recommended);
    *out = flags->sampler;
#define X(type, field, value, min, max, flag, help)                                                \
    if (!(flags->sampler_given >> row++ & 1))                                                      \
        out->field = recommended.field;
#include <hearth/sampler_options.def>
#undef X
}

hearth_status flags_split(const char *text, const char ***out, size_t *n, hearth_error *err)
{
    size_t n_text = text ? strlen(text) : 0, n_max = 1;
    *n = 0;
    *out = NULL;
    if (n_text == 0)
        return HEARTH_OK;
    for (size_t i = 0; i < n_text; i++)
        n_max += text[i] == ',';
    /* The pointers first, the text behind them. */
    const char **parts = mem_calloc(1, n_max * sizeof *parts + n_text + 1);
    if (parts == NULL)
        return error_no_memory(err, "a list", n_text);
    char *copy = (char *)(parts + n_max);
    memcpy(copy, text, n_text);
    for (char *at = copy, *end = copy + n_text; at < end; at += strlen(at) + 1) {
        at[strcspn(at, ",")] = '\0';
        if (*at)
            parts[(*n)++] = at;
    }
    *out = parts;
    return HEARTH_OK;
}
