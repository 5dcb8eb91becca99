/* SPDX-License-Identifier: MIT
 *
 * budget.h - who may stay in memory: the rules, as functions of what they are given.
 *
 * No input, no output, no clock and no state: whoever asks brings the engines as they are and the
 * time. The rules:
 *   1. What all holders have, those that are leaving included, and what is let in never exceed the
 *      limit of any pool.
 *   2. Nobody leaves who is pinned, starting, in use, or was loaded less than its stay_ms ago: what
 *      was loaded for somebody serves him, and models that only fit one at a time do not spend
 *      their time on loading. So who loads in a moment leaves soon, who loads long stays long.
 *   3. Of the others the least recently used leave, and no more of them than must.
 *   4. Loads are served in the order they were asked for; the caller asks for the oldest alone.
 *   5. A load that has waited patience_ms closes the least recently used of those in use, too: they
 *      finish what they do and take nothing new. So nobody waits for ever behind a busy model.
 */
#ifndef HEARTH_RUNTIME_BUDGET_H
#define HEARTH_RUNTIME_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUDGET_RAM = 0, BUDGET_GPU = 1, BUDGET_GPUS = 8, BUDGET_POOLS = BUDGET_GPU + BUDGET_GPUS };

/* Bytes of each kind of memory: RAM, then the GPUs. */
typedef struct budget_amount {
    uint64_t bytes[BUDGET_POOLS];
} budget_amount;

typedef struct budget_holder {
    budget_amount held;
    bool ready;   /* false: starting. Not asked for while leaving */
    bool leaving; /* on its way out */
    bool pinned;
    uint32_t n_in_flight;
    uint64_t ready_ms; /* since when */
    uint64_t stay_ms;  /* that it stays from then on */
    uint64_t used_ms;  /* the last time that it was in use */
    int64_t keep_ms;   /* after used_ms; below 0: for ever */
} budget_holder;

typedef struct budget_rules {
    budget_amount limit;
    uint32_t patience_ms;
} budget_rules;

typedef enum budget_answer {
    BUDGET_ADMIT,  /* there is room */
    BUDGET_MAKE,   /* room comes when the marked ones have left */
    BUDGET_WAIT,   /* ask again when anything changes, or at *again_ms */
    BUDGET_REFUSE, /* not even if all left who are not pinned */
} budget_answer;

/* marks has a place for every holder, all of them written. again_ms: UINT64_MAX if time alone
 * changes nothing. */
budget_answer budget_admit(const budget_rules *rules, const budget_holder *holders, size_t n,
                           const budget_amount *need, uint64_t asked_ms, uint64_t now_ms,
                           bool *marks, uint64_t *again_ms);

/* Marks those whose time without use is over. Returns when the next one's will be. */
uint64_t budget_expire(const budget_holder *holders, size_t n, uint64_t now_ms, bool *marks);
/* When it will be unloaded for want of use; UINT64_MAX: not by itself. */
uint64_t budget_expiry(const budget_holder *holder);

/* What the engines together may have of a memory of `total` bytes of which `available` are free and
 * `own` (of what is not free) are the engines': all but what others have and a reserve of a
 * sixteenth, at least 256 MiB. `most` is the user's own limit; 0: none. */
uint64_t budget_limit(uint64_t total, uint64_t available, uint64_t own, uint64_t most);

void budget_add(budget_amount *sum, const budget_amount *more); /* saturates */

#endif
