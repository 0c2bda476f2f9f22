#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "daemon/check_names.h"
#include "daemon/daemon.h"
#include "host/declared.h"
#include "report/format.h"
#include "report/template.h"

struct checking {
    const struct daemon *daemon;
    const json_t *definition;
    const json_t *answer; /* the reader's, with columns and details; NULL: not known */
    json_t *problems;
    const char *where; /* of what is being looked at */
};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

bool check_has_error(const json_t *problems)
{
    size_t index;
    json_t *problem;
    json_array_foreach(problems, index, problem)
        if (strcmp(text_of(problem, "severity"), "error") == 0)
            return true;
    return false;
}

static void add(struct checking *checking, const char *severity, const char *message_en,
                const char *message_de)
{
    json_array_append_new(checking->problems,
                          json_pack("{s:s, s:s, s:s, s:s}", "severity", severity, "where",
                                    checking->where, "message_en", message_en, "message_de",
                                    message_de));
}

/* ---- templates ---- */

static void on_name(void *context, const struct template_name *name)
{
    struct checking *checking = context;
    struct error error;
    if (checking->answer && check_template_name(checking->answer, name, &error) != 0)
        add(checking, "error", error.message, error.german);
}

static int find_pattern(void *context, const char *name, const char **source, size_t *size)
{
    const struct checking *checking = context;
    const char *text = json_string_value(json_object_get(
        json_object_get(json_object_get(checking->definition, "patterns"), name), "template"));
    if (!text)
        return -1;
    *source = text;
    *size = strlen(text);
    return 0;
}

static void check_template(struct checking *checking, const char *source)
{
    struct template_partials partials = {.find = find_pattern, .context = checking};
    struct error error;
    struct template *compiled = template_compile(source, strlen(source), &partials, &error);
    if (!compiled) {
        add(checking, "error", error.message, error.message);
        return;
    }
    template_names(compiled, on_name, checking);
    template_free(compiled);
}

static void check_report(struct checking *checking, const char *name, const json_t *report)
{
    static const char *const parts[] = {"subject", "html", "text"};
    const char *language;
    json_t *variant;
    json_object_foreach(json_object_get(report, "variants"), language, variant)
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            const char *source = json_string_value(json_object_get(variant, parts[i]));
            if (!source)
                continue;
            FREE_CLEAN char *where =
                memory_format("report %s%s%s, %s", name, *language ? " " : "", language, parts[i]);
            checking->where = where;
            check_template(checking, source);
        }
    if (json_object_size(json_object_get(report, "variants")))
        return;
    FREE_CLEAN char *where = memory_format("report %s", name);
    checking->where = where;
    add(checking, "error", "the report has no text; write at least one variant",
        "Der Bericht hat keinen Text; mindestens eine Fassung schreiben");
}

/* ---- steps ---- */

static void on_parameter(void *context, const char *name, const struct error *fault)
{
    (void)name;
    add(context, "error", fault->message, *fault->german ? fault->german : fault->message);
}

static void check_template_parameters(struct checking *checking, const json_t *table,
                                      const json_t *parameters)
{
    size_t index;
    json_t *entry;
    FREE_CLEAN char *step = memory_text(checking->where);
    json_array_foreach(table, index, entry) {
        const char *source = json_string_value(json_object_get(parameters, text_of(entry, "name")));
        if (!source || strcmp(text_of(entry, "type"), "template") != 0)
            continue;
        FREE_CLEAN char *where = memory_format("%s, %s", step, text_of(entry, "name"));
        checking->where = where;
        check_template(checking, source);
        checking->where = step;
    }
}

static void check_parameters(struct checking *checking, const json_t *description,
                             const json_t *parameters)
{
    const json_t *known = json_object_get(checking->answer, "columns");
    size_t index;
    const char **columns = memory_array(json_array_size(known) + 1, sizeof *columns);
    json_t *column;
    json_array_foreach(known, index, column)
        columns[index] = text_of(column, "name");
    struct declared_names names = {.columns = known ? columns : NULL,
                                   .reports = json_object_get(checking->definition, "reports")};
    const json_t *table = json_object_get(description, "parameters");
    declared_check(table, parameters, &names, on_parameter, checking);
    check_template_parameters(checking, table, parameters);
    free(columns);
}

static void check_step(struct checking *checking, const json_t *step)
{
    FREE_CLEAN char *where = memory_format("step %s", text_of(step, "name"));
    const char *action = text_of(step, "action");
    checking->where = where;
    const json_t *description = supervisor_description(checking->daemon->supervisor, action);
    if (!description) {
        FREE_CLEAN char *en = memory_format(
            "no action »%s« is configured; add [action.%s] to the configuration, or choose another",
            action, action);
        FREE_CLEAN char *de = memory_format(
            "Die Aktion »%s« ist nicht eingerichtet; [action.%s] in die Konfiguration aufnehmen "
            "oder eine andere wählen",
            action, action);
        add(checking, "error", en, de);
        return;
    }
    check_parameters(checking, description, json_object_get(step, "parameters"));
}

/* ---- fields ---- */

static void check_format(struct checking *checking, struct arena *arena, const json_t *column)
{
    const char *format = text_of(column, "format");
    struct error error;
    if (!*format || format_parse(arena, format, strlen(format), &error))
        return;
    FREE_CLEAN char *en =
        memory_format("the format of the field »%s«: %s", text_of(column, "name"), error.message);
    FREE_CLEAN char *de =
        memory_format("Das Format des Feldes »%s«: %s", text_of(column, "name"), error.message);
    add(checking, "error", en, de);
}

static void check_fields(struct checking *checking)
{
    struct arena *arena = arena_new();
    size_t index, place;
    json_t *column, *detail;
    checking->where = "query";
    json_array_foreach(json_object_get(checking->answer, "columns"), index, column)
        check_format(checking, arena, column);
    json_array_foreach(json_object_get(checking->answer, "details"), index, detail)
        json_array_foreach(json_object_get(detail, "columns"), place, column)
            check_format(checking, arena, column);
    arena_free(arena);
}

/* A column of that name would hide it from templates. */
static void check_details(struct checking *checking)
{
    size_t index, place;
    json_t *detail, *column;
    json_array_foreach(json_object_get(checking->answer, "details"), index, detail)
        json_array_foreach(json_object_get(checking->answer, "columns"), place, column) {
            const char *name = text_of(detail, "name");
            if (strcmp(text_of(column, "name"), name) != 0)
                continue;
            FREE_CLEAN char *en = memory_format("the detail group »%s« has the name of a column, "
                                                "which hides it; rename one of them",
                                                name);
            FREE_CLEAN char *de = memory_format("Die Detailgruppe »%s« heißt wie eine Spalte, die "
                                                "sie verdeckt; eine von beiden umbenennen",
                                                name);
            add(checking, "error", en, de);
        }
}

void check_definition(const struct daemon *daemon, const json_t *definition, const json_t *answer,
                      json_t *problems)
{
    struct checking checking = {
        .daemon = daemon, .definition = definition, .answer = answer, .problems = problems};
    size_t index;
    const char *name;
    json_t *step, *report;
    json_array_foreach(json_object_get(definition, "steps"), index, step)
        check_step(&checking, step);
    json_object_foreach(json_object_get(definition, "reports"), name, report)
        check_report(&checking, name, report);
    check_fields(&checking);
    check_details(&checking);
    if (json_array_size(json_object_get(definition, "steps")))
        return;
    checking.where = "campaign";
    add(&checking, "error", "the campaign has no step; choose at least one action",
        "Die Kampagne hat keinen Schritt; mindestens eine Aktion wählen");
}
