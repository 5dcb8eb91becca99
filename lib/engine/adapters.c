/* SPDX-License-Identifier: MIT
 *
 * adapters.c - LoRA adapters as hearth/model.h tells of them: opened beside a model, and put
 * together for a request or a session.
 *
 * Life     A handle is one reference, each mix that has the adapter another. So closing one needs
 *          to know nothing of who uses it, and the last request with it ends it.
 * Cache    Pages are named by the contents of the adapters they were read with (their
 * fingerprints), not by handles or paths: nothing has to be dropped when one is closed, and one
 * that is opened again finds its pages.
 */
#include <math.h>

#include "engine/model.h"
#include "os/sysmem.h"

static const double mib = 1048576.0;

static hearth_status check_fit(const hearth_model *m, const adapter *a, hearth_error *err)
{
    uint64_t need = gguf_file_bytes(a->g), available = sysmem_available();
    if (need > available && !m->ignore_memory_limit)
        FAIL(err, ENOFIT, gguf_path(a->g),
             "the adapter '%s' needs %.1f MiB and %.1f MiB are free; close other programs",
             gguf_path(a->g), (double)need / mib, (double)available / mib);
    return HEARTH_OK;
}

hearth_status hearth_adapter_open(hearth_adapter **out, const hearth_model *model, const char *path,
                                  hearth_error *err)
{
    adapter *a;
    *out = NULL;
    if (path == NULL || path[0] == '\0')
        FAIL(err, EINVAL, "path", "no adapter was named; give the path of a GGUF file");
    if (model->scope != HEARTH_SCOPE_ALL)
        FAIL(err, EINVAL, "scope", "the model was opened without its weights; open it whole");
    TRY(adapter_open(&a, path, model->g, &model->log, err));
    hearth_status status = check_fit(model, a, err);
    if (status != HEARTH_OK) {
        adapter_unref(a);
        return status;
    }
    *out = a;
    return HEARTH_OK;
}

hearth_adapter *hearth_adapter_ref(hearth_adapter *a)
{
    return adapter_ref(a);
}

void hearth_adapter_close(hearth_adapter *a)
{
    adapter_unref(a);
}

void hearth_adapter_get_info(const hearth_adapter *a, hearth_adapter_info *out)
{
    *out = (hearth_adapter_info){.path = gguf_path(a->g),
                                 .rank = a->rank,
                                 .alpha = a->alpha,
                                 .n_matrices = a->n_pairs,
                                 .file_bytes = gguf_file_bytes(a->g)};
}

/* ---- a model's own ---- */

size_t hearth_model_n_adapters(const hearth_model *model)
{
    return model->n_adapters;
}

hearth_adapter *hearth_model_get_adapter(const hearth_model *model, size_t i)
{
    return i < model->n_adapters ? model->adapters[i] : NULL;
}

hearth_status hearth_model_adapter_at(const hearth_model *model, size_t i, hearth_adapter_info *out,
                                      hearth_error *err)
{
    if (i >= model->n_adapters)
        FAIL(err, EINVAL, "i", "there is no adapter %zu; the model has %zu", i, model->n_adapters);
    hearth_adapter_get_info(model->adapters[i], out);
    return HEARTH_OK;
}

/* ---- mixes ---- */

static hearth_status check_scale(float scale, size_t i, hearth_error *err)
{
    if (!isfinite(scale))
        FAIL(err, EINVAL, "adapters", "the scale of adapter %zu is %g; give a finite number", i,
             (double)scale);
    return HEARTH_OK;
}

hearth_status adapters_mix_own(adapter_mix *mix, const hearth_model *m, const float *scales,
                               size_t n, hearth_error *err)
{
    if (scales && n != m->n_adapters)
        FAIL(err, EINVAL, "adapters", "%zu scales were given; the model has %zu adapters", n,
             m->n_adapters);
    for (size_t i = 0; scales && i < n; i++)
        TRY(check_scale(scales[i], i, err));
    TRY(adapter_mix_init(mix, m->n_adapters, err));
    for (size_t i = 0; i < m->n_adapters; i++)
        adapter_mix_add(mix, m->adapters[i], scales ? scales[i] : 1.0f);
    return HEARTH_OK;
}

hearth_status adapters_mix_uses(adapter_mix *mix, const hearth_model *m,
                                const hearth_adapter_use *uses, size_t n, hearth_error *err)
{
    if (n > 0 && uses == NULL)
        FAIL(err, EINVAL, "uses", "uses is NULL with n_uses %zu", n);
    for (size_t i = 0; i < n; i++) {
        if (uses[i].adapter == NULL)
            FAIL(err, EINVAL, "uses", "adapter %zu is NULL; leave it out", i);
        if (uses[i].adapter->model != m->g)
            FAIL(err, EINVAL, "uses",
                 "the adapter '%s' was opened for another model; open it for this one",
                 gguf_path(uses[i].adapter->g));
        TRY(check_scale(uses[i].scale, i, err));
    }
    TRY(adapter_mix_init(mix, n, err));
    for (size_t i = 0; i < n; i++)
        adapter_mix_add(mix, uses[i].adapter, uses[i].scale);
    return HEARTH_OK;
}

hearth_status adapters_check_room(size_t n_batch, uint32_t rank, uint32_t n_out, bool ignore_limit,
                                  hearth_error *err)
{
    uint64_t need = forward_adapter_bytes(n_batch, rank, n_out), available = sysmem_available();
    if (need > available && !ignore_limit)
        FAIL(err, ENOFIT, "adapters",
             "passes of %zu tokens with the adapter need %.1f MiB more and %.1f MiB are free; "
             "lower n_batch",
             n_batch, (double)need / mib, (double)available / mib);
    return HEARTH_OK;
}

hearth_status adapters_fail_lost(const adapter *a, hearth_error *err)
{
    FAIL(err, EIO, gguf_path(a->g),
         "the adapter's file '%s' became shorter while it was in use; copy it again and reopen it",
         gguf_path(a->g));
}
