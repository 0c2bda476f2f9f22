/* The tables of a query, and along which columns they are joined. */
#include <string.h>

#include "source/builder_internal.h"

#define PAIRS_MAX 16

/* How two tables hang together: [[column of the one, column of the other] …]. */
typedef json_t pairs_t;

static const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- links that the source or its catalogue declares ---- */

/* A foreign key of `holder` that leads to `target`, as pairs [of holder, of target], or turned
 * round. NULL: it leads elsewhere, or to what is hidden. */
static pairs_t *pairs_of_key(const json_t *holder, const json_t *key, const json_t *target,
                             bool turned)
{
    const json_t *columns = json_object_get(key, "columns"), *to = json_object_get(key, "to");
    size_t count = json_array_size(columns);
    if (strcmp(text_in(key, "table"), text_in(target, "name")) != 0 || !count ||
        count != json_array_size(to))
        return NULL;
    pairs_t *pairs = json_array();
    for (size_t i = 0; i < count; i++) {
        const char *of_holder = json_string_value(json_array_get(columns, i));
        const char *of_target = json_string_value(json_array_get(to, i));
        if (!of_holder || !of_target || !builder_column_of(holder, of_holder) ||
            !builder_column_of(target, of_target)) {
            json_decref(pairs);
            return NULL;
        }
        json_array_append_new(pairs, turned ? json_pack("[s, s]", of_target, of_holder)
                                            : json_pack("[s, s]", of_holder, of_target));
    }
    return pairs;
}

/* The same columns may be declared twice, by the schema and by the catalogue. */
static void add_link(json_t *links, const char *alias, pairs_t *pairs)
{
    size_t i;
    json_t *link, *added = json_pack("[s, o]", alias, pairs);
    json_array_foreach(links, i, link)
        if (json_equal(link, added)) {
            json_decref(added);
            return;
        }
    json_array_append_new(links, added);
}

static void add_links(json_t *links, const char *alias, const json_t *holder, const json_t *target,
                      bool turned)
{
    size_t i;
    json_t *key;
    json_array_foreach(json_object_get(holder, "foreign_keys"), i, key) {
        pairs_t *pairs = pairs_of_key(holder, key, target, turned);
        if (pairs)
            add_link(links, alias, pairs);
    }
}

/* All links from the tables that are there (or from `to` alone) to `table`: [[alias, pairs] …]. */
static json_t *links_to(const struct builder *builder, const struct used_table *to,
                        const json_t *table)
{
    json_t *links = json_array();
    for (size_t i = 0; i < builder->used_count; i++) {
        const struct used_table *there = &builder->used[i];
        if (to && there != to)
            continue;
        add_links(links, there->alias, there->table, table, false);
        add_links(links, there->alias, table, there->table, true);
    }
    return links;
}

static int refuse_links(struct builder *builder, const json_t *links, const char *name)
{
    BUFFER_CLEAN struct buffer list = {0};
    size_t i;
    json_t *link;
    if (!json_array_size(links))
        return place_failed(
            &builder->place,
            error_say(builder->error, ERROR_INPUT,
                      "no key leads from the tables before to »%s«; say which "
                      "columns belong together: \"on\": [[\"column of the other "
                      "table\", \"column of »%s«\"]]",
                      "Von den Tabellen davor führt kein Schlüssel zu »%s«; angeben, "
                      "welche Spalten zusammengehören: \"on\": [[\"Spalte der "
                      "anderen Tabelle\", \"Spalte von »%s«\"]]",
                      name, name));
    json_array_foreach(links, i, link) {
        char *pairs = json_dumps(json_array_get(link, 1), JSON_COMPACT);
        buffer_printf(&list, "%s\"to\": \"%s\", \"on\": %s", i ? "; " : "",
                      json_string_value(json_array_get(link, 0)), pairs ? pairs : "");
        free(pairs);
    }
    return place_failed(&builder->place,
                        error_say(builder->error, ERROR_INPUT,
                                  "several keys lead to »%s«; take one: %s",
                                  "Mehrere Schlüssel führen zu »%s«; einen davon nehmen: %s", name,
                                  buffer_string(&list)));
}

/* ---- one join ---- */

