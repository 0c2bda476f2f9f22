#include "host/reports.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

#define WARNINGS_MAX 20     /* of the page layout, a job */
#define TITLE_MAX 100       /* bytes of a document's name without its ending */
#define FILE_NAMES_MAX 1000 /* files that a job remembers, or remembers to be missing */

enum kind { KIND_LETTER, KIND_EMAIL, KIND_TEXT };

static const struct {
    const char *name, *part, *ending;
    int target;
} kinds[] = {
    [KIND_LETTER] = {"letter", "html", ".pdf", TEMPLATE_AS_HTML},
    [KIND_EMAIL] = {"email", "html", ".html", TEMPLATE_AS_HTML},
    [KIND_TEXT] = {"text", "text", ".txt", TEMPLATE_AS_TEXT},
};

struct file {
    struct file *next;
    char *name;
    char *content; /* NULL: there is none of that name */
    size_t size;
};

struct report {
    struct report *next;
    struct reports *reports;
    char *name;
    char *title;
    char *language; /* of the variant taken */
    enum kind kind;
    struct template *compiled;
    struct file *files;
};

struct reports {
    struct rows *rows;
    struct layout *layout;
    char *language;
    int64_t created_us;
    struct template_partials partials;
    pthread_mutex_t mutex; /* of the list, the files and the counts */
    struct report *list;
    unsigned warnings, file_count;
};

static int find_pattern(void *context, const char *name, const char **source, size_t *size)
{
    const struct reports *reports = context;
    const json_t *pattern =
        json_object_get(json_object_get(rows_definition(reports->rows), "patterns"), name);
    const json_t *template = json_object_get(pattern, "template");
    if (!json_is_string(template))
        return -1;
    *source = json_string_value(template);
    *size = json_string_length(template);
    return 0;
}

struct reports *reports_open(struct rows *rows, struct layout *layout, const char *language,
                             int64_t created_us)
{
    struct reports *reports = memory_new(sizeof *reports);
    reports->rows = rows;
    reports->layout = layout;
    reports->language = memory_text(language);
    reports->created_us = created_us;
    reports->partials = (struct template_partials){.find = find_pattern, .context = reports};
    pthread_mutex_init(&reports->mutex, NULL);
    return reports;
}

static void free_report(struct report *report)
{
    while (report->files) {
        struct file *file = report->files;
        report->files = file->next;
        free(file->name);
        free(file->content);
        free(file);
    }
    template_free(report->compiled);
    free(report->name);
    free(report->title);
    free(report->language);
    free(report);
}

void reports_close(struct reports *reports)
{
    if (!reports)
        return;
    while (reports->list) {
        struct report *report = reports->list;
        reports->list = report->next;
        free_report(report);
    }
    pthread_mutex_destroy(&reports->mutex);
    free(reports->language);
    free(reports);
}

const struct template_partials *reports_partials(const struct reports *reports)
{
    return &reports->partials;
}

/* ---- finding and compiling ---- */

/* "de-AT" finds "de-AT", else "de", else the first there is. */
static const char *choose_variant(const json_t *variants, const char *language)
{
    char tag[32];
    text_copy(tag, sizeof tag, language);
    while (*tag) {
        const char *key;
        json_t *variant;
        json_object_foreach((json_t *)variants, key, variant)
            if (strcmp(key, tag) == 0)
                return key;
        char *region = strrchr(tag, '-');
        *(region ? region : tag) = 0;
    }
    return json_object_iter_key(json_object_iter((json_t *)variants));
}

