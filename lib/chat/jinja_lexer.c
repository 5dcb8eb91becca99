/* SPDX-License-Identifier: MIT
 *
 * jinja_lexer.c - see jinja_lexer.h.
 *
 * Rules    A tag begins at the first {{ {% or {#. "-" inside a tag's edge takes all white space
 *          beyond it, "+" forbids taking any; without a sign a block or comment takes the blanks
 *          before it on its line and the newline after it. {% raw %} takes nothing after itself.
 *          Inside brackets }} and %} are two operators each, so that nested dicts can end.
 * Facts    from the documentation of Jinja 3.1 ("Whitespace Control") and tried against it.
 */
#include "chat/jinja_lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "chat/jinja_number.h"
#include "chat/jinja_unicode.h"

hearth_status jinja_syntax_error(hearth_error *err, uint32_t line, uint32_t column,
                                 const char *format, ...)
{
    char message[320];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    FAIL(err, EFORMAT, "chat template", "line %u, column %u: %s", line, column, message);
}

void jinja_lexer_init(jinja_lexer *l, const char *source, size_t n, jinja_arena *arena,
                      hearth_error *err)
{
    *l = (jinja_lexer){
        .source = source, .n = n, .arena = arena, .line = 1, .line_starting = true, .err = err};
}

/* Moves the line counter on to `at`, which never goes back, and gives the column there. */
static uint32_t place(jinja_lexer *l, size_t at)
{
    for (; l->counted < at; l->counted++) {
        if (l->source[l->counted] == '\n') {
            l->line++;
            l->line_start = l->counted + 1;
        }
    }
    return (uint32_t)jinja_count_chars(l->source + l->line_start, at - l->line_start) + 1;
}

#define LEX_FAIL(l, at, ...)                                                                       \
    do {                                                                                           \
        uint32_t column_ = place(l, at);                                                           \
        return jinja_syntax_error((l)->err, (l)->line, column_, __VA_ARGS__);                      \
    } while (0)

static void start_token(jinja_lexer *l, jinja_token *token, jinja_token_type type)
{
    *token = (jinja_token){.type = type};
    token->column = place(l, l->at);
    token->line = l->line;
}

static bool looking_at(const jinja_lexer *l, size_t at, const char *text)
{
    size_t n = strlen(text);
    return l->n - at >= n && memcmp(l->source + at, text, n) == 0;
}

static size_t skip_space(const jinja_lexer *l, size_t at)
{
    return at + jinja_space_prefix(l->source + at, l->n - at);
}

/* The end of a tag at `at`: what closes it, with its sign and the white space that goes with it.
 * False if it is not there. */
static bool match_end(const jinja_lexer *l, size_t at, const char *closer, bool is_print,
                      size_t *after)
{
    if (looking_at(l, at, "-") && looking_at(l, at + 1, closer)) {
        *after = skip_space(l, at + 1 + strlen(closer));
        return true;
    }
    if (!is_print && looking_at(l, at, "+") && looking_at(l, at + 1, closer)) {
        *after = at + 1 + strlen(closer);
        return true;
    }
    if (!looking_at(l, at, closer))
        return false;
    *after = at + strlen(closer);
    if (!is_print && looking_at(l, *after, "\n"))
        ++*after;
    return true;
}

static void pass(jinja_lexer *l, size_t after)
{
    l->line_starting = after > 0 && l->source[after - 1] == '\n';
    l->at = after;
}

/* ---- text ---- */

/* The next tag from `at`: its place, or n. */
static size_t find_tag(const jinja_lexer *l, size_t at)
{
    while (at + 1 < l->n) {
        const char *found = memchr(l->source + at, '{', l->n - 1 - at);
        if (found == NULL)
            break;
        at = (size_t)(found - l->source);
        char kind = found[1];
        if (kind == '{' || kind == '%' || kind == '#')
            return at;
        at++;
    }
    return l->n;
}

/* Where text [begin, end) before a tag ends once the tag took its white space. */
static size_t trim_text(const jinja_lexer *l, size_t begin, size_t end, char sign, bool is_print)
{
    if (sign == '-')
        return end - jinja_space_suffix(l->source + begin, end - begin);
    if (sign == '+' || is_print)
        return end;
    size_t blank = end;
    while (blank > begin && l->source[blank - 1] != '\n')
        blank--;
    if (blank == begin && !l->line_starting)
        return end;
    bool all_blank = jinja_space_prefix(l->source + blank, end - blank) == end - blank;
    return all_blank ? blank : end;
}

static char sign_at(const jinja_lexer *l, size_t at)
{
    char sign = at < l->n ? l->source[at] : '\0';
    return sign == '-' || sign == '+' ? sign : '\0';
}

/* Whether a block that begins at `at` is {% raw %}; where it ends. */
static bool match_raw(const jinja_lexer *l, size_t at, const char *word, size_t *after)
{
    if (!looking_at(l, at, "{%"))
        return false;
    at += 2;
    at = skip_space(l, sign_at(l, at) ? at + 1 : at);
    if (!looking_at(l, at, word))
        return false;
    at = skip_space(l, at + strlen(word));
    if (word[0] == 'e')
        return match_end(l, at, "%}", false, after);
    if (looking_at(l, at, "-%}")) {
        *after = skip_space(l, at + 3);
        return true;
    }
    *after = at + 2;
    return looking_at(l, at, "%}");
}

