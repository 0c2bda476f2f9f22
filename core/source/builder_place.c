#include "source/builder_place.h"

#include <string.h>

#include "base/suggest.h"
#include "base/text.h"

#define KEYS_MAX 32

size_t place_enter(struct place *place, const char *format, ...)
{
    size_t back = place->path.size;
    va_list arguments;
    va_start(arguments, format);
    if (!back && *format == '.')
        format++;
    buffer_vprintf(&place->path, format, arguments);
    va_end(arguments);
    return back;
}

void place_leave(struct place *place, size_t back)
{
    place->path.size = back;
    if (place->path.data)
        place->path.data[back] = '\0';
}

int place_failed(struct place *place, int error_filled)
{
    (void)error_filled;
    char where[200];
    text_copy(where, sizeof where, buffer_string(&place->path));
    if (*where)
        error_prefix(place->error, "%s: ", where);
    return -1;
}

const char *place_shown(char target[PLACE_SHOWN], const char *text)
{
    if (strlen(text) < PLACE_SHOWN - 8)
        text_copy(target, PLACE_SHOWN, text);
    else {
        text_copy(target, PLACE_SHOWN - 8, text);
        strcat(target, "…");
    }
    return target;
}

static int refuse_key(struct place *place, const char *key, const char *const *known, size_t count)
{
    char shown[PLACE_SHOWN];
    const char *near = suggest_nearest(key, known, count);
    BUFFER_CLEAN struct buffer list = {0};
    for (size_t i = 0; i < count; i++)
        buffer_printf(&list, "%s%s", i ? ", " : "", known[i]);
    return place_failed(
        place,
        near ? error_say(place->error, ERROR_INPUT, "there is no key »%s«; did you mean »%s«?",
                         "Einen Schlüssel »%s« gibt es nicht; ist »%s« gemeint?",
                         place_shown(shown, key), near)
             : error_say(place->error, ERROR_INPUT, "there is no key »%s«; there are: %s",
                         "Einen Schlüssel »%s« gibt es nicht; es gibt: %s", place_shown(shown, key),
                         buffer_string(&list)));
}

int place_keys(struct place *place, const json_t *object, const char *const *known)
{
    const char *key;
    json_t *value;
    size_t count = 0;
    if (!json_is_object(object))
        return place_failed(place, error_say(place->error, ERROR_INPUT,
                                             "an object with keys, { … }, is needed here",
                                             "Hier wird ein Objekt mit Schlüsseln, { … }, "
                                             "gebraucht."));
    while (known[count])
        count++;
    json_object_foreach((json_t *)object, key, value) {
        size_t i = 0;
        while (i < count && strcmp(known[i], key) != 0)
            i++;
        if (i == count)
            return refuse_key(place, key, known, count);
    }
    return 0;
}

int place_missing(struct place *place, const char *key)
{
    return place_failed(place, error_say(place->error, ERROR_INPUT, "the key »%s« is missing",
                                         "Der Schlüssel »%s« fehlt.", key));
}

int place_check_text(struct place *place, const json_t *value, size_t most, const char **text)
{
    if (!json_is_string(value) || !json_string_length(value))
        return place_failed(place, error_say(place->error, ERROR_INPUT,
                                             "a text that is not empty is needed here",
                                             "Hier wird ein Text gebraucht, der nicht leer ist."));
    if (json_string_length(value) > most)
        return place_failed(place, error_say(place->error, ERROR_INPUT,
                                             "the text is longer than %zu bytes",
                                             "Der Text ist länger als %zu Bytes.", most));
    if (strlen(json_string_value(value)) != json_string_length(value))
        return place_failed(place, error_say(place->error, ERROR_INPUT,
                                             "the text holds a zero character; remove it",
                                             "Der Text enthält ein Null-Zeichen; es entfernen."));
    *text = json_string_value(value);
    return 0;
}

int place_text(struct place *place, const json_t *object, const char *key, size_t most,
               const char **text)
{
    const json_t *value = json_object_get(object, key);
    *text = NULL;
    if (!value || json_is_null(value))
        return 0;
    size_t back = place_enter(place, ".%s", key);
    if (place_check_text(place, value, most, text) < 0)
        return -1;
    place_leave(place, back);
    return 0;
}

int place_list(struct place *place, const json_t *object, const char *key, size_t most,
               const json_t **list)
{
    const json_t *value = json_object_get(object, key);
    *list = NULL;
    if (!value || json_is_null(value))
        return 0;
    size_t back = place_enter(place, ".%s", key);
    if (!json_is_array(value) || !json_array_size(value))
        return place_failed(place,
                            error_say(place->error, ERROR_INPUT,
                                      "a list that is not empty, [ … ], is needed here",
                                      "Hier wird eine Liste gebraucht, [ … ], die nicht leer "
                                      "ist."));
    if (json_array_size(value) > most)
        return place_failed(place, error_say(place->error, ERROR_INPUT,
                                             "the list has more than %zu entries",
                                             "Die Liste hat mehr als %zu Einträge.", most));
    place_leave(place, back);
    *list = value;
    return 0;
}

int place_flag(struct place *place, const json_t *object, const char *key, int *flag)
{
    const json_t *value = json_object_get(object, key);
    *flag = json_is_true(value);
    if (!value || json_is_null(value) || json_is_boolean(value))
        return 0;
    place_enter(place, ".%s", key);
    return place_failed(place, error_say(place->error, ERROR_INPUT, "true or false is needed here",
                                         "Hier wird true oder false gebraucht."));
}
