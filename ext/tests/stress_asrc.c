/* The converter between two threads that push and pull as they please: no data race, and no step in the sound that nobody put in.
 * What is pushed is a slow triangle, so that any output lies close to the one before it; a tear without a fade would not. */
#include "../asrc.h"
#include "stress.h"

#include <string.h>

#define RATE 16000u
#define PERIOD 160u
#define STEP 8          /* of the triangle, a sample */
#define STEEPEST 1200   /* a fade of 80 samples from the loudest falls by 900 at once; a tear by up to 24000 */

static ev_asrc *asrc;
static _Atomic bool over;

/* Sound is pushed and pulled ten times as fast as it sounds, so this clock runs as much faster. */
static double seconds(void)
{
    return (double)ev_now() * 1e-8;
}

static void *capture(void *argument)
{
    int16_t period[PERIOD];
    int32_t value = 0, way = STEP;
    uint32_t state = 7;
    (void)argument;
    while (!atomic_load(&over)) {
        for (uint32_t k = 0; k < PERIOD; k++) {
            value += way;
            if (value >= 12000 || value <= -12000)
                way = -way;
            period[k] = (int16_t)value;
        }
        ev_asrc_push(asrc, period, PERIOD, seconds());
        ev_nap(chance(&state) % 16 ? 900000 : 4000000); /* sometimes late */
    }
    return NULL;
}

static void *playback(void *argument)
{
    int16_t period[PERIOD];
    int32_t before = 0;
    (void)argument;
    while (!atomic_load(&over)) {
        ev_asrc_pull(asrc, period, PERIOD, seconds());
        for (uint32_t k = 0; k < PERIOD; k++) {
            int32_t moved = period[k] > before ? period[k] - before : before - period[k];
            CHECK(moved <= STEEPEST, "%d, at %u of a period", moved, k);
            before = period[k];
        }
        ev_nap(1000000);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    double until = seconds() + 10.0 * (argc > 1 ? atof(argv[1]) : 2.0);
    size_t size = ev_asrc_bytes(PERIOD);
    void *memory = aligned_alloc(EV_CACHE_LINE, size);
    CHECK(memory, "%zu bytes", size);
    memset(memory, 0, size);
    asrc = ev_asrc_init(memory, RATE, PERIOD);
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, capture, NULL);
    pthread_create(&threads[1], NULL, playback, NULL);
    ev_asrc_state state = {0};
    while (seconds() < until) {
        ev_asrc_look(asrc, &state);
        CHECK(state.drift_ppm >= -EV_ASRC_MOST_PPM - 1.0 && state.drift_ppm <= EV_ASRC_MOST_PPM + 1.0, "%f ppm", state.drift_ppm);
        ev_nap(500000);
    }
    atomic_store(&over, true);
    for (int k = 0; k < 2; k++)
        pthread_join(threads[k], NULL);
    ev_asrc_look(asrc, &state);
    CHECK(state.pulls, "nothing was pulled");
    printf("%llu pulls, %llu underruns, %llu overruns\n", (unsigned long long)state.pulls, (unsigned long long)state.underruns,
           (unsigned long long)state.overruns);
    free(memory);
    return 0;
}
