/*
 * As the host looks for names (host/job.c): in a list's section first among the columns of its rows,
 * then among the recipient's columns and roles, the detail groups, and our own words.
 */
#include "daemon/check_names.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"

static const char *const own_words[] = {"members", "today", "campaign", "run"};
#define OWN_WORDS (sizeof own_words / sizeof *own_words)

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static const json_t *recipient_columns(const json_t *answer)
{
    return json_object_get(answer, "columns");
}

static bool has_column(const json_t *columns, const char *name)
{
    size_t index;
    json_t *column;
    json_array_foreach(columns, index, column)
        if (strcmp(text_of(column, "name"), name) == 0 ||
            strcmp(text_of(column, "role"), name) == 0)
            return true;
    return false;
}

/* The columns of the rows of a list; NULL: it is none, or a column hides it. */
static const json_t *list_columns(const json_t *answer, const char *name)
{
    size_t index;
    json_t *detail;
    if (has_column(recipient_columns(answer), name))
        return NULL;
    json_array_foreach(json_object_get(answer, "details"), index, detail)
        if (strcmp(text_of(detail, "name"), name) == 0)
            return json_object_get(detail, "columns");
    return strcmp(name, "members") == 0 ? recipient_columns(answer) : NULL;
}

/* The columns that a section's rows have; NULL: it goes over no list. */
static const json_t *section_columns(const json_t *answer, const struct template_name *section)
{
    return strchr(section->path, '.') ? NULL : list_columns(answer, section->name);
}

static bool is_own_word(const char *name)
{
    for (size_t i = 0; i < OWN_WORDS; i++)
        if (strcmp(name, own_words[i]) == 0)
            return true;
    return false;
}

/* In the rows of the lists that it stands in; `in_list` says whether it stands in any. */
static bool is_in_rows(const json_t *answer, const struct template_name *name, bool *in_list)
{
    *in_list = false;
    for (const struct template_name *at = name->in_section; at; at = at->in_section) {
        const json_t *columns = section_columns(answer, at);
        if (columns && has_column(columns, name->name))
            return true;
        *in_list = *in_list || columns;
    }
    return false;
}

/* ---- messages ---- */

static void collect_columns(const json_t *columns, const char **names, size_t *count)
{
    size_t index;
    json_t *column;
    json_array_foreach(columns, index, column)
        names[(*count)++] = text_of(column, "name");
}

/* The nearest of the names of `columns`, or, if that is NULL, of all that could stand here. */
static const char *find_nearest(const json_t *answer, const struct template_name *name,
                                const char *word, const json_t *columns)
{
    const json_t *details = json_object_get(answer, "details");
    size_t count = 0, most = OWN_WORDS + json_array_size(details) + json_array_size(columns), index;
    json_t *detail;
    most += json_array_size(recipient_columns(answer));
    for (const struct template_name *at = name->in_section; at; at = at->in_section)
        most += json_array_size(section_columns(answer, at));
    FREE_CLEAN const char **names = memory_array(most, sizeof *names);
    collect_columns(columns, names, &count);
    if (!columns) {
        for (const struct template_name *at = name->in_section; at; at = at->in_section)
            collect_columns(section_columns(answer, at), names, &count);
        collect_columns(recipient_columns(answer), names, &count);
        json_array_foreach(details, index, detail)
            names[count++] = text_of(detail, "name");
        for (size_t i = 0; i < OWN_WORDS; i++)
            names[count++] = own_words[i];
    }
    return suggest_nearest(word, names, count);
}

/* A pattern's name is the same in both languages. */
static int say_place(const struct template_name *name, struct error *error)
{
    return name->partial ? error_prefix(error, "»%.200s«, ", name->partial) : -1;
}

static int say_unknown(const json_t *answer, const struct template_name *name, struct error *error)
{
    const char *nearest = find_nearest(answer, name, name->name, NULL);
    if (nearest)
        error_say(error, ERROR_INPUT,
                  "line %d, column %d: »%s« is no column of the query; did you mean »%s«? Correct "
                  "the template, or add it to the SELECT",
                  "Zeile %d, Spalte %d: »%s« ist keine Spalte der Abfrage; ist »%s« gemeint? Die "
                  "Vorlage berichtigen oder in die Abfrage aufnehmen",
                  name->line, name->column, name->name, nearest);
    else
        error_say(
            error, ERROR_INPUT,
            "line %d, column %d: »%s« is no column of the query; add it to the SELECT, or "
            "correct the template",
            "Zeile %d, Spalte %d: »%s« ist keine Spalte der Abfrage; in die Abfrage aufnehmen "
            "oder die Vorlage berichtigen",
            name->line, name->column, name->name);
    return say_place(name, error);
}