static const struct used_table *used_named(const struct builder *builder, const char *alias)
{
    for (size_t i = 0; i < builder->used_count; i++)
        if (strcmp(builder->used[i].alias, alias) == 0)
            return &builder->used[i];
    return NULL;
}

static int use_table(struct builder *builder, const char *alias, const json_t *table)
{
    char shown[PLACE_SHOWN];
    for (size_t i = 0; i < builder->used_count; i++)
        if (strcasecmp(builder->used[i].alias, alias) == 0)
            return place_failed(&builder->place,
                                error_say(builder->error, ERROR_INPUT,
                                          "two tables are called »%s«; give this one another name "
                                          "by \"as\"",
                                          "Zwei Tabellen heißen »%s«; dieser mit \"as\" einen "
                                          "anderen Namen geben.",
                                          place_shown(shown, alias)));
    builder->used[builder->used_count++] = (struct used_table){alias, table};
    return 0;
}

/* Columns of different kinds would be compared differently by each database. */
static int check_pair(struct builder *builder, const struct column *left,
                      const struct column *right)
{
    bool unknown = left->type == SOURCE_UNKNOWN || right->type == SOURCE_UNKNOWN;
    if (unknown || builder_comparison(left->type) == builder_comparison(right->type))
        return 0;
    return place_failed(&builder->place,
                        error_say(builder->error, ERROR_INPUT,
                                  "»%s« is %s%.0s and »%s« is %s%.0s; they cannot be joined",
                                  "»%s« ist %.0s%s und »%s« ist %.0s%s; das lässt sich nicht "
                                  "verbinden.",
                                  left->shown, builder_type_in_english(left->type),
                                  builder_type_in_german(left->type), right->shown,
                                  builder_type_in_english(right->type),
                                  builder_type_in_german(right->type)));
}

/* A column of a pair, by its plain name. */
static int column_of_pair(struct builder *builder, const struct used_table *used,
                          const json_t *pair, size_t index, struct column *column)
{
    const char *name;
    size_t back = place_enter(&builder->place, "[%zu]", index);
    if (place_check_text(&builder->place, json_array_get(pair, index), NAME_MAX_BYTES, &name) < 0 ||
        builder_column(builder, arena_format(builder->arena, "%s.%s", used->alias, name), column) <
            0)
        return -1;
    place_leave(&builder->place, back);
    return 0;
}

static int write_pairs(struct builder *builder, const struct used_table *to,
                       const struct used_table *joined, const pairs_t *pairs, struct buffer *sql)
{
    size_t i;
    json_t *pair;
    json_array_foreach(pairs, i, pair) {
        struct column left, right;
        size_t back = place_enter(&builder->place, ".on[%zu]", i);
        if (!json_is_array(pair) || json_array_size(pair) != 2)
            return place_failed(&builder->place,
                                error_say(builder->error, ERROR_INPUT,
                                          "two columns are needed here: [\"column of »%s«\", "
                                          "\"column of »%s«\"]",
                                          "Hier werden zwei Spalten gebraucht: [\"Spalte von "
                                          "»%s«\", \"Spalte von »%s«\"]",
                                          to->alias, joined->alias));
        if (column_of_pair(builder, to, pair, 0, &left) < 0 ||
            column_of_pair(builder, joined, pair, 1, &right) < 0 ||
            check_pair(builder, &left, &right) < 0)
            return -1;
        place_leave(&builder->place, back);
        buffer_printf(sql, "%s%s = %s", i ? " AND " : " ON ", left.sql, right.sql);
    }
    return 0;
}

struct join {
    const char *name, *alias, *to, *kind;
    const json_t *on, *table;
};

static int read_kind(struct builder *builder, const struct join *join, const char **words)
{
    *words = !join->kind || strcmp(join->kind, "inner") == 0 ? "INNER JOIN"
             : strcmp(join->kind, "left") == 0               ? "LEFT JOIN"
                                                             : NULL;
    if (*words)
        return 0;
    place_enter(&builder->place, ".kind");
    return place_failed(&builder->place,
                        error_say(builder->error, ERROR_INPUT,
                                  "the kind is inner (only rows that have a partner) or left (all)",
                                  "Die Art ist inner (nur Zeilen mit Gegenstück) oder left "
                                  "(alle)."));
}

