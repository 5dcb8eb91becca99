/* SPDX-License-Identifier: MIT
 *
 * engine_watch.c - finds the engine that was ready and hangs: that neither ends nor answers.
 *
 * A sign of life is any of three: an answer to /health, whatever its status; time on a processor,
 * at least 2 ms a second; bytes read from storage. Only an engine that gives none of them for
 * hang_ms is killed. So one that is too busy to answer is left alone, be it that it computes, that
 * all its connections are taken, or that it pages weights in; and whoever writes tokens computes. A
 * supervisor that itself was stopped, or got no processor, sees that its own clock has jumped and
 * begins anew. Remote engines have no process; engine_process.c asks them.
 */
#include "runtime/actor.h"
#include "runtime/proc_stat.h"

enum {
    LOOKS = 6,    /* in hang_ms */
    LIVELY = 500, /* a processor's time that counts, as a part of the time that went by */
};

static bool is_watched(const engine *e)
{
    return (e->state == STATE_READY || e->state == STATE_DRAINING) && e->kind->has_process;
}

void engine_is_alive(engine *e)
{
    proc_usage usage = {0};
    if (e->proc.pidfd != -1)
        proc_usage_read(e->proc.pid, &usage);
    e->alive_ms = actor_now(e->rt);
    e->alive_cpu_ms = usage.cpu_ms;
    e->alive_read_bytes = usage.read_bytes;
}

static void look(engine *e, uint64_t now)
{
    proc_usage usage;
    const uint64_t silent = now - e->alive_ms;
    if (!proc_usage_read(e->proc.pid, &usage))
        return;
    if ((usage.cpu_ms - e->alive_cpu_ms) * LIVELY > silent ||
        usage.read_bytes != e->alive_read_bytes)
        engine_is_alive(e);
    else if (silent >= e->rt->options.hang_ms)
        engine_hangs(e);
    else
        engine_process_ask_health(e);
}

static void on_pulse(uv_timer_t *pulse)
{
    runtime *rt = pulse->data;
    const uint64_t now = actor_now(rt), step = uv_timer_get_repeat(pulse);
    const bool late = now - rt->pulse_ms > 2 * step;
    rt->pulse_ms = now;
    for (engine *e = rt->engines, *next; e; e = next) {
        next = e->next;
        if (is_watched(e) && late)
            engine_is_alive(e);
        else if (is_watched(e))
            look(e, now);
    }
}

void engine_watch_start(runtime *rt)
{
    const uint64_t step = rt->options.hang_ms / LOOKS;
    if (rt->options.hang_ms == 0)
        return;
    rt->pulse_ms = uv_now(&rt->loop);
    uv_timer_start(&rt->pulse, on_pulse, step > 0 ? step : 1, step > 0 ? step : 1);
}
