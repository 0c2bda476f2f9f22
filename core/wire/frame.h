/*
 * Frames between core and worker over a socketpair: a little-endian u32 with the size of what
 * follows, a u16 type, a u16 that is zero, the payload. The two sides are the same binary; hello
 * still carries WIRE_VERSION, since an old worker may outlive an upgrade.
 *
 * In payloads: text is a u32 length and the bytes; ranges are inclusive. What each frame carries
 * stands at its type. Every frame about a task names its claim; what names another than the present
 * claim is ignored by the core.
 *
 * Reading never trusts: each get_… checks what is left, and after the first lack all further ones
 * give zeros and `bad` is set.
 */
#ifndef CAMPAIGND_WIRE_FRAME_H
#define CAMPAIGND_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define WIRE_VERSION 1
#define FRAME_HEAD 8
#define FRAME_LIMIT (64u << 20) /* payload bytes; a larger one is a broken peer */

/* Descriptors that a worker is born with. */
#define WIRE_FD_SOCKET 3
#define WIRE_FD_PLUGIN 4 /* the plugin's sealed copy */
#define WIRE_FD_LAYOUT 5 /* letter.so's sealed copy */

enum frame_type {
    /* core → worker */
    FRAME_CONFIGURE = 1, /* text JSON: what host/worker.h says */
    FRAME_OPEN_JOB,      /* u32 job, text JSON */
    FRAME_CLOSE_JOB,     /* u32 job: no claim of it is left */
    FRAME_CLAIM,  /* u32 job, u64 claim, u32 n, n × (u64 first, u64 last, u32 attempt), u32 m, m ×
                     (u64 ordinal, text step,  document): what earlier steps made */
    FRAME_REVOKE, /* u64 claim: give back what has not begun */
    FRAME_ACK,    /* u64 sequence: all outcomes up to it are committed */
    FRAME_LOG_GRANT, /* u32 low, u32 high: committed; segments below low may go, those up to high be
                        written */
    FRAME_PREVIEW,   /* u32 id, text JSON (as OPEN_JOB), u64 ordinal, u32 n, n × (text name, text
                        mime, text step, text bytes) */
    FRAME_STOP,      /* begin nothing more, give back, finish, exit */

    /* worker → core */
    FRAME_HELLO = 64, /* u32 WIRE_VERSION, text version, text JSON: what the plugin declares */
    FRAME_READY, /* u32 pid, u64 its start time (clock ticks since boot), u32 low, u32 high: loaded;
                    the log stands */
    FRAME_FAILED,     /* text: why it cannot work; it exits */
    FRAME_JOB_READY,  /* u32 job */
    FRAME_JOB_FAILED, /* u32 job, text */
    FRAME_OUTCOMES,  /* u32 n, n × (u64 sequence, u64 claim, u64 ordinal, text: an encoded outcome)
                      */
    FRAME_RETURNED,  /* u64 claim, u32 n, n × (u64 first, u64 last): not begun, given back */
    FRAME_LOG_WANT,  /* u32 low, u32 high: as LOG_GRANT, asked for; segment `high` is on the disk
                        already */
    FRAME_PREVIEWED, /* u32 id, u8 ok, text why, u32 n, n × (text name, text mime, text bytes) */
    FRAME_STOPPING,  /* told to stop, by whomever: it begins nothing more, so send no more */
};

/* Begin a frame in `buffer`; returns its mark for frame_end. */
size_t frame_begin(struct buffer *buffer, enum frame_type type);
void frame_end(struct buffer *buffer, size_t mark);

void put_u8(struct buffer *buffer, uint8_t value);
void put_u16(struct buffer *buffer, uint16_t value);
void put_u32(struct buffer *buffer, uint32_t value);
void put_u64(struct buffer *buffer, uint64_t value);
void put_bytes(struct buffer *buffer, const void *data, size_t size); /* as text: length first */
void put_text(struct buffer *buffer, const char *text);               /* NULL as "" */

struct frame_reader {
    const unsigned char *data;
    size_t size;
    size_t position;
    bool bad;
};

uint8_t get_u8(struct frame_reader *reader);
uint16_t get_u16(struct frame_reader *reader);
uint32_t get_u32(struct frame_reader *reader);
uint64_t get_u64(struct frame_reader *reader);
const void *get_raw(struct frame_reader *reader, size_t size); /* NULL if not there */
const char *get_bytes(struct frame_reader *reader,
                      size_t *length);       /* into the frame, not terminated; never NULL */
char *get_text(struct frame_reader *reader); /* a copy, the caller's to free; never NULL */
void get_text_into(struct frame_reader *reader, char *target,
                   size_t size); /* cut at a character's end */

/* A count that is followed by items of at least `item` bytes each: 0 and bad if they cannot be
 * there. */
uint32_t get_count(struct frame_reader *reader, size_t item);

/*
 * The next whole frame at the start of `data`: its total size (head and payload), with type and
 * reader set to the payload; 0: not all there yet; -1: not a frame of ours.
 */
int64_t frame_next(const void *data, size_t size, enum frame_type *type,
                   struct frame_reader *payload);

#endif
