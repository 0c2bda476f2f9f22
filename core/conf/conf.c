/*
 * Reading the configuration: the first file, then what it includes; ini.c finds headings and
 * entries, keys.c checks values, here they find their places. Reading goes on after an error, so
 * that all of them are found; what came out is dropped at the end if there was any.
 */
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/text.h"
#include "conf/ini.h"
#include "conf/keys.h"
#include "conf/problems.h"
#include "conf/sources.h"

#define INCLUDES_MAX 100 /* patterns */

#define SECTIONS_KNOWN "[daemon], [http], [source.NAME] and [action.NAME]"

/* Where something stands. `file` is as it was named; NULL: nowhere. */
struct place {
    const char *file;
    int line;
};

struct include {
    const char *pattern;
    struct place place;
};

struct load {
    struct conf *conf;
    struct conf_problems *problems;

    /* The file being read. */
    const char *shown;    /* as it was named: for messages */
    const char *absolute; /* for what outlives the load */
    bool included;

    /* The section being read: its scope and its struct; NULL: none that we know. */
    enum conf_scope scope;
    void *target;
    bool before_sections;
    struct place begun;

    /* Where each key of conf_keys stands: of [daemon] and [http] in all files, of a source or
     * action in the section being read. */
    struct place seen[CONF_KEYS_MAX];

    /* By the index of a source or action. */
    struct place source_places[CONF_SECTIONS_MAX], action_places[CONF_SECTIONS_MAX];

    struct include includes[INCLUDES_MAX];
    size_t include_count;
    struct stat files[CONF_FILES_MAX]; /* those read, so that none is read twice */
    size_t file_count;
};

#define PROBLEM(load, line, ...)                                                                   \
    conf_problems_add((load)->problems, (load)->shown, line, __VA_ARGS__)

/* ---- keys ---- */

static struct place *seen_place(struct load *load, const struct conf_key *key)
{
    return &load->seen[key - conf_keys];
}

/* Give each key of a section that was not there its default, or say that it is missing. */
static void complete(struct load *load, enum conf_scope scope, void *target)
{
    for (size_t i = 0; i < conf_key_count; i++) {
        const struct conf_key *key = &conf_keys[i];
        if (key->scope != scope || load->seen[i].file)
            continue;
        if (key->required)
            PROBLEM(load, load->begun.line, "%s is missing: add »%s = …«, %s", key->name, key->name,
                    key->help);
        else if (key->standard)
            conf_key_set(key, key->standard, "/", target, load->conf->texts, NULL);
    }
}

/* Is it a key of another section? The message then names that. */
static const struct conf_key *find_elsewhere(enum conf_scope scope, const char *name)
{
    for (enum conf_scope other = 0; other < CONF_SCOPES; other++) {
        const struct conf_key *key = conf_key_find(other, name);
        if (key && other != scope)
            return key;
    }
    return NULL;
}

static void report_unknown_key(struct load *load, int line, const char *name)
{
    const char *names[CONF_KEYS_MAX];
    size_t count = 0;
    BUFFER_CLEAN struct buffer known = {0};
    for (size_t i = 0; i < conf_key_count; i++) {
        if (conf_keys[i].scope != load->scope)
            continue;
        buffer_printf(&known, "%s%s", count ? ", " : "", conf_keys[i].name);
        names[count++] = conf_keys[i].name;
    }
    BUFFER_CLEAN struct buffer hint = {0};
    const struct conf_key *elsewhere = find_elsewhere(load->scope, name);
    const char *nearest = suggest_nearest(name, names, count);
    if (elsewhere)
        buffer_printf(&hint, "It belongs to %s. ", conf_scope_title(elsewhere->scope));
    else if (nearest)
        buffer_printf(&hint, "Did you mean »%s«? ", nearest);
    PROBLEM(load, line, "%s has no key »%s«. %sKeys: %s", conf_scope_title(load->scope), name,
            buffer_string(&hint), known.data);
}

