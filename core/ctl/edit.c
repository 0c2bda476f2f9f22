#include "ctl/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "ctl/table.h"

#define FILE_MAXIMUM ((size_t)256 * 1024 * 1024)
#define DEPTH_MAXIMUM 16
#define INDENTED (JSON_INDENT(2) | JSON_ENCODE_ANY)

/* ---- --set ---- */

/* "a.b\.c.0" → "a", "b.c", "0". Their number, 0 if there are none or too many. */
static size_t split_path(const char *path, size_t size, char **parts)
{
    size_t count = 0;
    struct buffer part = {0};
    for (size_t i = 0; i <= size; i++) {
        if (i < size && path[i] == '\\' && i + 1 < size && path[i + 1] == '.') {
            buffer_char(&part, path[++i]);
        } else if (i == size || path[i] == '.') {
            if (count == DEPTH_MAXIMUM || !part.size) {
                buffer_free(&part);
                while (count)
                    free(parts[--count]);
                return 0;
            }
            parts[count++] = buffer_steal(&part);
        } else {
            buffer_char(&part, path[i]);
        }
    }
    return count;
}

static bool is_index(const char *text, size_t *index)
{
    int64_t number;
    if (text_to_int64(text, &number) || number < 0)
        return false;
    *index = (size_t)number;
    return true;
}

static json_t *get(json_t *container, const char *part)
{
    size_t index;
    if (json_is_array(container))
        return is_index(part, &index) ? json_array_get(container, index) : NULL;
    return json_object_get(container, part);
}

/* 0, or -1 where there is no such place. `value` is borrowed. */
static int put(json_t *container, const char *part, json_t *value)
{
    size_t index;
    if (json_is_object(container))
        return json_object_set(container, part, value);
    if (!json_is_array(container) || !is_index(part, &index))
        return -1;
    return index == json_array_size(container) ? json_array_append(container, value)
                                               : json_array_set(container, index, value);
}

/* Walk to the last part's container, making what is missing on the way. NULL and *bad: no way. */
static json_t *descend(json_t *document, char **parts, size_t count, const char **bad)
{
    json_t *at = document;
    for (size_t i = 0; i + 1 < count; i++) {
        json_t *next = get(at, parts[i]);
        if (!json_is_object(next) && !json_is_array(next)) {
            size_t index;
            json_t *made = is_index(parts[i + 1], &index) ? json_array() : json_object();
            int result = next && !json_is_null(next) ? -1 : put(at, parts[i], made);
            json_decref(made);
            if (result) {
                *bad = parts[i];
                return NULL;
            }
            next = get(at, parts[i]);
        }
        at = next;
    }
    return at;
}

/* JSON if it is any, else the text; "@FILE" the file's content, in base64 where the key wants it.
 */
static int read_value(struct invocation *invocation, const char *key, const char *text,
                      json_t **value)
{
    static const char base64[] = "_base64";
    if (*text != '@') {
        *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        if (!*value)
            *value = json_string(text);
    } else {
        struct error error;
        BUFFER_CLEAN struct buffer content = {0};
        BUFFER_CLEAN struct buffer encoded = {0};
        if (file_read(text + 1, FILE_MAXIMUM, &content, &error))
            return fail_error(invocation, EXIT_USAGE, &error);
        size_t length = strlen(key);
        bool binary = length > strlen(base64) && text_equal(key + length - strlen(base64), base64);
        if (binary)
            text_base64(&encoded, content.data, content.size);
        const struct buffer *source = binary ? &encoded : &content;
        *value = json_stringn(buffer_string(source), source->size);
    }
    return *value ? EXIT_OK
                  : fail_with(invocation, EXIT_USAGE, memory_format("--set %s: UTF-8?", key));
}

static int apply_set(struct invocation *invocation, json_t *document, const char *set)
{
    const char *equals = strchr(set, '=');
    char *parts[DEPTH_MAXIMUM];
    size_t count = equals ? split_path(set, (size_t)(equals - set), parts) : 0;
    if (!count)
        return fail(invocation, EXIT_USAGE, MESSAGE_BAD_SET, set);
    json_t *value = NULL;
    int code = read_value(invocation, parts[count - 1], equals + 1, &value);
    const char *bad = parts[count - 1];
    json_t *container = code ? NULL : descend(document, parts, count, &bad);
    if (!code && (!container || put(container, parts[count - 1], value)))
        code = fail(invocation, EXIT_USAGE, MESSAGE_BAD_SET_PATH, set, bad);
    json_decref(value);
    while (count)
        free(parts[--count]);
    return code;
}

int edit_apply_sets(struct invocation *invocation, json_t *document)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < invocation->sets.count && !code; i++)
        code = apply_set(invocation, document, invocation->sets.items[i]);
    return code;
}

