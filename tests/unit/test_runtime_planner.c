/* SPDX-License-Identifier: MIT
 *
 * test_runtime_planner.c - plans of a made-up model in made-up memories, and of Ember with what
 * libhearth itself says of it.
 *
 * The model has 10 layers of 100 MiB, 50 MiB of embeddings, 50 MiB of output; a position's cache is
 * 100 KiB in f16 (0.1 MiB), which only 5 of its layers have; scratch and overhead are 20 MiB each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "os/file.h"
#include "runtime/planner.h"

#define MIB (UINT64_C(1) << 20)
enum { LAYERS = 10 };

static hearth_status measure(const planner_source *source, const planner_shape *shape,
                             planner_memory *out, hearth_error *err)
{
    (void)source;
    (void)err;
    const uint64_t of_f16 = shape->cache_type_k == HEARTH_CACHE_Q8_0 ? 17 : 32;
    *out = (planner_memory){.weight_bytes = 1100 * MIB,
                            .cache_bytes = (uint64_t)shape->n_ctx * shape->n_contexts * 100 * 1024 *
                                           of_f16 / 32,
                            .compute_bytes = 20 * MIB,
                            .overhead_bytes = 20 * MIB,
                            .n_parallel = shape->n_parallel ? shape->n_parallel : 8,
                            .n_batch = shape->n_batch ? shape->n_batch : 512,
                            .n_threads = 4,
                            .cache_mib = 1};
    return HEARTH_OK;
}

static uint64_t layer_bytes[LAYERS], kv_width[LAYERS];
static planner_source source = {.n_ctx_train = 16384,
                                .n_layers = LAYERS,
                                .layer_bytes = layer_bytes,
                                .kv_width = kv_width,
                                .input_bytes = 50 * MIB,
                                .output_bytes = 50 * MIB,
                                .measure = measure};

static hearth_status choose(engine_kind_id kind, uint64_t ram_mib, uint64_t vram_mib,
                            const model_spec *spec, engine_plan *plan, hearth_error *err)
{
    for (size_t i = 0; i < LAYERS; i++) {
        layer_bytes[i] = 100 * MIB;
        kv_width[i] = i % 2;
    }
    *plan = (engine_plan){.kind = kind};
    plan->limit.bytes[BUDGET_RAM] = ram_mib * MIB;
    plan->limit.bytes[BUDGET_GPU] = vram_mib * MIB;
    hearth_status status = planner_choose(&source, "m", spec, vram_mib > 0, plan, err);
    for (size_t i = 0; i < BUDGET_POOLS && status == HEARTH_OK; i++)
        assert_true(plan->need.bytes[i] <= plan->limit.bytes[i]);
    return status;
}

static void on_the_processor_the_context_fits(void **state)
{
    model_spec spec;
    engine_plan plan;
    (void)state;
    model_spec_init(&spec);
    /* Two contexts of 16384 take 3200 MiB. */
    assert_int_equal(choose(ENGINE_BUILTIN, 10000, 0, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.mode, PLAN_CPU);
    assert_int_equal(plan.fit, PLAN_GREEN);
    assert_int_equal(plan.n_ctx, 16384);
    assert_int_equal(plan.n_gpu_layers, 0);
    assert_int_equal(plan.need.bytes[BUDGET_RAM], 4340 * MIB);
    assert_true(plan.n_reasons >= 4);
    assert_int_equal(choose(ENGINE_BUILTIN, 5000, 0, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.n_ctx, 8192); /* 60 % of the room are enough */
    assert_int_equal(choose(ENGINE_BUILTIN, 1400, 0, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.n_ctx, 1024);
    assert_int_equal(plan.fit, PLAN_YELLOW);
    assert_string_equal(plan.cache_type_k, "f16");
}

static void where_nothing_else_fits_caches_are_smaller(void **state)
{
    model_spec spec;
    engine_plan plan;
    hearth_error err;
    (void)state;
    model_spec_init(&spec);
    assert_int_equal(choose(ENGINE_BUILTIN, 1200, 0, &spec, &plan, NULL), HEARTH_OK);
    assert_string_equal(plan.cache_type_k, "q8_0");
    assert_int_equal(plan.n_ctx, 512);
    assert_int_equal(choose(ENGINE_BUILTIN, 1100, 0, &spec, &plan, &err), HEARTH_ENOFIT);
    assert_int_equal(plan.fit, PLAN_RED);
    assert_int_equal(plan.mode, PLAN_UNSUPPORTED);
    assert_non_null(strstr(err.message, "1193 MiB"));
}

static void what_is_asked_for_is_kept_or_refused(void **state)
{
    model_spec spec;
    engine_plan plan;
    hearth_error err;
    (void)state;
    model_spec_init(&spec);
    spec.n_ctx = 30000;
    assert_int_equal(choose(ENGINE_BUILTIN, 10000, 0, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.n_ctx, 30000);
    assert_int_equal(choose(ENGINE_BUILTIN, 2000, 0, &spec, &plan, &err), HEARTH_ENOFIT);
    assert_non_null(strstr(err.message, "a smaller context"));
    model_spec_init(&spec);
    assert_true(model_spec_set(&spec.cache_type_k, "q4_0"));
    assert_int_equal(choose(ENGINE_BUILTIN, 10000, 0, &spec, &plan, &err), HEARTH_EINVAL);
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 10000, 0, &spec, &plan, NULL), HEARTH_OK);
    assert_string_equal(plan.cache_type_k, "q4_0");
    assert_true(model_spec_set(&spec.cache_type_k, "q9"));
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 10000, 0, &spec, &plan, &err), HEARTH_EINVAL);
    model_spec_deinit(&spec);
    spec.n_gpu_layers = 3;
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 10000, 0, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.mode, PLAN_CPU);
    assert_int_equal(plan.fit, PLAN_YELLOW);
    assert_string_equal(plan.reasons[1].text,
                        "none, and not as asked for: there is no GPU that it can use");
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 10000, 4000, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.mode, PLAN_HYBRID);
    assert_int_equal(plan.n_gpu_layers, 3);
    assert_non_null(strstr(plan.reasons[1].text, "as asked for"));
    spec.n_gpu_layers = 99;
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 10000, 500, &spec, &plan, &err), HEARTH_ENOFIT);
    assert_non_null(strstr(err.message, "layers on the GPU"));
    spec.n_gpu_layers = 0;
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 10000, 9000, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.mode, PLAN_CPU);
    assert_int_equal(plan.n_batch, 512);
    spec.embedding = true; /* texts for vectors go in whole */
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 10000, 9000, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.n_batch, 2048);
}

