/* SPDX-License-Identifier: MIT
 *
 * jinja_lexer.h - template source to tokens, with Jinja's rules of white space as chat templates
 * are rendered: trim_blocks (the newline after a block goes) and lstrip_blocks (blanks before a
 * block that begins a line go).
 *
 * White space before a tag can only be taken away when the tag is seen, so the lexer looks ahead to
 * the next tag and gives text already trimmed. One token at a time; the parser keeps two.
 */
#ifndef HEARTH_CHAT_JINJA_LEXER_H
#define HEARTH_CHAT_JINJA_LEXER_H

#include "base/status.h"
#include "chat/jinja_arena.h"
#include "chat/jinja_value.h"

typedef enum jinja_token_type {
    TOKEN_END,
    TOKEN_TEXT,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_PRINT_BEGIN,
    TOKEN_PRINT_END,
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_OPERATOR
} jinja_token_type;

/* Operators, two characters packed as 'a' or 'a' | 'b' << 8. */
#define JINJA_OP2(a, b) ((uint16_t)((a) | (b) << 8))

typedef struct jinja_token {
    jinja_token_type type;
    uint32_t line, column; /* from 1; columns count characters */
    uint16_t op;
    const char *text; /* in the source, or unescaped in the arena */
    size_t n;
    int64_t integer;
    double real;
} jinja_token;

typedef struct jinja_lexer {
    const char *source;
    size_t n, at;
    jinja_arena *arena;
    uint32_t line;
    size_t counted, line_start; /* up to where lines were counted; where that line begins */
    enum { LEX_TEXT, LEX_BLOCK, LEX_PRINT, LEX_RAW } state;
    bool in_tag;        /* its beginning was given */
    bool line_starting; /* what came before ends in a newline, or nothing did */
    size_t n_open;      /* brackets that are open in the tag */
    char open[256];     /* what closes them */
    hearth_error *err;
} jinja_lexer;

void jinja_lexer_init(jinja_lexer *l, const char *source, size_t n, jinja_arena *arena,
                      hearth_error *err);
hearth_status jinja_lexer_next(jinja_lexer *l, jinja_token *token);

/* EFORMAT: "line 3, column 7: ..." */
hearth_status jinja_syntax_error(hearth_error *err, uint32_t line, uint32_t column,
                                 const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