static void take_include(struct load *load, int line, const char *pattern)
{
    if (load->included) {
        PROBLEM(load, line, "an included file cannot include others; move this line to %s",
                load->conf->file);
        return;
    }
    for (size_t i = 0; i < load->include_count; i++) {
        if (strcmp(load->includes[i].pattern, pattern) == 0) {
            PROBLEM(load, line, "»%s« is included already in line %d; delete one of the two",
                    pattern, load->includes[i].place.line);
            return;
        }
    }
    if (load->include_count == INCLUDES_MAX) {
        PROBLEM(load, line, "more than %d include lines; use a pattern like conf.d/*.conf",
                INCLUDES_MAX);
        return;
    }
    load->includes[load->include_count++] =
        (struct include){arena_text(load->conf->texts, pattern), {load->shown, line}};
}

static void take_key(struct load *load, int line, const struct conf_key *key, const char *value)
{
    struct place *seen = seen_place(load, key);
    if (seen->file && key->type != CONF_INCLUDE) {
        PROBLEM(load, line, "%s was given already in %s:%d; delete one of the two", key->name,
                seen->file, seen->line);
        return;
    }
    *seen = (struct place){load->shown, line};
    struct error error;
    if (conf_key_set(key, value, load->absolute, load->target, load->conf->texts, &error) != 0)
        PROBLEM(load, line, "%s", error.message);
    else if (key->type == CONF_INCLUDE)
        take_include(load, line, value);
}

/* A key that the plugin may know. Its value is not for messages: it may be a secret. */
static void take_setting(struct load *load, int line, const char *key, const char *value)
{
    struct conf_action *action = load->target;
    for (size_t i = 0; i < action->setting_count; i++) {
        if (strcmp(action->settings[i].key, key) == 0) {
            PROBLEM(load, line, "%s was given already in line %d; delete one of the two", key,
                    action->settings[i].line);
            return;
        }
    }
    if (action->setting_count == CONF_SETTINGS_MAX) {
        PROBLEM(load, line, "more than %d settings in one section", CONF_SETTINGS_MAX);
        return;
    }
    if (!action->settings)
        action->settings =
            arena_alloc(load->conf->texts, CONF_SETTINGS_MAX * sizeof *action->settings);
    action->settings[action->setting_count++] =
        (struct conf_setting){arena_text(load->conf->texts, key),
                              arena_text(load->conf->texts, value), load->absolute, line};
}

static void on_entry(void *context, int line, const char *name, const char *value)
{
    struct load *load = context;
    if (load->before_sections) {
        PROBLEM(load, line, "»%s« stands before the first section; sections are " SECTIONS_KNOWN,
                name);
        return;
    }
    if (!load->target)
        return; /* the section's heading was refused already */
    const struct conf_key *key = conf_key_find(load->scope, name);
    if (key)
        take_key(load, line, key, value);
    else if (load->scope == CONF_ACTION)
        take_setting(load, line, name, value);
    else
        report_unknown_key(load, line, name);
}

/* ---- sections ---- */

static void check_source(struct load *load)
{
    int lines[CONF_KEYS_MAX];
    for (size_t i = 0; i < conf_key_count; i++)
        lines[i] = load->seen[i].line;
    conf_source_check(load->target, load->shown, load->begun.line, lines, load->problems);
}

static void end_section(struct load *load)
{
    if (load->target && (load->scope == CONF_SOURCE || load->scope == CONF_ACTION)) {
        complete(load, load->scope, load->target);
        if (load->scope == CONF_SOURCE)
            check_source(load);
        for (size_t i = 0; i < conf_key_count; i++)
            if (conf_keys[i].scope == load->scope)
                load->seen[i] = (struct place){0};
    }
    load->target = NULL;
}

/* Check the NAME of a source or action. A bad one does not keep its keys from being checked. */
static void check_name(struct load *load, const char *kind, const char *name,
                       const struct place *earlier)
{
    if (!conf_name_is_valid(name))
        PROBLEM(load, load->begun.line,
                "»%s« is no name for %s: expected are small letters, digits, - and _, "
                "a letter or digit first, at most 63, as in [%s.main]",
                name, kind, kind);
    else if (earlier)
        PROBLEM(load, load->begun.line,
                "there is a [%s.%s] already in %s:%d; rename one of the two", kind, name,
                earlier->file, earlier->line);
}

static bool too_many(struct load *load, const char *kind, size_t count)
{
    if (count == CONF_SECTIONS_MAX)
        PROBLEM(load, load->begun.line, "more than %d sections [%s.NAME]", CONF_SECTIONS_MAX, kind);
    return count >= CONF_SECTIONS_MAX;
}