static hearth_status skip_comment(jinja_lexer *l, size_t tag)
{
    size_t after;
    for (size_t at = tag + (sign_at(l, tag + 2) ? 3 : 2); at < l->n; at++) {
        if (match_end(l, at, "#}", false, &after)) {
            pass(l, after);
            return HEARTH_OK;
        }
    }
    LEX_FAIL(l, tag, "the comment is not closed; end it with #}");
}

static bool give_text(jinja_lexer *l, jinja_token *token, size_t end)
{
    if (end == l->at)
        return false;
    start_token(l, token, TOKEN_TEXT);
    token->text = l->source + l->at;
    token->n = end - l->at;
    return true;
}

static hearth_status raw_text(jinja_lexer *l, jinja_token *token, bool *given)
{
    size_t after;
    for (size_t tag = find_tag(l, l->at); tag < l->n; tag = find_tag(l, tag + 1)) {
        if (!match_raw(l, tag, "endraw", &after))
            continue;
        *given = give_text(l, token, trim_text(l, l->at, tag, sign_at(l, tag + 2), false));
        l->state = LEX_TEXT;
        pass(l, after);
        return HEARTH_OK;
    }
    LEX_FAIL(l, l->at, "raw is not closed; end it with {%% endraw %%}");
}

/* Text up to the next tag, which is entered. *given: there was text, or the end. */
static hearth_status plain_text(jinja_lexer *l, jinja_token *token, bool *given)
{
    size_t tag = find_tag(l, l->at), after;
    if (tag == l->n) {
        if (!give_text(l, token, l->n))
            start_token(l, token, TOKEN_END);
        l->at = l->n;
        *given = true;
        return HEARTH_OK;
    }
    bool is_print = l->source[tag + 1] == '{';
    char sign = sign_at(l, tag + 2);
    *given = give_text(l, token, trim_text(l, l->at, tag, sign, is_print));
    if (match_raw(l, tag, "raw", &after)) {
        l->state = LEX_RAW;
        pass(l, after);
    } else if (l->source[tag + 1] == '#') {
        TRY(skip_comment(l, tag));
    } else {
        l->state = is_print ? LEX_PRINT : LEX_BLOCK;
        l->at = tag;
        l->n_open = 0;
    }
    return HEARTH_OK;
}

/* ---- inside tags ---- */

static hearth_status take_name(jinja_lexer *l, jinja_token *token)
{
    size_t at = l->at;
    uint32_t c;
    while (at < l->n) {
        size_t length = utf8_decode(l->source + at, l->n - at, &c);
        if (!jinja_goes_on_name(c))
            break;
        at += length;
    }
    token->type = TOKEN_NAME;
    token->text = l->source + l->at;
    token->n = at - l->at;
    l->at = at;
    return HEARTH_OK;
}

static hearth_status take_number(jinja_lexer *l, jinja_token *token)
{
    bool is_float;
    size_t n = jinja_scan_number(l->source + l->at, l->n - l->at, &is_float);
    const char *text = l->source + l->at;
    token->type = is_float ? TOKEN_FLOAT : TOKEN_INTEGER;
    if (is_float && !jinja_parse_float(text, n, &token->real))
        LEX_FAIL(l, l->at, "'%.*s' is not a number", (int)(n < 64 ? n : 64), text);
    if (!is_float && !jinja_parse_literal(text, n, &token->integer))
        LEX_FAIL(l, l->at, "the integer %.*s does not fit in 64 bits", (int)(n < 64 ? n : 64),
                 text);
    l->at += n;
    return HEARTH_OK;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \xHH, \uHHHH, \UHHHHHHHH: the code point, and the place after it. */
static bool read_hex(const jinja_lexer *l, size_t *at, size_t n_digits, uint32_t *c)
{
    *c = 0;
    if (l->n - *at < n_digits)
        return false;
    for (size_t i = 0; i < n_digits; i++) {
        int digit = hex_value(l->source[*at + i]);
        if (digit < 0)
            return false;
        *c = *c << 4 | (uint32_t)digit;
    }
    *at += n_digits;
    return *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff);
}

