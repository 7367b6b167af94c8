/* A device: whatever calls ev_rt_process.  One table of functions each; the rest of the product knows no other difference.
 *
 * Laws: `start` may fail and then says why in one line; `stop` is idempotent, and after it returns the callback does not run any more;
 * `error` is why the device stopped by itself.  start, stop and close: one thread at a time.  running, error: any thread.
 */
#ifndef EV_DEVICE_H
#define EV_DEVICE_H

#include "rt.h"

#define EV_ERROR_BYTES 2048

typedef struct ev_device ev_device;

typedef struct ev_device_ops {
    const char *name;
    bool (*start)(ev_device *device, char *error); /* EV_ERROR_BYTES */
    void (*stop)(ev_device *device);
    bool (*running)(ev_device *device);
    bool (*error)(ev_device *device, char *error); /* true if there is one */
    void (*close)(ev_device *device);              /* after stop; frees the device, which is from malloc */
} ev_device_ops;

struct ev_device {
    const ev_device_ops *ops;
    ev_rt *rt; /* outlives the device */
};

#endif