/* The table that is joined to; *to = NULL: any. */
static int find_partner(struct builder *builder, const struct join *join,
                        const struct used_table **to)
{
    char shown[PLACE_SHOWN];
    *to = join->to ? used_named(builder, join->to) : NULL;
    if (join->to && !*to) {
        place_enter(&builder->place, ".to");
        return place_failed(&builder->place,
                            error_say(builder->error, ERROR_INPUT,
                                      "»%s« is not among the tables before this one",
                                      "»%s« ist nicht unter den Tabellen vor dieser.",
                                      place_shown(shown, join->to)));
    }
    if (join->on && !*to) {
        if (builder->used_count > 1)
            return place_missing(&builder->place, "to");
        *to = &builder->used[0];
    }
    return 0;
}

/* Read one, and find the pairs that join it: a new reference in *pairs, and *to. */
static int find_pairs(struct builder *builder, const struct join *join,
                      const struct used_table **to, pairs_t **pairs)
{
    if (find_partner(builder, join, to) < 0)
        return -1;
    if (join->on) {
        *pairs = json_incref((json_t *)join->on);
        return 0;
    }
    json_t *links = links_to(builder, *to, join->table);
    int result = 0;
    if (json_array_size(links) == 1) {
        json_t *link = json_array_get(links, 0);
        *to = used_named(builder, json_string_value(json_array_get(link, 0)));
        *pairs = json_incref(json_array_get(link, 1));
    } else
        result = refuse_links(builder, links, join->name);
    json_decref(links);
    return result;
}

static int read_join(struct builder *builder, const json_t *document, struct join *join)
{
    static const char *const keys[] = {"table", "as", "to", "kind", "on", NULL};
    if (place_keys(&builder->place, document, keys) < 0 ||
        place_text(&builder->place, document, "table", NAME_MAX_BYTES, &join->name) < 0 ||
        place_text(&builder->place, document, "as", ALIAS_MAX_BYTES, &join->alias) < 0 ||
        place_text(&builder->place, document, "to", NAME_MAX_BYTES, &join->to) < 0 ||
        place_text(&builder->place, document, "kind", NAME_MAX_BYTES, &join->kind) < 0 ||
        place_list(&builder->place, document, "on", PAIRS_MAX, &join->on) < 0)
        return -1;
    if (!join->name)
        return place_missing(&builder->place, "table");
    size_t back = place_enter(&builder->place, ".table");
    join->table = builder_table_named(builder, join->name);
    if (!join->table)
        return -1;
    place_leave(&builder->place, back);
    if (!join->alias)
        join->alias = join->name;
    return 0;
}

static int write_join(struct builder *builder, const json_t *document, struct buffer *sql)
{
    struct join join = {0};
    const struct used_table *to = NULL;
    const char *words;
    pairs_t *pairs = NULL;
    if (read_join(builder, document, &join) < 0 || read_kind(builder, &join, &words) < 0 ||
        find_pairs(builder, &join, &to, &pairs) < 0)
        return -1;
    int result = use_table(builder, join.alias, join.table);
    buffer_printf(sql, "\n%s %s AS %s", words, dialect_table(builder, join.table),
                  dialect_quoted(builder, join.alias));
    if (result == 0)
        result = write_pairs(builder, to, &builder->used[builder->used_count - 1], pairs, sql);
    json_decref(pairs);
    return result;
}

int builder_join_tables(struct builder *builder, const json_t *built, struct buffer *sql)
{
    const char *from;
    const json_t *joins;
    size_t i;
    json_t *join;
    if (place_text(&builder->place, built, "from", NAME_MAX_BYTES, &from) < 0 ||
        place_list(&builder->place, built, "joins", BUILDER_JOINS_MAX, &joins) < 0)
        return -1;
    if (!from)
        return place_missing(&builder->place, "from");
    size_t back = place_enter(&builder->place, "from");
    const json_t *table = builder_table_named(builder, from);
    if (!table)
        return -1;
    place_leave(&builder->place, back);
    use_table(builder, from, table);
    buffer_printf(sql, "\nFROM %s AS %s", dialect_table(builder, table),
                  dialect_quoted(builder, from));
    json_array_foreach(joins, i, join) {
        back = place_enter(&builder->place, "joins[%zu]", i);
        if (write_join(builder, join, sql) < 0)
            return -1;
        place_leave(&builder->place, back);
    }
    return 0;
}