static void begin_source(struct load *load, const char *name)
{
    struct conf *conf = load->conf;
    if (too_many(load, "source", conf->source_count))
        return;
    const struct conf_source *earlier = conf_source(conf, name);
    check_name(load, "source", name,
               earlier ? &load->source_places[earlier - conf->sources] : NULL);
    load->source_places[conf->source_count] = load->begun;
    struct conf_source *source = &conf->sources[conf->source_count++];
    source->name = arena_text(conf->texts, name);
    source->file = load->absolute;
    source->line = load->begun.line;
    load->scope = CONF_SOURCE;
    load->target = source;
}

static void begin_action(struct load *load, const char *name)
{
    struct conf *conf = load->conf;
    if (too_many(load, "action", conf->action_count))
        return;
    const struct conf_action *earlier = conf_action(conf, name);
    check_name(load, "action", name,
               earlier ? &load->action_places[earlier - conf->actions] : NULL);
    load->action_places[conf->action_count] = load->begun;
    struct conf_action *action = &conf->actions[conf->action_count++];
    action->name = arena_text(conf->texts, name);
    action->file = load->absolute;
    action->line = load->begun.line;
    load->scope = CONF_ACTION;
    load->target = action;
}

static void report_unknown_section(struct load *load, const char *section)
{
    static const char *const heads[] = {"daemon", "http", "source", "action"};
    FREE_CLEAN char *head = memory_text_n(section, strcspn(section, "."));
    const char *nearest = suggest_nearest(head, heads, sizeof heads / sizeof *heads);
    BUFFER_CLEAN struct buffer hint = {0};
    for (enum conf_scope scope = 0; nearest && scope < CONF_SCOPES; scope++)
        if (strcmp(nearest, heads[scope]) == 0)
            buffer_printf(&hint, "Did you mean %s? ", conf_scope_title(scope));
    PROBLEM(load, load->begun.line, "there is no section [%s]. %sSections: " SECTIONS_KNOWN,
            section, buffer_string(&hint));
}

static void on_heading(void *context, int line, const char *section)
{
    struct load *load = context;
    end_section(load);
    load->before_sections = false;
    load->begun = (struct place){load->shown, line};
    if (strcmp(section, "daemon") == 0) {
        load->scope = CONF_DAEMON;
        load->target = &load->conf->daemon;
    } else if (strcmp(section, "http") == 0) {
        load->scope = CONF_HTTP;
        load->target = &load->conf->http;
    } else if (text_starts(section, "source.")) {
        begin_source(load, section + strlen("source."));
    } else if (text_starts(section, "action.")) {
        begin_action(load, section + strlen("action."));
    } else {
        report_unknown_section(load, section);
    }
}

static void on_problem(void *context, int line, const char *message)
{
    struct load *load = context;
    PROBLEM(load, line, "%s", message);
}

/* ---- files ---- */

/* Was this file read before, under whatever name? Else remember it. */
static bool is_known_file(struct load *load, const struct stat *status)
{
    for (size_t i = 0; i < load->file_count; i++)
        if (load->files[i].st_dev == status->st_dev && load->files[i].st_ino == status->st_ino)
            return true;
    load->files[load->file_count++] = *status;
    return false;
}

/* Append the text of the file being read; 1: it was read before, -1: reported. Never waits on a
 * pipe. */
