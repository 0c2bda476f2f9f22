/*
 * A campaign's own query: the copy of the saved one, and what differs between the two. The saved
 * query is only read.
 */
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_internal.h"

#define CELLS_MOST 4000000 /* of the table of common lines; beyond, all lines count as changed */
#define SHOWN_MOST 2000    /* lines of a difference */
#define CONTEXT 3          /* lines around a change */

/* ---- lines ---- */

struct line {
    const char *text;
    size_t size;
};

struct lines {
    struct line *items;
    size_t count;
};

static void lines_free(struct lines *lines)
{
    free(lines->items);
}

#define LINES_CLEAN __attribute__((cleanup(lines_free)))

static struct lines split(const char *text)
{
    size_t count = 0;
    for (const char *c = text; *c; c++)
        count += *c == '\n';
    struct lines lines = {.items = memory_array(count + 1, sizeof *lines.items)};
    while (*text) {
        size_t size = strcspn(text, "\n");
        lines.items[lines.count++] = (struct line){text, size};
        text += size + (text[size] == '\n');
    }
    return lines;
}

static bool same_line(const struct lines *a, size_t i, const struct lines *b, size_t j)
{
    const struct line *left = &a->items[i], *right = &b->items[j];
    return left->size == right->size && memcmp(left->text, right->text, left->size) == 0;
}

/* ---- the difference ---- */

/* One line of a difference: ' ' is in both, '-' in the first alone, '+' in the second alone. */
struct edit {
    char sign;
    const struct line *line;
};

struct edits {
    struct edit *items;
    size_t count;
};

static void edits_free(struct edits *edits)
{
    free(edits->items);
}

#define EDITS_CLEAN __attribute__((cleanup(edits_free)))

static void edit(struct edits *edits, char sign, const struct line *line)
{
    edits->items[edits->count++] = (struct edit){sign, line};
}

/* How many lines the rests from (i, j) have in common, for all i and j: rows of `width`. The counts
 * fit, as the shorter side has no more than the root of CELLS_MOST. */
static uint16_t *common_counts(const struct lines *a, const struct lines *b, size_t from,
                               size_t a_end, size_t b_end)
{
    size_t width = b_end - from + 1;
    uint16_t *counts = memory_array((a_end - from + 1) * width, sizeof *counts);
    for (size_t i = a_end; i-- > from;)
        for (size_t j = b_end; j-- > from;) {
            uint16_t *cell = &counts[(i - from) * width + (j - from)];
            uint16_t below = cell[width], right = cell[1];
            *cell = same_line(a, i, b, j) ? (uint16_t)(cell[width + 1] + 1)
                    : below > right       ? below
                                          : right;
        }
    return counts;
}

/* The lines between what both begin and end with. */
static void edit_middle(struct edits *edits, const struct lines *a, const struct lines *b,
                        size_t from, size_t a_end, size_t b_end)
{
    size_t i = from, j = from, width = b_end - from + 1;
    bool too_many = (a_end - from + 1) > CELLS_MOST / width;
    FREE_CLEAN uint16_t *counts = too_many ? NULL : common_counts(a, b, from, a_end, b_end);
    while (counts && i < a_end && j < b_end) {
        const uint16_t *cell = &counts[(i - from) * width + (j - from)];
        if (same_line(a, i, b, j)) {
            edit(edits, ' ', &a->items[i++]);
            j++;
        } else if (cell[width] >= cell[1]) {
            edit(edits, '-', &a->items[i++]);
        } else {
            edit(edits, '+', &b->items[j++]);
        }
    }
    while (i < a_end)
        edit(edits, '-', &a->items[i++]);
    while (j < b_end)
        edit(edits, '+', &b->items[j++]);
}

static struct edits compare_lines(const struct lines *a, const struct lines *b)
{
    struct edits edits = {.items = memory_array(a->count + b->count + 1, sizeof *edits.items)};
    size_t from = 0, a_end = a->count, b_end = b->count;
    while (from < a_end && from < b_end && same_line(a, from, b, from))
        edit(&edits, ' ', &a->items[from++]);
    while (a_end > from && b_end > from && same_line(a, a_end - 1, b, b_end - 1))
        a_end--, b_end--;
    edit_middle(&edits, a, b, from, a_end, b_end);
    while (a_end < a->count)
        edit(&edits, ' ', &a->items[a_end++]);
    return edits;
}

