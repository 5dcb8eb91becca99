/* SPDX-License-Identifier: MIT
 *
 * make_model.c - the generator of small random models for tests that are written in shell.
 *
 *     make_model OUT.gguf ARCH [SEED]     writes a model
 *     make_model                          lists the architectures
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/tiny_model.h"

int main(int argc, char **argv)
{
    tiny_model_options options;
    if (argc < 3) {
        for (size_t i = 0; tiny_model_arch(i); i++)
            puts(tiny_model_arch(i));
        return 0;
    }
    tiny_model_options_init(&options, argv[2]);
    if (argc > 3)
        options.seed = strtoull(argv[3], NULL, 10);
    tiny_model_write(argv[1], &options);
    return 0;
}