static int say_no_list_column(const json_t *answer, const struct template_name *name,
                              const json_t *columns, struct error *error)
{
    const char *nearest = find_nearest(answer, name, name->total_of, columns);
    if (nearest)
        error_say(error, ERROR_INPUT,
                  "line %d, column %d: »%s« has no column »%s«; did you mean »%s«? Correct the "
                  "template, or add it to the SELECT of the detail group",
                  "Zeile %d, Spalte %d: »%s« hat keine Spalte »%s«; ist »%s« gemeint? Die Vorlage "
                  "berichtigen oder in die Abfrage der Detailgruppe aufnehmen",
                  name->line, name->column, name->name, name->total_of, nearest);
    else
        error_say(
            error, ERROR_INPUT,
            "line %d, column %d: »%s« has no column »%s«; add it to the SELECT of the detail "
            "group, or correct the template",
            "Zeile %d, Spalte %d: »%s« hat keine Spalte »%s«; in die Abfrage der Detailgruppe "
            "aufnehmen oder die Vorlage berichtigen",
            name->line, name->column, name->name, name->total_of);
    return say_place(name, error);
}

/* {{lines.average.x}}, {{lines.label}}: of a list only totals can be had, of a value nothing. */
static int say_no_part(const struct template_name *name, bool is_list, struct error *error)
{
    if (is_list)
        error_say(error, ERROR_INPUT,
                  "line %1$d, column %2$d: »%3$s« says nothing of the list »%4$s«; there are "
                  "%4$s.count, and %4$s.sum.COLUMN, %4$s.min.COLUMN and %4$s.max.COLUMN; or write "
                  "{{#%4$s}} … {{/%4$s}} around it",
                  "Zeile %1$d, Spalte %2$d: »%3$s« sagt nichts über die Liste »%4$s«; es gibt "
                  "%4$s.count sowie %4$s.sum.SPALTE, %4$s.min.SPALTE und %4$s.max.SPALTE; oder "
                  "{{#%4$s}} … {{/%4$s}} darum schreiben",
                  name->line, name->column, name->path, name->name);
    else
        error_say(error, ERROR_INPUT,
                  "line %d, column %d: »%s« is no column of the query, and »%s« is one value, "
                  "without parts; correct the template",
                  "Zeile %d, Spalte %d: »%s« ist keine Spalte der Abfrage, und »%s« ist ein Wert "
                  "ohne Teile; die Vorlage berichtigen",
                  name->line, name->column, name->path, name->name);
    return say_place(name, error);
}

static int say_list(const struct template_name *name, struct error *error)
{
    error_say(
        error, ERROR_INPUT,
        "line %1$d, column %2$d: »%3$s« is a list, not one value; write {{#%3$s}} … {{/%3$s}} "
        "around what it is for",
        "Zeile %1$d, Spalte %2$d: »%3$s« ist eine Liste, nicht ein Wert; {{#%3$s}} … "
        "{{/%3$s}} um das schreiben, wofür sie da ist",
        name->line, name->column, name->name);
    return say_place(name, error);
}

/* ---- the check ---- */

static int check_list_use(const json_t *answer, const struct template_name *name,
                          const json_t *columns, struct error *error)
{
    if (name->total_of)
        return *name->total_of && !has_column(columns, name->total_of)
                   ? say_no_list_column(answer, name, columns, error)
                   : 0;
    if (strchr(name->path, '.'))
        return say_no_part(name, true, error);
    return name->is_section ? 0 : say_list(name, error);
}

int check_template_name(const json_t *answer, const struct template_name *name, struct error *error)
{
    bool in_list;
    bool in_rows = is_in_rows(answer, name, &in_list);
    const json_t *columns = in_rows ? NULL : list_columns(answer, name->name);
    if (columns)
        return check_list_use(answer, name, columns, error);
    bool known = in_rows || has_column(recipient_columns(answer), name->name) ||
                 is_own_word(name->name) || (in_list && template_is_row_word(name->name));
    if (name->has_default)
        return 0;
    if (!known)
        return say_unknown(answer, name, error);
    return strchr(name->path, '.') ? say_no_part(name, false, error) : 0;
}
