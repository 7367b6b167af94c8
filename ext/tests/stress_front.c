/* The front end at full speed: a device that plays and captures anything, the front end's own thread, ears that take its hops, and somebody
 * who arms, mutes, begins, cancels and writes replies meanwhile.  Random weights stand for the network: what it finds does not matter here. */
#include "stress.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "../front.h"

#define MOST 700

typedef struct stage {
    ev_rt *rt;
    ev_front *front;
    uint32_t hop;
    _Atomic bool over;
    uint64_t frames;
} stage;

static const float *some(uint32_t *state, size_t count, float scale)
{
    float *array = aligned_zeros(count * sizeof *array);
    for (size_t i = 0; i < count; i++)
        array[i] = scale * ((float)(chance(state) % 2001) / 1000.0f - 1.0f);
    return array;
}

static ev_vad_net *random_net(uint32_t *state)
{
    static const size_t sizes[4][2] = {{128 * 129 * 3, 128}, {64 * 128 * 3, 64}, {64 * 64 * 3, 64}, {128 * 64 * 3, 128}};
    ev_vad_weights weights;
    float *basis = aligned_zeros(258 * 256 * sizeof *basis);
    for (int bin = 0; bin < 129; bin++) {
        for (int n = 0; n < 256; n++) {
            float window = 0.5f - 0.5f * cosf(2.0f * 3.14159265f * (float)n / 256.0f);
            basis[bin * 256 + n] = window * cosf(2.0f * 3.14159265f * (float)(bin * n % 256) / 256.0f);
            basis[(129 + bin) * 256 + n] = -window * sinf(2.0f * 3.14159265f * (float)(bin * n % 256) / 256.0f);
        }
    }
    weights.basis = basis;
    for (int i = 0; i < 4; i++) {
        weights.conv_weight[i] = some(state, sizes[i][0], 0.05f);
        weights.conv_bias[i] = some(state, sizes[i][1], 0.05f);
    }
    weights.input_weight = some(state, 512 * 128, 0.05f);
    weights.hidden_weight = some(state, 512 * 128, 0.05f);
    weights.input_bias = some(state, 512, 0.05f);
    weights.hidden_bias = some(state, 512, 0.05f);
    weights.output_weight = some(state, 128, 8.0f); /* so that it turns often from one to the other */
    weights.output_bias = some(state, 1, 0.5f);
    ev_vad_net *net = aligned_zeros(sizeof *net);
    ev_vad_status status = ev_vad_net_init(net, &weights, EV_VAD_SCALAR);
    CHECK(status == EV_VAD_OK, "the network is refused: %d", (int)status);
    free((void *)weights.basis);
    for (int i = 0; i < 4; i++) {
        free((void *)weights.conv_weight[i]);
        free((void *)weights.conv_bias[i]);
    }
    free((void *)weights.input_weight);
    free((void *)weights.hidden_weight);
    free((void *)weights.input_bias);
    free((void *)weights.hidden_bias);
    free((void *)weights.output_weight);
    free((void *)weights.output_bias);
    return net;
}

/* Anything from silence to full scale, an echo of what was just played among it; sometimes no input at all. */
static void *device(void *argument)
{
    stage *on = argument;
    uint32_t state = 7;
    int16_t in[MOST], out[MOST] = {0};
    while (!atomic_load(&on->over)) {
        uint32_t frames = 1 + chance(&state) % MOST, kind = chance(&state) % 6;
        for (uint32_t i = 0; i < frames; i++) {
            int16_t noise = (int16_t)chance(&state);
            in[i] = kind == 0 ? 0 : kind == 1 ? noise : kind == 2 ? (i / 8 % 2 ? 32767 : -32768) : kind == 3 ? (int16_t)(noise / 4096) : out[i] / 2;
        }
        ev_rt_process(on->rt, kind == 5 ? NULL : in, out, frames, chance(&state) % 50 == 0);
        on->frames += frames;
        ev_nap(chance(&state) % 400000);
    }
    return NULL;
}

