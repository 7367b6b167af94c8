/* The virtual device in real time, while users speak from several threads and it is stopped and started again. */
#include "../scripted.h"
#include "stress.h"

#define RATE 16000
#define HOP 64
#define PERIOD 32
#define TAPS 20
#define RECORD 8000
#define WORD 100

static ev_scripted *device;
static ev_rt *rt;
static _Atomic bool over;
static _Atomic uint64_t spoken, heard;
static int16_t word[WORD];

static void *user(void *argument)
{
    uint32_t random = (uint32_t)(uintptr_t)argument;
    while (!atomic_load(&over)) {
        int64_t start = ev_scripted_say(device, word, WORD, -1);
        CHECK(start >= 0 || start == -2, "an utterance at once was refused: %lld", (long long)start);
        spoken += start >= 0;
        uint64_t position = ev_scripted_position(device);
        CHECK(start == -2 || (uint64_t)start + 3 * RATE > position, "it begins in the far past");
        if (position > 0)
            CHECK(ev_scripted_say(device, word, WORD, 0) == -1, "an utterance in the past was taken");
        ev_nap(chance(&random) % 3000000);
    }
    return NULL;
}

static void *ears(void *unused)
{
    (void)unused;
    static int16_t near[256 * HOP], far[256 * HOP];
    uint64_t expected = 0;
    while (!atomic_load(&over)) {
        uint64_t hops = ev_host_wait(rt, 5000000);
        if (!hops)
            continue;
        CHECK(ev_host_take(rt, hops, near, far) >= expected, "hops go back");
        for (uint64_t i = 0; i < hops * HOP; i++)
            heard += near[i] != 0;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    double seconds = seconds_asked(argc, argv);
    static ev_live live;
    static float history[TAPS + 2 * PERIOD], air[PERIOD], echo[TAPS] = {0.5f, 0.25f};
    static int16_t noise[77], mic[RECORD], speaker[RECORD], in[PERIOD], out[PERIOD];
    ev_cue cues[64];
    for (int i = 0; i < WORD; i++)
        word[i] = 1000;
    for (uint32_t i = 0; i < 64; i++)
        cues[i] = (ev_cue){.at = 100u * (i + 1), .kind = i % 4, .count = 3, .amount = i % 4 == EV_CUE_LATE ? 1000000 : 1 + i % PERIOD};
    ev_rt_config config = {.rate = RATE, .hop = HOP, .capture_slots = 256, .playback_slots = 4, .earcon_slots = 4, .event_slots = 4};
    void *memory = aligned_zeros(ev_rt_bytes(&config));
    rt = ev_rt_init(memory, &config, &live);
    ev_scripted_config script = {.realtime = true, .period = PERIOD, .drift_ppm = 100.0, .noise = noise, .noise_frames = 77,
                                 .echo = echo, .echo_taps = TAPS, .echo_history = history, .air = air, .cues = cues, .cue_count = 64,
                                 .record_frames = RECORD, .mic = mic, .speaker = speaker, .in = in, .out = out};
    device = calloc(1, sizeof *device);
    CHECK(device && ev_scripted_init(device, rt, &script), "no device");
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 3; i++)
        CHECK(!pthread_create(&threads[i], NULL, user, (void *)(i + 1)), "no thread");
    CHECK(!pthread_create(&threads[3], NULL, ears, NULL), "no thread");
    char error[EV_ERROR_BYTES];
    ev_device *base = &device->device;
    for (int round = 0; round < 5; round++) {
        CHECK(base->ops->start(base, error) && base->ops->start(base, error), "not started");
        ev_nap((uint64_t)(seconds * 1e9 / 5));
        CHECK(base->ops->running(base) && !base->ops->error(base, error), "not running");
        base->ops->stop(base);
        base->ops->stop(base);
        CHECK(!base->ops->running(base), "still running");
        ev_counters now;
        ev_host_counters(rt, &now);
        CHECK(now.captured == ev_scripted_position(device), "the device is at another frame than the core");
        CHECK(now.captured == now.consumed + now.dropped + now.depth, "the ledger does not balance");
    }
    atomic_store(&over, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ev_counters end;
    ev_host_counters(rt, &end);
    CHECK(spoken > 10 && heard > WORD && end.xruns_in > 0, "too little happened: %llu spoken, %llu heard", (unsigned long long)spoken,
          (unsigned long long)heard);
    printf("scripted: %llu frames, %llu utterances\n", (unsigned long long)end.captured, (unsigned long long)spoken);
    base->ops->close(base);
    free(memory);
    return 0;
}
