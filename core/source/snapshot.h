/* The reader's modes that are about recipients (source/reader.h): fetch, select, and what is made
 * of the two. Each answers a new JSON object, or NULL with an error. */
#ifndef CAMPAIGND_SOURCE_SNAPSHOT_H
#define CAMPAIGND_SOURCE_SNAPSHOT_H

#include "base/error.h"
#include "source/listing.h"
#include "source/reading.h"

json_t *snapshot_take(struct reading *reading, struct error *error);  /* "snapshot" */
json_t *snapshot_count(struct reading *reading, struct error *error); /* "count" */
json_t *snapshot_one(struct reading *reading, struct error *error);   /* "one" */

/* "fetch": all rows as they came, and the keys of the group's sets, for `select`. */
json_t *snapshot_fetch(struct reading *reading, struct error *error);

/* "select": who of what was fetched would be a recipient, with the first rows of them. */
json_t *snapshot_select(struct reading *reading, struct error *error);

/* "recheck": which of these keys are no recipients any more. */
json_t *snapshot_recheck(struct reading *reading, struct error *error);

/* "list" of a campaign: its recipients, written to the open file `fd`. */
json_t *snapshot_list(struct reading *reading, int fd, struct error *error);

/* Begin a list as the request's options say. NULL with an error. */
struct listing *snapshot_begin_list(const struct reading *reading, int fd, const json_t *columns,
                                    struct error *error);

/* A cell as JSON: bytes, and texts that are no UTF-8, are {"base64": "…"}. */
json_t *snapshot_value_json(const struct source_value *value);

#endif