static void *ears(void *argument)
{
    stage *on = argument;
    uint32_t rooms = on->rt->config.capture_slots;
    int16_t *near = aligned_zeros(rooms * on->hop * sizeof *near), *far = aligned_zeros(rooms * on->hop * sizeof *far);
    float *clean = aligned_zeros(rooms * on->front->clean_room * sizeof *clean);
    float *probabilities = aligned_zeros(rooms * on->front->frame_room * sizeof *probabilities);
    uint32_t state = 11;
    uint64_t next = 0;
    while (!atomic_load(&on->over)) {
        uint64_t count = ev_front_wait(on->front, 5000000);
        if (count) {
            ev_judged first;
            ev_front_take(on->front, count, near, far, clean, probabilities, &first);
            CHECK(first.index >= next, "hops came out of order");
            next = first.index + count * on->hop;
            for (uint32_t i = 0; i < first.frames; i++)
                CHECK(probabilities[i] >= 0.0f && probabilities[i] <= 1.0f, "a probability of %g", (double)probabilities[i]);
            for (uint32_t i = 0; i < first.clean; i++)
                CHECK(isfinite(clean[i]), "a cleaned sample that is no number");
        }
        ev_play_event events[16];
        ev_host_events(on->rt, events, 16);
        if (chance(&state) % 200 == 0)
            ev_nap(60000000); /* the rings fill up */
    }
    free(near);
    free(far);
    free(clean);
    free(probabilities);
    return NULL;
}

static void act(stage *on, uint32_t rate, double seconds)
{
    uint32_t state = 3;
    uint64_t generation = 0, until = ev_now() + (uint64_t)(seconds * 1e9);
    int16_t voice[MOST];
    while (ev_now() < until) {
        uint32_t kind = chance(&state) % 8;
        uint64_t taken;
        if (kind == 0 || !generation) {
            CHECK(ev_live_begin(on->rt->live, ++generation), "generation %lu", (unsigned long)generation);
            ev_front_arm(on->front, generation);
        } else if (kind == 1 && chance(&state) % 4 == 0) {
            ev_live_cancel(on->rt->live, generation);
        } else if (kind == 2) {
            ev_host_resume(on->rt, generation);
        } else if (kind == 3 && chance(&state) % 4 == 0) {
            ev_host_mute(on->rt, chance(&state) % 2);
        } else {
            uint32_t count = chance(&state) % MOST;
            for (uint32_t i = 0; i < count; i++)
                voice[i] = (int16_t)(20000.0f * sinf((float)i * (float)(chance(&state) % 3 + 1) * 400.0f / (float)rate));
            ev_host_write(on->rt, generation, voice, count, false, 2000000, &taken);
        }
        ev_front_state seen;
        ev_front_look(on->front, &seen);
        ev_counters counters;
        ev_host_counters(on->rt, &counters);
        CHECK(counters.captured == counters.consumed + counters.dropped + counters.depth, "the ledger does not balance");
    }
}

static void perform(uint32_t rate, double seconds)
{
    uint32_t state = 5;
    ev_rt_config config = {.rate = rate, .hop = rate / 100, .capture_slots = 32, .playback_slots = 32, .earcon_slots = 4, .event_slots = 64,
                           .ring_start = UINT64_MAX - 40};
    ev_live *live = aligned_zeros(sizeof *live);
    ev_vad_net *net = random_net(&state);
    stage on = {.hop = config.hop};
    on.rt = ev_rt_init(aligned_zeros(ev_rt_bytes(&config)), &config, live);
    ev_front_config judging = {.net = net, .cancel_echo = true, .onset = 0.5f, .offset = 0.35f, .min_frames = 2, .hang_frames = 5};
    on.front = ev_front_init(aligned_zeros(ev_front_bytes(on.rt)), on.rt, &judging);
    ev_front_attach(on.front);
    int error = 0;
    ev_front_thread *thread = ev_front_start(on.front, &error);
    CHECK(thread, "no thread: %d", error);
    pthread_t threads[2];
    CHECK(!pthread_create(&threads[0], NULL, device, &on) && !pthread_create(&threads[1], NULL, ears, &on), "no threads");
    act(&on, rate, seconds);
    atomic_store(&on.over, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ev_host_close(on.rt);
    ev_front_stop(thread);
    ev_front_state seen;
    ev_front_look(on.front, &seen);
    CHECK(seen.hops > 10, "only %lu hops were judged", (unsigned long)seen.hops);
    printf("%u Hz: %lu hops judged, %lu blocks cancelled, %lu pauses by reflex\n", rate, (unsigned long)seen.hops, (unsigned long)seen.blocks,
           (unsigned long)seen.reflexes);
    free(on.front);
    free(on.rt);
    free(net);
    free(live);
}

int main(int argc, char **argv)
{
    double seconds = seconds_asked(argc, argv);
    perform(16000, seconds / 2);
    perform(48000, seconds / 2);
    return 0;
}