/* Writes what the escape at *at (after its backslash) means and steps over it. */
static hearth_status unescape(jinja_lexer *l, size_t *at, char *out, size_t *n)
{
    static const char names[] = "ntr\\'\"abfv", bytes[] = "\n\t\r\\'\"\a\b\f\v";
    size_t begin = *at;
    char name = l->source[(*at)++];
    const char *found = name ? strchr(names, name) : NULL;
    uint32_t c = 0;
    if (found) {
        out[(*n)++] = bytes[found - names];
    } else if (name == '\n') {
        return HEARTH_OK;
    } else if (name == 'x' || name == 'u' || name == 'U') {
        if (!read_hex(l, at, name == 'x' ? 2 : name == 'u' ? 4 : 8, &c))
            LEX_FAIL(l, begin, "\\%c needs hexadecimal digits of a character that exists", name);
        *n += utf8_encode(c, out + *n);
    } else if (name >= '0' && name <= '7') {
        c = (uint32_t)(name - '0');
        for (int i = 0; i < 2 && l->source[*at] >= '0' && l->source[*at] <= '7'; i++)
            c = c * 8 + (uint32_t)(l->source[(*at)++] - '0');
        *n += utf8_encode(c, out + *n);
    } else {
        out[(*n)++] = '\\';
        out[(*n)++] = name;
    }
    return HEARTH_OK;
}

static hearth_status take_string(jinja_lexer *l, jinja_token *token)
{
    char quote = l->source[l->at];
    size_t end = l->at + 1, n = 0;
    while (end < l->n && l->source[end] != quote)
        end += l->source[end] == '\\' ? 2 : 1;
    if (end >= l->n)
        LEX_FAIL(l, l->at, "the string is not closed; end it with %c", quote);
    char *out = jinja_arena_alloc(l->arena, end - l->at);
    if (out == NULL)
        return error_no_memory(l->err, "the chat template", end - l->at);
    for (size_t at = l->at + 1; at < end;) {
        if (l->source[at] != '\\') {
            out[n++] = l->source[at++];
            continue;
        }
        at++;
        TRY(unescape(l, &at, out, &n));
    }
    token->type = TOKEN_STRING;
    token->text = out;
    token->n = n;
    l->at = end + 1;
    return HEARTH_OK;
}

static hearth_status balance(jinja_lexer *l, char c)
{
    if (c == '(' || c == '[' || c == '{') {
        if (l->n_open == sizeof l->open)
            LEX_FAIL(l, l->at, "more than %zu brackets are open", sizeof l->open);
        l->open[l->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (l->n_open == 0)
            LEX_FAIL(l, l->at, "unexpected '%c'", c);
        char wanted = l->open[--l->n_open];
        if (wanted != c)
            LEX_FAIL(l, l->at, "unexpected '%c'; '%c' is still to come", c, wanted);
    }
    return HEARTH_OK;
}

static hearth_status take_operator(jinja_lexer *l, jinja_token *token)
{
    static const char *const doubles[] = {"//", "**", "==", "!=", ">=", "<="};
    const char *text = l->source + l->at;
    token->type = TOKEN_OPERATOR;
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        if (looking_at(l, l->at, doubles[i])) {
            token->op = JINJA_OP2(doubles[i][0], doubles[i][1]);
            l->at += 2;
            return HEARTH_OK;
        }
    }
    if (*text == '\0' || strchr("+-/*%~[](){}><=.:|,;", *text) == NULL)
        LEX_FAIL(l, l->at, "unexpected character '%.*s'",
                 (int)utf8_valid_prefix(text, l->n - l->at), text);
    TRY(balance(l, *text));
    token->op = (uint16_t)*text;
    l->at++;
    return HEARTH_OK;
}

static hearth_status tag_token(jinja_lexer *l, jinja_token *token)
{
    bool is_print = l->state == LEX_PRINT;
    size_t after;
    l->at = skip_space(l, l->at);
    if (l->n_open == 0 && match_end(l, l->at, is_print ? "}}" : "%}", is_print, &after)) {
        start_token(l, token, is_print ? TOKEN_PRINT_END : TOKEN_BLOCK_END);
        l->state = LEX_TEXT;
        pass(l, after);
        return HEARTH_OK;
    }
    if (l->at == l->n)
        LEX_FAIL(l, l->at, "the template ends inside a tag; end it with %s",
                 is_print ? "}}" : "%}");
    start_token(l, token, TOKEN_OPERATOR);
    uint32_t c;
    utf8_decode(l->source + l->at, l->n - l->at, &c);
    if (c >= '0' && c <= '9')
        return take_number(l, token);
    if (jinja_starts_name(c))
        return take_name(l, token);
    if (c == '\'' || c == '"')
        return take_string(l, token);
    return take_operator(l, token);
}

hearth_status jinja_lexer_next(jinja_lexer *l, jinja_token *token)
{
    bool given = false;
    while (!given) {
        if (l->state == LEX_RAW) {
            TRY(raw_text(l, token, &given));
        } else if (l->state == LEX_TEXT) {
            TRY(plain_text(l, token, &given));
        } else if (looking_at(l, l->at, l->state == LEX_PRINT ? "{{" : "{%") && l->n_open == 0 &&
                   !l->in_tag) {
            start_token(l, token, l->state == LEX_PRINT ? TOKEN_PRINT_BEGIN : TOKEN_BLOCK_BEGIN);
            l->at += 2;
            l->at += sign_at(l, l->at) ? 1 : 0;
            l->in_tag = true;
            return HEARTH_OK;
        } else {
            TRY(tag_token(l, token));
            l->in_tag = l->state != LEX_TEXT;
            return HEARTH_OK;
        }
    }
    return HEARTH_OK;
}