/* Up to where the hunk goes that begins at `from`: changes with no more than twice the context
 * between them are one. */
static size_t hunk_end(const struct edits *edits, size_t from)
{
    size_t last = from;
    for (size_t i = from; i < edits->count && i <= last + 2 * CONTEXT; i++)
        if (edits->items[i].sign != ' ')
            last = i;
    return last + CONTEXT + 1 < edits->count ? last + CONTEXT + 1 : edits->count;
}

static void show_hunk(const struct edits *edits, size_t from, size_t end, size_t a, size_t b,
                      json_t *shown)
{
    size_t a_count = 0, b_count = 0;
    for (size_t i = from; i < end; i++) {
        a_count += edits->items[i].sign != '+';
        b_count += edits->items[i].sign != '-';
    }
    FREE_CLEAN char *head = memory_format("@@ -%zu,%zu +%zu,%zu @@", a_count ? a + 1 : a, a_count,
                                          b_count ? b + 1 : b, b_count);
    json_array_append_new(shown, json_string(head));
    for (size_t i = from; i < end && json_array_size(shown) < SHOWN_MOST; i++) {
        const struct line *line = edits->items[i].line;
        FREE_CLEAN char *text =
            memory_format("%c%.*s", edits->items[i].sign, (int)line->size, line->text);
        json_array_append_new(shown, json_string(text));
    }
}

/* A unified difference, as of diff -u without its first two lines. */
static json_t *difference(const char *saved, const char *own)
{
    LINES_CLEAN struct lines a = split(saved);
    LINES_CLEAN struct lines b = split(own);
    EDITS_CLEAN struct edits edits = compare_lines(&a, &b);
    json_t *shown = json_array();
    size_t at = 0, a_line = 0, b_line = 0;
    for (size_t i = 0; i < edits.count && json_array_size(shown) < SHOWN_MOST; i++) {
        if (edits.items[i].sign == ' ')
            continue;
        size_t from = i > at + CONTEXT ? i - CONTEXT : at, end = hunk_end(&edits, i);
        for (; at < from; at++)
            a_line++, b_line++;
        show_hunk(&edits, from, end, a_line, b_line, shown);
        for (; at < end; at++) {
            a_line += edits.items[at].sign != '+';
            b_line += edits.items[at].sign != '-';
        }
        i = end - 1;
    }
    if (json_array_size(shown) >= SHOWN_MOST)
        json_array_append_new(shown, json_string("…"));
    return shown;
}

/* ---- the campaign's and the saved one ---- */

static json_t *side(const json_t *object, const char *sql, const char *built)
{
    return json_pack("{s:O, s:O}", "sql", json_object_get(object, sql), "built",
                     json_object_get(object, built));
}

static bool has_individual(const json_t *campaign)
{
    return json_is_string(json_object_get(campaign, "individual_sql")) ||
           json_is_object(json_object_get(campaign, "individual_built"));
}

/* What is compared: the SQL, or the document, one value a line. */
static char *text_of_side(const json_t *one)
{
    const char *sql = json_string_value(json_object_get(one, "sql"));
    return sql ? memory_text(sql)
               : json_dumps(json_object_get(one, "built"), JSON_INDENT(2) | JSON_SORT_KEYS);
}

static json_t *compare(struct definitions *d, const char *name_or_id, struct trouble *why)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (definitions_enter(&transaction, d, false, why) < 0)
        return NULL;
    int64_t id = document_find(d, table_of_kind("campaign"), name_or_id, why);
    JSON_CLEAN json_t *campaign = id > 0 ? campaign_load(d, id, why) : NULL;
    JSON_CLEAN json_t *group = campaign ? campaign_saved_group(d, campaign, why) : NULL;
    if (!group)
        return NULL;
    JSON_CLEAN json_t *saved = side(group, "sql", "built");
    if (!has_individual(campaign))
        return json_pack("{s:b, s:O, s:n, s:[]}", "same", 1, "saved", saved, "own", "difference");
    JSON_CLEAN json_t *own = side(campaign, "individual_sql", "individual_built");
    FREE_CLEAN char *saved_text = text_of_side(saved);
    FREE_CLEAN char *own_text = text_of_side(own);
    return json_pack("{s:b, s:O, s:O, s:o}", "same", json_equal(saved, own), "saved", saved, "own",
                     own, "difference", difference(saved_text, own_text));
}

