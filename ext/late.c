#include "late.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void anew(ev_late *late, int64_t offset, uint64_t now)
{
    late->known = true;
    late->earliest = late->before = offset;
    late->window_end = now + EV_LATE_WINDOW_NS;
}

static void count(ev_late *late, uint64_t lateness)
{
    static const uint64_t edges[] = EV_LATE_EDGES;
    uint32_t bucket = 0;
    while (bucket < EV_LATE_BUCKETS - 1 && lateness >= edges[bucket])
        bucket++;
    uint64_t value = atomic_load_explicit(&late->counts[bucket], memory_order_relaxed);
    atomic_store_explicit(&late->counts[bucket], value + 1, memory_order_release);
    if (lateness > atomic_load_explicit(&late->worst, memory_order_relaxed))
        atomic_store_explicit(&late->worst, lateness, memory_order_release);
}

void ev_late_note(ev_late *late, uint64_t now, uint64_t frame, uint32_t rate, bool xrun)
{
    if (!now) {
        late->known = false;
        return;
    }
    uint64_t due = frame / rate * 1000000000u + frame % rate * 1000000000u / rate;
    int64_t offset = (int64_t)(now - due);
    if (!late->known)
        anew(late, offset, now);
    if (now >= late->window_end) {
        late->before = late->earliest;
        late->earliest = offset;
        late->window_end = now + EV_LATE_WINDOW_NS;
    }
    late->earliest = least(late->earliest, offset);
    count(late, (uint64_t)(offset - least(late->earliest, late->before)));
    if (xrun)
        anew(late, offset, now);
}
