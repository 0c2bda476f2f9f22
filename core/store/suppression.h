/*
 * The suppression list: whom no campaign, or not every one, may reach, and why. It is the table `suppression` of state.db.
 *
 * An entry names an address or a person (a recipient's key), for one channel or any, for one campaign, for advertising, or for all.
 * suppression_make() brings what a person, a file or a source says of one into the one form in which the list holds it: values
 * normalised (base/address.h), words checked, what was left out filled in. Two entries are the same if kind, value, channel, scope and
 * campaign are; adding one again keeps its first time, and the stricter reason with its note and origin.
 *
 * Each entry that is new or has become stricter gets the next revision. Who has looked at the list up to a revision need only look at
 * what is newer; a removal counts as well, so that copies know that they are old.
 *
 * suppression_put and suppression_remove are for the store thread, inside its transaction on state.db. What takes a path opens
 * that file for reading and is for the pool.
 */
#ifndef CAMPAIGND_STORE_SUPPRESSION_H
#define CAMPAIGND_STORE_SUPPRESSION_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/error.h"

#define SUPPRESSION_NOTE 1000 /* bytes */

/* Texts are never NULL once suppression_make was content. */
struct suppression_entry {
    int64_t id, revision; /* 0: not in the list yet */
    const char *kind;     /* "address" or "person" */
    const char *value;
    const char *channel; /* "email", "sms", "letter" or "any" */
    const char *scope;   /* "campaign", "advertising" or "all" */
    int64_t campaign_id; /* of scope "campaign", else 0 */
    const char *reason;  /* "objection", "complaint", "bounce", "blocked", "deceased" or "other" */
    const char *note;
    int64_t created_us;
    const char *origin; /* "hand", "import", "source NAME", "action NAME" */
};

/*
 * Check and normalise. NULL and "" are filled in: kind "address" for what has an @ or begins with +, else it must be said; reason
 * "objection"; scope "campaign" if there is a campaign, "advertising" for an objection or a complaint, else "all"; channel "any",
 * but for a bounce that of the address; created_us now. `normal` holds the value from then on. 0, or -1.
 */
int suppression_make(struct suppression_entry *entry, char normal[ADDRESS_SIZE],
                     struct error *error);

/*
 * Does it keep a step of `channel` ("": none of the three) from its recipient, in a campaign of this purpose? Bounces, blocked and
 * deceased ones always, whatever the scope; else scope "all" always, "campaign" in that campaign, "advertising" if that is the
 * purpose.
 */
bool suppression_applies(const struct suppression_entry *entry, const char *purpose,
                         int64_t campaign_id, const char *channel);

/* How strict a reason is; the larger the stricter. */
int suppression_strictness(const char *reason);

/* "suppressed: objection of 2026-11-25", for a task's outcome. */
#define SUPPRESSION_TEXT 64
void suppression_text(char target[SUPPRESSION_TEXT], const struct suppression_entry *entry);

/* ---- many entries, with their texts ---- */

struct suppression_batch {
    struct arena *arena;
    struct suppression_entry *entries;
    size_t count, room;
};

void suppression_batch_add(struct suppression_batch *batch, const struct suppression_entry *entry);
void suppression_batch_free(struct suppression_batch *batch);
#define SUPPRESSION_BATCH_CLEAN __attribute__((cleanup(suppression_batch_free)))

/*
 * Read CSV (RFC 4180; also with semicolons or tabs) whose header line names at least one of value (or address), email, phone and key,
 * and any of kind, channel, scope, campaign (its id), reason, note, time, origin; other columns are passed over. email and phone are
 * addresses, key a person; a line with several of them is as many entries. `names`: an array of texts, what the columns are called
 * instead of what the header line says; NULL: it is right. `origin`: of lines that name none.
 *
 * Good lines go into `batch`; of the others `problems` gets {"line", "message_en", "message_de"}, the first hundred, and *refused
 * their number. -1: nothing can be read.
 */
int suppression_read_csv(const char *csv, size_t size, const json_t *names, const char *origin,
                         struct suppression_batch *batch, json_t *problems, size_t *refused,
                         struct error *error);

/* ---- the store thread ---- */

struct suppression_result {
    size_t added, changed, unchanged;
    int64_t id; /* of the last one */
};

int suppression_put(sqlite3 *state, const struct suppression_entry *entries, size_t count,
                    struct suppression_result *result, struct error *error);

/* 1, 0 if there is none of this id, -1. */
int suppression_remove(sqlite3 *state, int64_t id, struct error *error);

/* The present revision; -1 on error. */
int64_t suppression_revision(sqlite3 *state, struct error *error);

/* ---- the pool ---- */

/* Entries with ids above `after`, at most `limit`, of one value (compared in each normal form) or all (NULL): an array of
 * {"id", "kind", "value", "channel", "scope", "campaign_id", "reason", "note", "created_at", "origin"}. */
json_t *suppression_list(const char *state_path, const char *value, int64_t after, size_t limit,
                         struct error *error);

/* All as CSV that suppression_read_csv understands. */
int suppression_write_csv(const char *state_path, struct buffer *csv, struct error *error);

/* Entries newer than `after`, oldest revision first, at most `limit`; *revision: up to where this is all. */
int suppression_since(const char *state_path, int64_t after, size_t limit,
                      struct suppression_batch *batch, int64_t *revision, struct error *error);

/*
 * A copy of the list for a process that must not see state.db: a SQLite file at `target` (replaced whole) with the table
 * entry(id, kind, value, channel, scope, campaign_id, reason, note, created_us, origin) and an index on value. *revision: as of which.
 */
int suppression_copy(const char *state_path, const char *target, int64_t *revision,
                     struct error *error);

#endif
