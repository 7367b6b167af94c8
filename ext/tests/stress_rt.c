/* Everybody at once: the callback in periods of any length, ears that sometimes stall, a mouth, a loop that begins, cancels, pauses and
 * plays earcons at random moments, and an observer who checks the ledger at any moment. */
#include "stress.h"

#define RATE 16000
#define HOP 160
#define CAPTURE_SLOTS 16
#define LONGEST 700
#define TONE 3000 /* every sample of a voice; an earcon is a negative one, so that each is known from the other */
#define EARCON (-2000)

static ev_live live;
static ev_rt *rt;
static _Atomic bool over;
static _Atomic uint64_t newest;        /* generation last begun */
static _Atomic uint64_t planned[4096]; /* mouth: frames of the whole reply, by generation, before its end is written */
static _Atomic uint64_t shut;          /* loop: the generation behind the gate, 0 none */
static uint64_t expected; /* ears: the frame after the last one heard */
static uint64_t periods, loud, runs, lost_hops, firsts, ends, silents, snapshots, begun, cancelled, opened;

static bool going(void)
{
    return !atomic_load_explicit(&over, memory_order_relaxed);
}

static int16_t pattern(uint64_t frame)
{
    return (int16_t)((frame * 40503u) >> 3);
}

static void *device(void *unused)
{
    (void)unused;
    uint32_t random = 11;
    uint64_t frame = 0;
    static int16_t in[LONGEST], out[LONGEST];
    while (going()) {
        uint32_t frames = chance(&random) % 5 ? HOP : 1 + chance(&random) % LONGEST;
        bool deaf = chance(&random) % 64 == 0;
        for (uint32_t i = 0; i < frames; i++) {
            in[i] = deaf ? 0 : pattern(frame + i);
            out[i] = 12345;
        }
        uint32_t status = (chance(&random) % 97 ? 0 : EV_INPUT_OVERFLOW) | (chance(&random) % 89 ? 0 : EV_OUTPUT_UNDERFLOW);
        ev_rt_process(rt, deaf ? NULL : in, out, frames, status);
        for (uint32_t i = 0; i < frames; i++) {
            CHECK(out[i] >= EARCON && out[i] <= TONE, "the loudspeaker got %d at frame %llu", out[i], (unsigned long long)(frame + i));
            loud += out[i] != 0;
        }
        frame += frames;
        periods++;
        ev_nap(chance(&random) % 300000);
    }
    return NULL;
}

static void count_events(uint64_t *sounding)
{
    ev_play_event events[32];
    uint32_t count = ev_host_events(rt, events, 32);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t generation = events[i].generation;
        switch ((ev_play_kind)events[i].kind) {
        case EV_FIRST:
            CHECK(*sounding == 0, "%llu begins over %llu", (unsigned long long)generation, (unsigned long long)*sounding);
            CHECK(atomic_load_explicit(&shut, memory_order_acquire) != generation, "%llu sounds behind the gate", (unsigned long long)generation);
            *sounding = generation;
            firsts++;
            break;
        case EV_END:
            CHECK(*sounding == generation || (*sounding == 0 && events[i].frames == 0), "an end of another");
            CHECK(events[i].frames == atomic_load(&planned[generation % 4096]), "%llu frames of %llu were played to the end",
                  (unsigned long long)events[i].frames, (unsigned long long)atomic_load(&planned[generation % 4096]));
            *sounding = 0;
            ends++;
            break;
        case EV_SILENT:
            CHECK(*sounding == generation, "silence of another");
            *sounding = 0;
            silents++;
            break;
        default:
            break;
        }
    }
}

/* Take what waits; false if nothing did. */
static bool listen(uint64_t timeout_ns)
{
    static int16_t near[CAPTURE_SLOTS * HOP], far[CAPTURE_SLOTS * HOP];
    uint64_t hops = ev_host_wait(rt, timeout_ns);
    CHECK(hops <= CAPTURE_SLOTS, "%llu hops wait", (unsigned long long)hops);
    if (!hops)
        return false;
    uint64_t index = ev_host_take(rt, hops, near, far);
    CHECK(index % HOP == 0 && index >= expected, "hops go back from %llu to %llu", (unsigned long long)expected,
          (unsigned long long)index);
    lost_hops += (index - expected) / HOP;
    for (uint64_t i = 0; i < hops * HOP; i++)
        CHECK(near[i] == pattern(index + i) || near[i] == 0, "frame %llu is another", (unsigned long long)(index + i));
    expected = index + hops * HOP;
    runs++;
    return true;
}

static void *ears(void *unused)
{
    (void)unused;
    uint32_t random = 12;
    uint64_t sounding = 0;
    while (going()) {
        listen(10000000);
        count_events(&sounding);
        if (chance(&random) % 50 == 0)
            ev_nap(chance(&random) % 30000000);
    }
    return NULL;
}

static void *mouth(void *unused)
{
    (void)unused;
    uint32_t random = 13;
    static int16_t voice[3 * RATE];
    for (int i = 0; i < 3 * RATE; i++)
        voice[i] = TONE;
    uint64_t done = 0;
    while (going()) {
        uint64_t generation = atomic_load_explicit(&newest, memory_order_acquire);
        if (generation == done) {
            if (chance(&random) % 2)
                ev_nap(20000);
            continue;
        }
        done = generation;
        uint64_t total = 0;
        for (uint32_t pieces = chance(&random) % 4; going(); pieces--) {
            uint64_t taken, frames = chance(&random) % (pieces ? 4000 : 400);
            atomic_store(&planned[generation % 4096], total + frames);
            ev_write_state state = ev_host_write(rt, generation, voice, frames, pieces == 0, 20000000, &taken);
            CHECK(taken <= frames && state != EV_WRITE_ENDED && state != EV_WRITE_CLOSED, "write said %d", state);
            total += taken;
            if (state == EV_WRITE_DEAD || pieces == 0)
                break;
        }
    }
    return NULL;
}

