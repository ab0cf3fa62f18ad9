/* Errors: every call that can fail returns 0 or one of these negative codes.
 *
 * A call that takes a zf_error_t * also writes the code and a sentence with context into it ("bind
 * tcp://0.0.0.0:5555: address already in use"). It may be NULL; on success it is left alone. The
 * absolute value of a code is what travels on the wire (docs/protocol.md): codes are never
 * renumbered. */
#ifndef ZFERRY_ERROR_H
#define ZFERRY_ERROR_H

#include <zferry/export.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ZF_OK = 0,
    ZF_E_INVAL = -1,       /* an argument is out of its documented range */
    ZF_E_NOMEM = -2,       /* out of memory; nothing was changed */
    ZF_E_AGAIN = -3,       /* would have to wait: nothing there, or the window is full */
    ZF_E_TIMEOUT = -4,     /* the time given is over */
    ZF_E_PROTO = -5,       /* a peer broke the protocol */
    ZF_E_IO = -6,          /* the operating system failed a call */
    ZF_E_ADDRESS = -7,     /* an endpoint cannot be bound or connected */
    ZF_E_CLOSED = -8,      /* the handle or device is closing */
    ZF_E_TOO_BIG = -9,     /* larger than the message limit in force */
    ZF_E_FULL = -10,       /* the queue is at its cap and its rule is to refuse */
    ZF_E_BUSY = -11,       /* every worker is busy and the request would not wait */
    ZF_E_NO_SERVICE = -12, /* no worker serves this and the request would not wait */
    ZF_E_EXPIRED = -13,    /* the time to live ran out before a worker answered */
    ZF_E_DEAD = -14,       /* given up after the last attempt; kept in the dead-letter queue */
    ZF_E_REJECTED = -15,   /* a worker refused the record for good */
    ZF_E_STALE = -16,      /* the lease is no longer held */
    ZF_E_NOT_FOUND = -17,  /* no queue of that name */
    ZF_E_LIMIT = -18,      /* the broker's limit on queues or sessions is reached */
    ZF_E_VERSION = -19,    /* the peer speaks no version that we know */
    ZF_E_CORRUPT = -20,    /* a checksum does not match */
    ZF_E_DENIED = -21,     /* the key is not authorised, or no rule allows it this */
    ZF_E_LAST = -21        /* the lowest code */
};

/* What went wrong, in words. */
typedef struct {
    int code;       /* one of the codes above */
    char text[252]; /* a sentence with context, always terminated */
} zf_error_t;

/* A short name for a code: "no memory". Never NULL, any argument will do. */
ZF_API const char *zf_strerror (int code);

/* Writes code and text into err (may be NULL) and returns code. */
ZF_API int zf_error_set (zf_error_t *err, int code, const char *format, ...) ZF_PRINTF (3, 4);

/* Puts "text: " in front of what err says already, sets the code and returns it. */
ZF_API int zf_error_wrap (zf_error_t *err, int code, const char *format, ...) ZF_PRINTF (3, 4);

#ifdef __cplusplus
}
#endif
#endif