/* ---- files ---- */

static int parse(struct invocation *invocation, const char *name, const struct buffer *text,
                 json_t **document)
{
    json_error_t where;
    *document = json_loadb(buffer_string(text), text->size,
                           JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (json_is_object(*document))
        return EXIT_OK;
    if (*document) {
        json_decref(*document);
        *document = NULL;
        return fail(invocation, EXIT_USAGE, MESSAGE_NOT_OBJECT, name);
    }
    FREE_CLEAN char *line = memory_format("%d", where.line);
    FREE_CLEAN char *column = memory_format("%d", where.column);
    return fail(invocation, EXIT_USAGE, MESSAGE_BAD_JSON, name, line, column, where.text);
}

int edit_read_file(struct invocation *invocation, json_t **document)
{
    struct error error;
    BUFFER_CLEAN struct buffer text = {0};
    bool standard = text_equal(invocation->file, "-");
    const char *name = standard ? "stdin" : invocation->file;
    int result = standard ? file_read_fd(STDIN_FILENO, name, FILE_MAXIMUM, &text, &error)
                          : file_read(name, FILE_MAXIMUM, &text, &error);
    if (result)
        return fail_error(invocation, EXIT_USAGE, &error);
    return parse(invocation, name, &text, document);
}

/* ---- the editor ---- */

static const char *editor(void)
{
    const char *visual = getenv("VISUAL"), *plain = getenv("EDITOR");
    if (visual && *visual)
        return visual;
    if (plain && *plain)
        return plain;
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? "editor" : NULL;
}

/* $EDITOR may be a command with options, so the shell takes it apart; the path is an argument. */
static int run_editor(struct invocation *invocation, const char *command, const char *path)
{
    FREE_CLEAN char *script = memory_format("%s \"$1\"", command);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", script, "sh", path, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EXIT_OK;
    FREE_CLEAN char *number =
        memory_format("%d", child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : status);
    return fail(invocation, EXIT_WRONG, MESSAGE_EDITOR_FAILED, command, number);
}

static int write_draft(struct invocation *invocation, const json_t *document, char **path,
                       char **text)
{
    const char *folder = getenv("TMPDIR");
    *path = memory_format("%s/campaignctl-XXXXXX.json", folder && *folder ? folder : "/tmp");
    *text = json_dumps(document, INDENTED);
    FD_CLEAN int fd = mkostemps(*path, (int)strlen(".json"), O_CLOEXEC);
    if (fd >= 0 && *text && !file_write_all(fd, *text, strlen(*text)) &&
        !file_write_all(fd, "\n", 1))
        return EXIT_OK;
    return fail(invocation, EXIT_WRONG, MESSAGE_CANNOT_WRITE, *path, strerror(errno));
}

/* One round: editor, parse, submit. */
static int edit_once(struct invocation *invocation, const char *path, const char *original,
                     edit_submit submit, void *context, bool *changed)
{
    int code = run_editor(invocation, editor(), path);
    if (code)
        return code;
    struct error error;
    BUFFER_CLEAN struct buffer text = {0};
    if (file_read(path, FILE_MAXIMUM, &text, &error))
        return fail_error(invocation, EXIT_WRONG, &error);
    size_t length = strlen(original);
    *changed = !(text.size == length + 1 && !memcmp(text.data, original, length));
    if (!*changed)
        return EXIT_OK;
    json_t *document = NULL;
    code = parse(invocation, path, &text, &document);
    if (!code)
        code = submit(invocation, document, context);
    json_decref(document);
    return code;
}

static bool again(struct invocation *invocation)
{
    if (!isatty(STDIN_FILENO))
        return false;
    FREE_CLEAN char *clean = table_clean(invocation->failure ? invocation->failure : "", false);
    fprintf(stderr, "campaignctl: %s\n", clean);
    return confirm(message_with(MESSAGE_EDIT_AGAIN, (char *)NULL), true);
}

int edit_interactively(struct invocation *invocation, const json_t *document, edit_submit submit,
                       void *context, bool *changed)
{
    if (!editor())
        return fail(invocation, EXIT_USAGE, MESSAGE_NO_EDITOR);
    FREE_CLEAN char *path = NULL;
    FREE_CLEAN char *original = NULL;
    int code = write_draft(invocation, document, &path, &original);
    if (code)
        return code;
    do
        code = edit_once(invocation, path, original, submit, context, changed);
    while (code && again(invocation));
    if (!code) {
        unlink(path);
        return EXIT_OK;
    }
    FREE_CLEAN char *kept = message_with(MESSAGE_TEXT_KEPT, path, (char *)NULL);
    return fail_with(invocation, code, memory_format("%s %s", invocation->failure, kept));
}