static void *loop(void *unused)
{
    (void)unused;
    uint32_t random = 14;
    uint64_t generation = 0;
    static int16_t beep[500];
    for (int i = 0; i < 500; i++)
        beep[i] = EARCON;
    while (going()) {
        switch (chance(&random) % 9) {
        case 0:
        case 1:
            generation += 1 + chance(&random) % 3;
            if (chance(&random) % 3 == 0) {
                atomic_store_explicit(&shut, generation, memory_order_release);
                ev_host_gate(rt, generation);
            }
            CHECK(ev_live_begin(&live, generation), "a greater generation was refused");
            atomic_store_explicit(&newest, generation, memory_order_release);
            begun++;
            break;
        case 2:
            cancelled += ev_live_cancel(&live, generation);
            CHECK(!ev_live_cancel(&live, generation), "cancelled twice");
            break;
        case 3:
            ev_host_pause(rt, generation);
            break;
        case 4:
            ev_host_resume(rt, generation);
            break;
        case 5:
            ev_host_resume(rt, generation);
            if (atomic_exchange_explicit(&shut, 0, memory_order_acq_rel) == generation)
                opened += ev_host_open(rt, generation);
            break;
        case 6:
            ev_host_gain(rt, (int32_t)(chance(&random) % 8193));
            break;
        case 7:
            ev_host_playout(rt, chance(&random) % 3 ? RATE / 5 : 0, chance(&random) % 3 ? 0 : chance(&random) % 400,
                            chance(&random) % 2 ? RATE / 40 : 0);
            break;
        default:
            CHECK(ev_host_earcon(rt, beep, 500) <= 500, "more taken than given");
        }
        ev_nap(chance(&random) % 4000000);
    }
    return NULL;
}

static void *observer(void *unused)
{
    (void)unused;
    ev_counters before = {0};
    while (going()) {
        ev_counters now;
        ev_host_counters(rt, &now);
        CHECK(now.captured == now.consumed + now.dropped + now.depth, "captured %llu, consumed %llu, dropped %llu, depth %llu",
              (unsigned long long)now.captured, (unsigned long long)now.consumed, (unsigned long long)now.dropped,
              (unsigned long long)now.depth);
        CHECK(now.captured >= before.captured && now.consumed >= before.consumed && now.dropped >= before.dropped &&
                  now.played >= before.played, "a counter went back");
        uint64_t generation = atomic_load_explicit(&newest, memory_order_acquire);
        CHECK(ev_host_queued(rt, generation) <= (uint64_t)rt->config.playback_slots * HOP, "more queued than there is room");
        before = now;
        if (++snapshots % 64 == 0)
            ev_nap(20000);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    double seconds = seconds_asked(argc, argv);
    ev_rt_config config = {.rate = RATE, .hop = HOP, .capture_slots = CAPTURE_SLOTS, .playback_slots = 16, .earcon_slots = 8, .event_slots = 256,
                           .ring_start = UINT64_MAX - 100};
    void *memory = aligned_zeros(ev_rt_bytes(&config));
    rt = ev_rt_init(memory, &config, &live);
    void *(*const roles[])(void *) = {device, ears, mouth, loop, observer};
    pthread_t threads[5];
    for (int i = 0; i < 5; i++)
        CHECK(!pthread_create(&threads[i], NULL, roles[i], NULL), "no thread");
    ev_nap((uint64_t)(seconds * 1e9));
    atomic_store(&over, true);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    while (listen(0))
        continue;
    ev_counters end;
    ev_host_counters(rt, &end);
    CHECK(end.consumed == expected - lost_hops * HOP, "%llu frames consumed", (unsigned long long)end.consumed);
    CHECK(end.dropped == lost_hops * HOP + end.captured - expected - end.depth, "%llu frames dropped, %llu hops missed",
          (unsigned long long)end.dropped, (unsigned long long)lost_hops);
    CHECK(periods > 100 && loud > 0 && runs > 10 && lost_hops > 0 && firsts > 0 && ends > 0 && silents > 0 && snapshots > 10 &&
              cancelled > 0 && opened > 0 && end.stale > 0 && end.stretched > 0 && end.xruns_in > 0 && end.xruns_out > 0,
          "too little happened: %llu periods, %llu loud, %llu runs, %llu lost, %llu/%llu/%llu events, %llu snapshots, %llu cancelled, "
          "%llu stale", (unsigned long long)periods, (unsigned long long)loud, (unsigned long long)runs,
          (unsigned long long)lost_hops, (unsigned long long)firsts, (unsigned long long)ends, (unsigned long long)silents,
          (unsigned long long)snapshots, (unsigned long long)cancelled, (unsigned long long)end.stale);
    CHECK(end.events_lost == 0, "%llu events lost", (unsigned long long)end.events_lost);
    printf("rt: %llu periods, %llu runs, %llu hops dropped, %llu generations, %llu cancelled, %llu snapshots\n",
           (unsigned long long)periods, (unsigned long long)runs, (unsigned long long)lost_hops, (unsigned long long)begun,
           (unsigned long long)cancelled, (unsigned long long)snapshots);
    free(memory);
    return 0;
}
