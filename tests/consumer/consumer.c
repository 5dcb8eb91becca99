/* SPDX-License-Identifier: MIT
 *
 * consumer.c - the least that a program of somebody else does: version, a model, a few tokens.
 *
 * It has functions under names that Hearth uses inside, which must not meet.
 */
#include <stdio.h>
#include <string.h>

#include <hearth/hearth.h>

/* Names of the library's own. Were one of them called in place of Hearth's, the model would not
 * open. */
int buf_append(void);
int mem_alloc(void);
int error_set(void);

int buf_append(void)
{
    return 0;
}

int mem_alloc(void)
{
    return 0;
}

int error_set(void)
{
    return 0;
}

int main(int argc, char **argv)
{
    hearth_error err = {0};
    hearth_model *model = NULL;
    int32_t *tokens = NULL;
    size_t n = 0;
    if (argc != 2 || strcmp(hearth_version(), HEARTH_VERSION) != 0)
        return 1;
    if (hearth_model_open(&model, argv[1], NULL, &err) != HEARTH_OK ||
        hearth_tokenize(model, "Hello", 5, 0, &tokens, &n, &err) != HEARTH_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%s %s, %zu tokens, %d\n", hearth_version(), hearth_model_get_info(model)->architecture,
           n, buf_append() + mem_alloc() + error_set());
    hearth_free(tokens);
    hearth_model_close(model);
    return 0;
}