static int read_text(struct load *load, struct buffer *text)
{
    FD_CLEAN int fd = open(load->shown, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    struct error error;
    if (fd < 0 || fstat(fd, &status) != 0) {
        PROBLEM(load, 0, "cannot open the file: %s", strerror(errno));
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        PROBLEM(load, 0, "this is no regular file");
        return -1;
    }
    if (is_known_file(load, &status))
        return 1;
    if (file_read_fd(fd, "the file", CONF_FILE_MAX, text, &error) != 0) {
        PROBLEM(load, 0, "%s", error.message);
        return -1;
    }
    return 0;
}

static char *absolute_path(const char *path)
{
    if (*path == '/')
        return memory_text(path);
    FREE_CLEAN char *folder = get_current_dir_name();
    return memory_format("%s/%s", folder ? folder : ".", path);
}

static void read_one(struct load *load, const char *path)
{
    static const struct ini_events events = {on_heading, on_entry, on_problem};
    FREE_CLEAN char *absolute = absolute_path(path);
    load->shown = arena_text(load->conf->texts, path);
    load->absolute = arena_text(load->conf->texts, absolute);
    if (!load->included)
        load->conf->file = load->absolute;
    BUFFER_CLEAN struct buffer text = {0};
    if (read_text(load, &text) != 0)
        return;
    load->before_sections = true;
    ini_read(text.data, text.size, &events, load);
    end_section(load);
}

/* The pattern as it counts from the file: what is special to glob(3) in the file's own folder is
 * not meant as such. The caller frees. */
static char *resolve_pattern(const char *file, const char *pattern)
{
    const char *slash = strrchr(file, '/');
    struct buffer resolved = {0};
    if (*pattern != '/' && slash) {
        for (const char *c = file; c <= slash; c++) {
            if (strchr("*?[]\\", *c))
                buffer_char(&resolved, '\\');
            buffer_char(&resolved, *c);
        }
    }
    buffer_text(&resolved, pattern);
    return buffer_steal(&resolved);
}

/* A folder that is not there holds nothing; one that cannot be read is an error. */
static int on_glob_error(const char *path, int error_number)
{
    (void)path;
    return error_number != ENOENT && error_number != ENOTDIR;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void report_include(struct load *load, const struct include *include, const char *what)
{
    conf_problems_add(load->problems, include->place.file, include->place.line,
                      "cannot include »%s«: %s", include->pattern, what);
}

static void read_matches(struct load *load, const struct include *include, glob_t *matches)
{
    qsort(matches->gl_pathv, matches->gl_pathc, sizeof *matches->gl_pathv, compare_paths);
    for (size_t i = 0; i < matches->gl_pathc; i++) {
        if (load->file_count == CONF_FILES_MAX) {
            report_include(load, include, "more than 100 files; put some of them into one");
            return;
        }
        read_one(load, matches->gl_pathv[i]);
    }
}

static void read_include(struct load *load, const struct include *include)
{
    FREE_CLEAN char *pattern = resolve_pattern(include->place.file, include->pattern);
    glob_t matches = {0};
    int result = glob(pattern, GLOB_NOSORT, on_glob_error, &matches);
    if (result == 0)
        read_matches(load, include, &matches);
    else if (result != GLOB_NOMATCH)
        report_include(load, include, "its folder cannot be read; check its permissions");
    else if (!strpbrk(include->pattern, "*?["))
        report_include(load, include, "there is no such file; create it, or delete the line");
    globfree(&matches);
}

static void read_all(struct load *load, const char *path)
{
    read_one(load, path);
    load->included = true;
    for (size_t i = 0; i < load->include_count; i++)
        read_include(load, &load->includes[i]);
    complete(load, CONF_DAEMON, &load->conf->daemon);
    complete(load, CONF_HTTP, &load->conf->http);
    struct conf_daemon *daemon = &load->conf->daemon;
    if (!daemon->plugin_dir && daemon->library_dir)
        daemon->plugin_dir = arena_format(load->conf->texts, "%s/plugins", daemon->library_dir);
}

struct conf *conf_load(const char *path, struct conf_problems *problems)
{
    struct conf *conf = memory_new(sizeof *conf);
    conf->texts = arena_new();
    conf->sources = memory_array(CONF_SECTIONS_MAX, sizeof *conf->sources);
    conf->actions = memory_array(CONF_SECTIONS_MAX, sizeof *conf->actions);
    FREE_CLEAN struct load *load = memory_new(sizeof *load);
    load->conf = conf;
    load->problems = problems;
    read_all(load, path);
    if (!problems->count)
        return conf;
    conf_free(conf);
    return NULL;
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    for (size_t i = 0; i < conf->source_count; i++)
        conf_source_forget(&conf->sources[i]);
    free(conf->sources);
    free(conf->actions);
    arena_free(conf->texts);
    free(conf);
}

const struct conf_source *conf_source(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->source_count; i++)
        if (strcmp(conf->sources[i].name, name) == 0)
            return &conf->sources[i];
    return NULL;
}

const struct conf_action *conf_action(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->action_count; i++)
        if (strcmp(conf->actions[i].name, name) == 0)
            return &conf->actions[i];
    return NULL;
}