static void gpus_take_all_or_what_they_can(void **state)
{
    model_spec spec;
    engine_plan plan;
    (void)state;
    model_spec_init(&spec);
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 4000, 9000, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.mode, PLAN_GPU);
    assert_int_equal(plan.n_gpu_layers, LAYERS + 1);
    assert_int_equal(plan.n_ctx, 16384);
    assert_int_equal(plan.n_batch, 2048);
    /* 1000 of layers, 50 of output, 1600 of cache, 20 of scratch, 320 of driver */
    assert_int_equal(plan.need.bytes[BUDGET_GPU], 2990 * MIB);
    assert_int_equal(plan.need.bytes[BUDGET_RAM], 90 * MIB);
    /* A smaller context that fits whole is better than a larger one in parts. */
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 4000, 2500, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.mode, PLAN_GPU);
    assert_int_equal(plan.n_ctx, 8192);
    /* Layers 9, 7, 5 ... have a cache and cost 260, others 100: there is room for 895. */
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 4000, 1300, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.mode, PLAN_HYBRID);
    assert_int_equal(plan.n_ctx, 8192);
    assert_int_equal(plan.n_gpu_layers, 4);
    assert_int_equal(plan.fit, PLAN_YELLOW);
    /* Too small for any layer. */
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 9000, 300, &spec, &plan, NULL), HEARTH_OK);
    assert_int_equal(plan.mode, PLAN_CPU);
    assert_int_equal(plan.need.bytes[BUDGET_GPU], 0);
}

static void a_plan_is_told_as_json(void **state)
{
    model_spec spec;
    engine_plan plan;
    (void)state;
    model_spec_init(&spec);
    assert_int_equal(choose(ENGINE_LLAMA_SERVER, 4000, 1300, &spec, &plan, NULL), HEARTH_OK);
    json_t *o = engine_plan_json(&plan);
    assert_string_equal(json_string_value(json_object_get(o, "mode")), "hybrid");
    assert_string_equal(json_string_value(json_object_get(o, "fit")), "yellow");
    json_t *memory = json_object_get(o, "memory");
    assert_int_equal(json_array_size(json_object_get(memory, "vram")), 1);
    assert_true(json_array_size(json_object_get(o, "reasons")) >= 4);
    json_decref(o);
    for (int i = 0; i < 2 * PLAN_REASONS; i++)
        plan_because(&plan, "x", "%d", i);
    assert_int_equal(plan.n_reasons, PLAN_REASONS);
}

static void ember_is_counted_by_its_tensors(void **state)
{
    char *bytes;
    size_t n;
    planner_file *file;
    planner_memory memory;
    (void)state;
    assert_int_equal(
        file_read_all(HEARTH_SOURCE_DIR "/models/ember/ember.gguf", 1 << 30, &bytes, &n, NULL),
        HEARTH_OK);
    assert_int_equal(planner_file_open(&file, NULL, bytes, n, NULL), HEARTH_OK);
    const planner_source *s = planner_file_source(file);
    uint64_t layers = 0;
    for (uint32_t i = 0; i < s->n_layers; i++) {
        layers += s->layer_bytes[i];
        assert_true(s->layer_bytes[i] > 0 && s->kv_width[i] > 0);
    }
    const planner_shape shape = {.n_ctx = 1024,
                                 .n_contexts = 2,
                                 .cache_type_k = HEARTH_CACHE_F16,
                                 .cache_type_v = HEARTH_CACHE_F16};
    assert_int_equal(s->measure(s, &shape, &memory, NULL), HEARTH_OK);
    assert_true(memory.weight_bytes >= layers);
    assert_true(memory.weight_bytes <= layers + s->input_bytes + s->output_bytes);
    assert_true(memory.cache_bytes <= (uint64_t)memory.cache_mib * MIB);
    assert_int_equal(planner_file_add_projector(file, "/nowhere", NULL), HEARTH_ENOTFOUND);
    planner_file_close(file);
    mem_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_the_processor_the_context_fits),
        cmocka_unit_test(where_nothing_else_fits_caches_are_smaller),
        cmocka_unit_test(what_is_asked_for_is_kept_or_refused),
        cmocka_unit_test(gpus_take_all_or_what_they_can),
        cmocka_unit_test(a_plan_is_told_as_json),
        cmocka_unit_test(ember_is_counted_by_its_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
