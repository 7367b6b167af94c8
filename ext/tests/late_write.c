/* A reply that is begun and written while a period is being made: that period looks at it with the word it took before, and must let it
 * be for the next one.  The window is too small to be hit by chance, so the callback's own function is called with the old word. */
#define ev_rt_bytes ev_rt_bytes_again
#define ev_rt_init ev_rt_init_again
#define ev_rt_process ev_rt_process_again
#include "../rt.c"

#include "stress.h"

int main(void)
{
    static ev_live live;
    int16_t voice[160] = {1000}, out[160];
    uint64_t taken;
    ev_rt_config config = {.rate = 16000, .hop = 160, .capture_slots = 4, .playback_slots = 4, .earcon_slots = 4, .event_slots = 4};
    void *memory = aligned_zeros(ev_rt_bytes(&config));
    ev_rt *rt = ev_rt_init(memory, &config, &live);
    uint64_t before = atomic_load(&live.word);
    CHECK(ev_live_begin(&live, 1), "not begun");
    CHECK(ev_host_write(rt, 1, voice, 160, true, 0, &taken) == EV_WRITE_DONE && taken == 160, "not written");
    CHECK(front(rt, before, 0) == NULL, "a reply of the future is played");
    CHECK(atomic_load(&rt->stale) == 0, "a reply of the future is thrown away");
    ev_rt_process(rt, NULL, out, 160, 0);
    CHECK(out[0] == 1000 && ev_host_heard(rt, 1) == 160, "the reply is not played by the next period");
    CHECK(!ev_live_begin(&live, 1), "begun twice");
    puts("late write: kept for the next period");
    free(memory);
    return 0;
}
