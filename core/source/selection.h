/*
 * Who of the fetched rows is a recipient: the rules, in their order, and for each one left out the
 * first that hits, with what there is to say of it.
 *
 *   no key            the key is NULL, empty, or none that can be written down (source/arrival.h)
 *   blocked, deceased the field of that role says yes
 *   taken out         picks.out names the key
 *   filter            the campaign's filter does not hold, and picks.in does not name the key
 *   minus, both       the key is in a query that is taken off; it is not in one that is cut with
 *   suppressed, no consent
 *                     keep steps from a recipient: each is skipped, with the reason; who has no step
 *                     left is left out
 *   duplicate         the same key was there before; or the unit is e-mail and the address was
 *   household         the unit is household, and another of it was there before (source/units.h)
 *   too many details  more rows of a detail group than its limit (source/details.h)
 *   sample            not among the N whose hash of run and key is smallest
 *
 * Verdicts are a byte a row in memory; nothing else grows with the rows.
 */
#ifndef CAMPAIGND_SOURCE_SELECTION_H
#define CAMPAIGND_SOURCE_SELECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "source/fetch.h"

enum reason {
    REASON_NONE, /* a recipient */
    REASON_NO_KEY,
    REASON_BLOCKED,
    REASON_DECEASED,
    REASON_TAKEN_OUT,
    REASON_FILTER,
    REASON_MINUS,
    REASON_BOTH,
    REASON_SUPPRESSED,
    REASON_NO_CONSENT,
    REASON_DUPLICATE,
    REASON_HOUSEHOLD,
    REASON_TOO_MANY_DETAILS,
    REASON_SAMPLE,
    REASON_NOT_ASKED_FOR, /* a preview's: all but one; said to nobody */
};
#define REASONS (REASON_NOT_ASKED_FOR + 1)

const char *reason_name(enum reason reason); /* "no key", …; "" for a recipient */

struct selection;

/*
 * Over what was fetched, by a definition; both stay the caller's and outlive it. `suppression`: a
 * copy of the list, or "".
 * NULL with an error.
 */
struct selection *selection_new(struct fetched *fetched, const json_t *definition,
                                const char *suppression, struct error *error);
void selection_free(struct selection *selection); /* NULL is fine */

/* What selection_judge checks, without rows: conditions, and whether advertising may be sent at all.
 * Each that is wrong is appended to `problems` as {"severity", "where", "message_en",
 * "message_de"}. */
void selection_check(const json_t *definition, const json_t *columns, json_t *problems);
void selection_add_problem(json_t *problems, const char *where, const struct error *error);

/* The keys of set number `index` of the definition are in table SCHEMA.set_INDEX (sets_fetch). */
void selection_use_set(struct selection *selection, size_t index, const char *schema);

/* The rules up to the consent: each by itself, row by row. 0 or -1. */
int selection_judge(struct selection *selection, struct error *error);

/* The keys that were there before. After selection_judge. 0 or -1. */
int selection_find_duplicates(struct selection *selection, struct error *error);

/* Keep `wanted` at random, the same ones each time for the same `uuid`. 0 or -1. */
int selection_sample(struct selection *selection, const char *uuid, int64_t wanted,
                     struct error *error);

/* ---- for the other rules ---- */

int selection_leave_out(struct selection *selection, int64_t ordinal, enum reason reason,
                        const char *detail, struct error *error);
bool selection_has(const struct selection *selection, int64_t ordinal); /* still a recipient? */
struct fetched *selection_fetched(const struct selection *selection);

/* ---- what came out ---- */

int64_t selection_recipients(const struct selection *selection);
int64_t selection_left_out(const struct selection *selection);
enum reason selection_reason(const struct selection *selection, int64_t ordinal);
const char *selection_detail(struct selection *selection, int64_t ordinal); /* until the next */
json_t *selection_counts(const struct selection *selection);                /* {reason: n}, new */

/* [{"number", "name", "skipped": {reason: n}}] of the steps, among all rows; new. */
json_t *selection_skipped(const struct selection *selection);

/* Number the recipients that are left, from 1, before placed() is called. */
void selection_place(struct selection *selection);

#endif
