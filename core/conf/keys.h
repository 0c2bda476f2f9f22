/*
 * The one table of all keys: what is read, checked, and described in campaignd.conf(5) comes from
 * here, and a test compares the manual with it.
 */
#ifndef CAMPAIGND_CONF_KEYS_H
#define CAMPAIGND_CONF_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

enum conf_scope { CONF_DAEMON, CONF_HTTP, CONF_SOURCE, CONF_ACTION, CONF_SCOPES };

/* The type says how a value is written and what stands at the key's offset. */
enum conf_type {
    CONF_TEXT,     /* const char * */
    CONF_NAME,     /* const char *: small letters, digits, - and _, at most 63 */
    CONF_PATH,     /* const char *: absolute; `most` bytes at most */
    CONF_INTEGER,  /* int64_t, from `least` to `most` */
    CONF_BOOLEAN,  /* bool */
    CONF_DURATION, /* int64_t microseconds, from `least` to `most` */
    CONF_SIZE,     /* int64_t bytes, from `least` to `most` */
    CONF_CHOICE,   /* an enum (int): `least` for the first of `choices`, and so on */
    CONF_SECRET,   /* const char *: the secret itself, which its owner wipes */
    CONF_INCLUDE,  /* nothing: the reader keeps the patterns */
};

struct conf_key {
    enum conf_scope scope;
    const char *name;
    enum conf_type type;
    const char *standard; /* the default, as it would be written; NULL: none */
    bool required;
    size_t offset; /* in the scope's struct (conf.h) */
    int64_t least, most;
    const char *const *choices; /* NULL-ended */
    const char *help;
};

#define CONF_KEYS_MAX 40
extern const struct conf_key conf_keys[];
extern const size_t conf_key_count; /* at most CONF_KEYS_MAX */

/* "[daemon]", "[source.NAME]" */
const char *conf_scope_title(enum conf_scope scope);

/* The row, or NULL: the section knows no such key. */
const struct conf_key *conf_key_find(enum conf_scope scope, const char *name);

/* Is it a name for a source, an action or a plugin: [a-z0-9][a-z0-9_-]{0,62}? */
bool conf_name_is_valid(const char *name);

/*
 * Check `value` and put it into `target`, the scope's struct, with texts from `arena`; a relative
 * path counts from the file `from`. 0, or -1 with a message that says which form is expected.
 */
int conf_key_set(const struct conf_key *key, const char *value, const char *from, void *target,
                 struct arena *arena, struct error *error);

#endif