json_t *definitions_compare(struct definitions *definitions, const char *campaign,
                            struct error *error)
{
    struct trouble why = {0};
    json_t *result = compare(definitions, campaign, &why);
    if (!result)
        trouble_tell(&why, error);
    return result;
}

static json_t *make_individual(struct definitions *d, const char *name_or_id, const char *group,
                               bool force, struct trouble *why)
{
    TRANSACTION_CLEAN struct transaction transaction = {0};
    if (definitions_enter(&transaction, d, true, why) < 0)
        return NULL;
    int64_t id = document_find(d, table_of_kind("campaign"), name_or_id, why);
    JSON_CLEAN json_t *campaign = id > 0 ? campaign_load(d, id, why) : NULL;
    if (!campaign)
        return NULL;
    if (has_individual(campaign) && !force) {
        trouble_set(why, ERROR_CONFLICT, MESSAGE_HAS_INDIVIDUAL, "campaign", id,
                    json_string_value(json_object_get(campaign, "name")), NULL, NULL);
        return NULL;
    }
    if (group)
        json_object_set_new(campaign, "group", json_string(group));
    JSON_CLEAN json_t *saved = campaign_saved_group(d, campaign, why);
    if (!saved)
        return NULL;
    json_object_set(campaign, "individual_sql", json_object_get(saved, "sql"));
    json_object_set(campaign, "individual_built", json_object_get(saved, "built"));
    if (table_store(d, table_of_kind("campaign"), &id, campaign, why) < 0)
        return NULL;
    JSON_CLEAN json_t *now = definition_document(d, table_of_kind("campaign"), id, why);
    return now && transaction_commit(&transaction, why) == 0 ? json_incref(now) : NULL;
}

json_t *definitions_individual(struct definitions *definitions, const char *campaign,
                               const char *group, bool force, struct error *error)
{
    struct trouble why = {0};
    json_t *now = make_individual(definitions, campaign, group, force, &why);
    if (!now)
        trouble_tell(&why, error);
    return now;
}

static json_t *individual_sources(struct definitions *d, struct trouble *why)
{
    STATEMENT_CLEAN sqlite3_stmt *row = NULL;
    JSON_CLEAN json_t *sources = json_object();
    int result;
    if (definitions_prepare(d,
                            "SELECT campaign.id, campaign.name, campaign.individual_sql,\n"
                            "    coalesce(own.source, brought.source)\n"
                            "FROM campaign\n"
                            "LEFT JOIN query AS own ON own.id = campaign.query\n"
                            "LEFT JOIN report ON report.id = campaign.distributor\n"
                            "LEFT JOIN query AS brought ON brought.id = report.query\n"
                            "WHERE campaign.individual_sql IS NOT NULL",
                            &row, why) < 0)
        return NULL;
    while ((result = sqlite3_step(row)) == SQLITE_ROW) {
        FREE_CLEAN char *id = memory_format("%lld", (long long)sqlite3_column_int64(row, 0));
        bool somewhere = sqlite3_column_type(row, 3) != SQLITE_NULL;
        json_object_set_new(sources, id,
                            json_pack("{s:s, s:s, s:s?}", "campaign", sql_text(row, 1), "sql",
                                      sql_text(row, 2), "source",
                                      somewhere ? sql_text(row, 3) : NULL));
    }
    if (result == SQLITE_DONE)
        return json_incref(sources);
    trouble_sql(why, d, "campaign");
    return NULL;
}

json_t *definitions_individual_sources(struct definitions *definitions, struct error *error)
{
    struct trouble why = {0};
    TRANSACTION_CLEAN struct transaction transaction = {0};
    json_t *sources = NULL;
    if (definitions_enter(&transaction, definitions, false, &why) == 0)
        sources = individual_sources(definitions, &why);
    if (!sources)
        trouble_tell(&why, error);
    return sources;
}
