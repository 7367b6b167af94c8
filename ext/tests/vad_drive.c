/* Runs the voice-activity network outside Python: for the sanitizers, for other architectures under emulation, and for the clock.
 *
 *   vad_drive WEIGHTS KERNEL float|int16 < samples > probabilities
 *   vad_drive WEIGHTS KERNEL time FRAMES EVICT_MB < float samples > ns of each frame
 *
 * WEIGHTS: the arrays of ev_vad_weights one after another, float32.  Samples and probabilities are raw; frames are taken whole, the
 * stream begins anew where it ends.  EVICT_MB: what is walked through before each frame to push the weights out of the caches (0: nothing).
 */
#define _GNU_SOURCE
#include "../vad.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE ((size_t)2 << 20) /* the net gets a huge page where the system gives one, as in _vad.pyx */

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "vad_drive: %s\n", what);
    exit(2);
}

static void *need(size_t bytes)
{
    size_t unit = bytes > PAGE / 4 ? PAGE : 64;
    void *memory = aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
    if (!memory)
        fail("out of memory");
    return memory;
}

static const float *take(FILE *file, size_t count)
{
    float *array = need(count * sizeof *array);
    if (fread(array, sizeof *array, count, file) != count)
        fail("the weights end too early");
    return array;
}

static ev_vad_weights read_weights(const char *path)
{
    static const size_t sizes[4][2] = {{128 * 129 * 3, 128}, {64 * 128 * 3, 64}, {64 * 64 * 3, 64}, {128 * 64 * 3, 128}};
    ev_vad_weights weights;
    FILE *file = fopen(path, "rb");
    if (!file)
        fail("no such file of weights");
    weights.basis = take(file, 258 * 256);
    for (int i = 0; i < 4; i++) {
        weights.conv_weight[i] = take(file, sizes[i][0]);
        weights.conv_bias[i] = take(file, sizes[i][1]);
    }
    weights.input_weight = take(file, 512 * 128);
    weights.hidden_weight = take(file, 512 * 128);
    weights.input_bias = take(file, 512);
    weights.hidden_bias = take(file, 512);
    weights.output_weight = take(file, 128);
    weights.output_bias = take(file, 1);
    if (fgetc(file) != EOF)
        fail("the weights go on after their end");
    fclose(file);
    return weights;
}

static void free_weights(ev_vad_weights *weights)
{
    free((void *)weights->basis);
    for (int i = 0; i < 4; i++) {
        free((void *)weights->conv_weight[i]);
        free((void *)weights->conv_bias[i]);
    }
    free((void *)weights->input_weight);
    free((void *)weights->hidden_weight);
    free((void *)weights->input_bias);
    free((void *)weights->hidden_bias);
    free((void *)weights->output_weight);
    free((void *)weights->output_bias);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void stream(ev_vad *vad, bool whole)
{
    union {
        float f[EV_VAD_FRAME];
        int16_t i[EV_VAD_FRAME];
    } frame;
    size_t size = whole ? sizeof frame.i[0] : sizeof frame.f[0];
    while (fread(&frame, size, EV_VAD_FRAME, stdin) == EV_VAD_FRAME) {
        float probability = whole ? ev_vad_frame_i16(vad, frame.i) : ev_vad_frame(vad, frame.f);
        fwrite(&probability, sizeof probability, 1, stdout);
    }
}

static void measure(ev_vad *vad, long frames, size_t evict)
{
    size_t capacity = 1 << 16, count = 0, got;
    float *audio = malloc(capacity * sizeof *audio);
    while (audio && (got = fread(audio + count, sizeof *audio, capacity - count, stdin)) > 0) {
        count += got;
        if (count == capacity)
            audio = realloc(audio, (capacity *= 2) * sizeof *audio);
    }
    if (!audio || count < EV_VAD_FRAME)
        fail("wants at least one frame of samples");
    unsigned char *walk = evict ? malloc(evict) : NULL;
    if (evict && !walk)
        fail("out of memory");
    if (walk)
        memset(walk, 1, evict);
    size_t position = 0;
    for (long i = 0; i < frames; i++, position += EV_VAD_FRAME) {
        if (position + EV_VAD_FRAME > count)
            position = 0;
        for (size_t j = 0; j < evict; j += 64)
            ((volatile unsigned char *)walk)[j]++;
        int64_t start = now();
        ev_vad_frame(vad, audio + position);
        printf("%lld\n", (long long)(now() - start));
    }
    free(walk);
    free(audio);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        fail("wants WEIGHTS KERNEL float|int16, or WEIGHTS KERNEL time FRAMES EVICT_MB");
    ev_vad_kernel kernel = EV_VAD_BEST;
    while (kernel < EV_VAD_KERNELS && strcmp(ev_vad_kernel_name(kernel), argv[2]))
        kernel++;
    ev_vad_weights weights = read_weights(argv[1]);
    ev_vad_net *net = need(sizeof *net);
#ifdef MADV_HUGEPAGE
    madvise(net, PAGE, MADV_HUGEPAGE);
#endif
    ev_vad *vad = need(sizeof *vad);
    switch (ev_vad_net_init(net, &weights, kernel)) {
    case EV_VAD_OK: break;
    case EV_VAD_NO_KERNEL: fail("no such kernel here");
    case EV_VAD_NOT_A_SPECTRUM: fail("not this network");
    }
    free_weights(&weights);
    ev_vad_init(vad, net);
    if (!strcmp(argv[3], "time") && argc == 6)
        measure(vad, atol(argv[4]), (size_t)atol(argv[5]) << 20);
    else if (argc == 4 && (!strcmp(argv[3], "float") || !strcmp(argv[3], "int16")))
        stream(vad, argv[3][0] == 'i');
    else
        fail("wants float, int16, or time FRAMES EVICT_MB");
    free(vad);
    free(net);
    return 0;
}
