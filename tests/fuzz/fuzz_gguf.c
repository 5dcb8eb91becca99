/* SPDX-License-Identifier: MIT
 *
 * fuzz_gguf.c - any bytes as a GGUF file: opened or refused with a message, and what was opened
 * holds what gguf.h promises.
 */
#include <stdlib.h>
#include <string.h>

#include "gguf/gguf.h"
#include "support/gguf_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void open_once(const uint8_t *data, size_t n, const gguf_options *options)
{
    hearth_error err = {0};
    gguf *g = NULL;
    uint64_t sum;
    float number;
    uint32_t integer;
    bool truth;
    gguf_string text;
    gguf_header_bytes(data, n / 2);
    hearth_status status = gguf_open_memory(&g, data, n, options, &err);
    if (status != HEARTH_OK) {
        require(g == NULL && err.code == status && err.message[0] != '\0' &&
                strchr(err.message, '\n') == NULL);
        return;
    }
    require(gguf_walk(g, &sum));
    require(gguf_header_bytes(data, n) <= n);
    gguf_get_u32(g, "llama.block_count", &integer, NULL, &err);
    gguf_get_f32(g, "llama.rope.freq_base", &number, NULL, &err);
    gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &truth, NULL, &err);
    gguf_get_string(g, "general.architecture", &text, NULL, &err);
    gguf_close(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const overrides[] = {"general.architecture=str:x", "key=int:-1",
                                            "type.9=bool:true", "new=float:0.5"};
    static const gguf_options with_overrides = {
        .overrides = overrides, .n_overrides = 4, .metadata_only = true};
    open_once(data, n, NULL);
    open_once(data, n, &with_overrides);
    return 0;
}