static int find_kind(const char *name)
{
    for (int i = 0; name && i < (int)(sizeof kinds / sizeof *kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return i;
    return -1;
}

/* A name for people that no folder or header stumbles over. */
static char *make_title(const char *title, const char *name)
{
    char *made = memory_text(title && *title ? title : name);
    for (char *c = made; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '/' || *c == '\\')
            *c = ' ';
    text_cut_utf8(made, TITLE_MAX);
    return made;
}

static struct report *compile(struct reports *reports, const char *name, struct error *error)
{
    const json_t *frozen =
        json_object_get(json_object_get(rows_definition(reports->rows), "reports"), name);
    const json_t *variants = json_object_get(frozen, "variants");
    int kind = find_kind(json_string_value(json_object_get(frozen, "kind")));
    const char *language = choose_variant(variants, reports->language);
    if (!frozen || kind < 0 || !language) {
        error_set(error, ERROR_NOT_FOUND,
                  !frozen    ? "there is no report »%.100s«"
                  : kind < 0 ? "the report »%.100s« is of a kind that cannot be rendered"
                             : "the report »%.100s« has no text in any language",
                  name);
        return NULL;
    }
    const json_t *source = json_object_get(json_object_get(variants, language), kinds[kind].part);
    if (!json_is_string(source)) {
        error_set(error, ERROR_INPUT, "the report »%.100s« (%s) has no %s", name, language,
                  kinds[kind].part);
        return NULL;
    }
    struct template *compiled = template_compile(
        json_string_value(source), json_string_length(source), &reports->partials, error);
    if (!compiled) {
        error_prefix(error, "the report »%.100s« (%s): ", name, language);
        return NULL;
    }
    struct report *report = memory_new(sizeof *report);
    report->reports = reports;
    report->name = memory_text(name);
    report->language = memory_text(language);
    report->title = make_title(json_string_value(json_object_get(frozen, "title")), name);
    report->kind = (enum kind)kind;
    report->compiled = compiled;
    return report;
}

static struct report *find(struct reports *reports, const char *name, struct error *error)
{
    pthread_mutex_lock(&reports->mutex);
    struct report *report = reports->list;
    while (report && strcmp(report->name, name) != 0)
        report = report->next;
    if (!report) {
        report = compile(reports, name, error);
        if (report) {
            report->next = reports->list;
            reports->list = report;
        }
    }
    pthread_mutex_unlock(&reports->mutex);
    return report;
}

int reports_check(struct reports *reports, const char *name, struct error *error)
{
    return find(reports, name, error) ? 0 : -1;
}

/* ---- files ---- */

static struct file *load_file(struct report *report, const char *name)
{
    struct reports *reports = report->reports;
    struct error error;
    if (reports->file_count == FILE_NAMES_MAX)
        return NULL;
    reports->file_count++;
    struct file *file = memory_new(sizeof *file);
    file->name = memory_text(name);
    if (rows_file(reports->rows, report->name, name, &file->content, &file->size, NULL, &error) < 0)
        log_error("%s", error.message);
    file->next = report->files;
    report->files = file;
    return file;
}

static const struct file *find_file(struct report *report, const char *name)
{
    pthread_mutex_lock(&report->reports->mutex);
    struct file *file = report->files;
    while (file && strcmp(file->name, name) != 0)
        file = file->next;
    if (!file)
        file = load_file(report, name);
    pthread_mutex_unlock(&report->reports->mutex);
    return file && file->content ? file : NULL;
}

int reports_file(struct reports *reports, const char *report, const char *name, const char **data,
                 size_t *size)
{
    struct error error;
    struct report *found = find(reports, report, &error);
    const struct file *file = found ? find_file(found, name) : NULL;
    if (!file)
        return -1;
    *data = file->content;
    *size = file->size;
    return 0;
}

/* ---- rendering ---- */

/* A letter that is being laid out. */
struct laying_out {
    struct report *report;
    const char *recipient;
};

static const void *on_find_file(void *context, const char *name, size_t *size)
{
    const struct laying_out *laying_out = context;
    const struct file *file = find_file(laying_out->report, name);
    *size = file ? file->size : 0;
    return file ? file->content : NULL;
}

static void on_warning(void *context, unsigned line, unsigned column, const char *message)
{
    const struct laying_out *laying_out = context;
    struct reports *reports = laying_out->report->reports;
    pthread_mutex_lock(&reports->mutex);
    unsigned count = ++reports->warnings;
    pthread_mutex_unlock(&reports->mutex);
    if (count <= WARNINGS_MAX)
        log_warning("the report »%s« for recipient %s, line %u, column %u: %s%s",
                    laying_out->report->name, laying_out->recipient, line, column, message,
                    count == WARNINGS_MAX ? " (further warnings are left out)" : "");
}

static int lay_out(struct laying_out *laying_out, const struct buffer *html, struct buffer *pdf,
                   struct error *error)
{
    const struct report *report = laying_out->report;
    struct letter_request request = {
        .html = buffer_string(html),
        .html_size = html->size,
        .title = report->title,
        .language = report->language,
        .created_us = report->reports->created_us,
        .find_file = on_find_file,
        .warn = on_warning,
        .context = laying_out,
    };
    return layout_render(report->reports->layout, &request, pdf, error);
}

int reports_render(struct reports *reports, const char *name, const char *recipient,
                   const struct template_data *data, struct buffer *out, struct buffer *title,
                   struct error *error)
{
    struct report *report = find(reports, name, error);
    if (!report)
        return -1;
    bool letter = report->kind == KIND_LETTER;
    BUFFER_CLEAN struct buffer html = {0};
    struct template_options options = {
        .target = kinds[report->kind].target,
        .language = report->language,
        .missing = TEMPLATE_MISSING_ERROR,
    };
    int result = template_render(report->compiled, data, &options, letter ? &html : out, error);
    if (result == 0 && letter)
        result = lay_out(&(struct laying_out){report, recipient}, &html, out, error);
    if (result != 0)
        return error_prefix(error, "the report »%s«: ", report->name);
    buffer_text(title, report->title);
    buffer_text(title, kinds[report->kind].ending);
    return 0;
}
