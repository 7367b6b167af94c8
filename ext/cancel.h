/* Which generation may be heard: one atomic word, `2 * generation + 1` while it lives and `2 * generation` once cancelled.
 *
 * Laws: the word only grows but for its lowest bit, which goes from 1 to 0 once for each generation; so whoever holds a token and sees
 * another word than its own is cancelled for ever.  Any thread may call anything here.
 */
#ifndef EV_CANCEL_H
#define EV_CANCEL_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ev_live {
    alignas(64) _Atomic uint64_t word; /* any thread, by compare-exchange only */
} ev_live;

typedef struct ev_token {
    _Atomic uint64_t *word; /* init only */
    uint64_t mine;          /* init only: the word while this generation lives */
} ev_token;

static inline uint64_t ev_live_word(uint64_t generation)
{
    return generation * 2 + 1;
}

/* The live generation, 0 for none. */
static inline uint64_t ev_live_current(ev_live *live)
{
    uint64_t word = atomic_load_explicit(&live->word, memory_order_acquire);
    return word & 1 ? word >> 1 : 0;
}

/* Make `generation` live; false unless it is greater than any begun before. */
static inline bool ev_live_begin(ev_live *live, uint64_t generation)
{
    uint64_t word = atomic_load_explicit(&live->word, memory_order_relaxed);
    do {
        if (generation <= word >> 1)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&live->word, &word, ev_live_word(generation), memory_order_acq_rel,
                                                    memory_order_relaxed));
    return true;
}

/* True for the one call that cancelled it. */
static inline bool ev_live_cancel(ev_live *live, uint64_t generation)
{
    uint64_t word = ev_live_word(generation);
    return atomic_compare_exchange_strong_explicit(&live->word, &word, generation * 2, memory_order_acq_rel, memory_order_relaxed);
}

static inline void ev_token_init(ev_token *token, ev_live *live, uint64_t generation)
{
    token->word = &live->word;
    token->mine = ev_live_word(generation);
}

/* True once the token's generation may not go on: a `ggml_abort_callback`. */
static inline bool ev_abort(void *token)
{
    const ev_token *held = token;
    return atomic_load_explicit(held->word, memory_order_acquire) != held->mine;
}

#endif
