#include "source/sets.h"

#include <string.h>

#include "base/memory.h"
#include "source/arrival.h"
#include "source/selection_internal.h"
#include "store/sql.h"

static const json_t *sets_of(const struct reading *reading)
{
    return json_object_get(reading_group(reading), "sets");
}

static int check_operation(const json_t *set, struct error *error)
{
    const char *operation = reading_text(set, "operation");
    if (strcmp(operation, "minus") == 0 || strcmp(operation, "both") == 0)
        return 0;
    return error_say(error, ERROR_INPUT,
                     "the set operation »%s« is not known; there are: minus, both",
                     "Die Mengenoperation »%s« gibt es nicht; es gibt: minus, both", operation);
}

/* The other query, prepared; *key is its key column. NULL with an error that names the query. */
static struct source *query(struct reading *reading, const json_t *set, int *key,
                            struct error *error)
{
    const json_t *other = json_object_get(set, "query"), *group = json_object_get(set, "group");
    struct source *source =
        check_operation(set, error) == 0 ? reading_query(reading, other, group, error) : NULL;
    json_t *columns = source ? fetch_columns(source, group, error) : NULL;
    if (!columns) {
        error_prefix(error, "»%s«: ", reading_text(other, "name"));
        return NULL;
    }
    *key = fetch_column_named(columns, reading_text(group, "key"));
    json_decref(columns);
    return source;
}

static int fetch_set(struct reading *reading, sqlite3 *db, const char *schema, const json_t *set,
                     size_t index, struct error *error)
{
    struct error why = {0};
    struct arrival arrival = {.max_rows = reading_max_rows(reading, json_object_get(set, "query"))};
    FREE_CLEAN char *sql =
        memory_format("CREATE TABLE %s.set_%zu (key TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID;\n"
                      "INSERT OR IGNORE INTO %s.set_%zu SELECT key FROM arrival WHERE key <> ''",
                      schema, index, schema, index);
    arrival.source = query(reading, set, &arrival.key, error);
    int result =
        !arrival.source || arrival_attach(&arrival, db, &why) != 0 ? -1 : sql_run(db, sql, error);
    if (result != 0 && why.code != ERROR_NONE)
        *error = why;
    if (result != 0 && arrival.source)
        error_prefix(error, "»%s«: ", reading_text(json_object_get(set, "query"), "name"));
    arrival_free(&arrival);
    return result;
}

int sets_fetch(struct reading *reading, sqlite3 *db, const char *schema, struct error *error)
{
    size_t index;
    json_t *set;
    if (json_array_size(sets_of(reading)) > SELECTION_SETS_MAX)
        return error_say(error, ERROR_INPUT, "the group has more than %d set operations",
                         "Die Gruppe hat mehr als %d Mengenoperationen.", SELECTION_SETS_MAX);
    json_array_foreach((json_t *)sets_of(reading), index, set)
        if (fetch_set(reading, db, schema, set, index, error) != 0)
            return -1;
    return 0;
}

void sets_use(const struct reading *reading, struct selection *selection, const char *schema)
{
    for (size_t i = 0; i < json_array_size(sets_of(reading)); i++)
        selection_use_set(selection, i, schema);
}

bool sets_kept(const struct reading *reading, sqlite3 *db, const char *schema)
{
    for (size_t i = 0; i < json_array_size(sets_of(reading)); i++) {
        FREE_CLEAN char *table = memory_format("set_%zu", i);
        if (sqlite3_table_column_metadata(db, schema, table, "key", NULL, NULL, NULL, NULL, NULL) !=
            SQLITE_OK)
            return false;
    }
    return true;
}

void sets_check(struct reading *reading, json_t *problems)
{
    size_t index;
    json_t *set;
    json_array_foreach((json_t *)sets_of(reading), index, set) {
        struct error error;
        int key;
        FREE_CLEAN char *where =
            memory_format("set %s", reading_text(json_object_get(set, "query"), "name"));
        if (!query(reading, set, &key, &error))
            selection_add_problem(problems, where, &error);
    }
}
