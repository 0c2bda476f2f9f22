/* Reasons stand in a run's files, in English. To a clerk who reads German those that campaignd itself
 * wrote are told in German; what a server or a plugin said stays as it is. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "ctl/command.h"

#define PLACES 3

/* {1}, {2} … stand for any text; what the last of them stands for is itself a reason. */
static const struct wording {
    const char *english, *german;
    size_t places;
} wordings[] = {
    {"suppressed: {1}", "gesperrt: {1}", 1},
    {"no longer selected: {1}", "nicht mehr ausgewählt: {1}", 1},
    {"given up after {1} attempts: {2}", "aufgegeben nach {1} Versuchen: {2}", 2},
    {"the step »{1}« before it ended as {2}", "der Schritt »{1}« davor endete als: {2}", 2},
    {"{1}: {2} of at most {3}", "{1}: {2} von höchstens {3}", 3},
    {"the step's condition does not hold", "die Bedingung des Schritts trifft nicht zu", 0},
    {"not in the query any more", "nicht mehr in der Abfrage", 0},
    {"its key is not UTF-8", "der Schlüssel ist nicht in UTF-8", 0},
    {"the key is longer than 1000 bytes, is no UTF-8, or holds control characters",
     "der Schlüssel ist länger als 1000 Bytes, nicht in UTF-8 oder enthält Steuerzeichen", 0},
    {"the key is longer than 1000 bytes", "der Schlüssel ist länger als 1000 Bytes", 0},
};

/* Does the text read so? What the places stand for, for the caller to free in any case. */
static bool reads(const char *text, const char *wording, char *values[PLACES])
{
    size_t place = 0;
    while (*wording) {
        if (*wording != '{') {
            if (*wording++ != *text++)
                return false;
            continue;
        }
        wording += strlen("{1}");
        size_t literal = strcspn(wording, "{");
        FREE_CLEAN char *next = memory_text_n(wording, literal);
        const char *end = literal ? strstr(text, next) : text + strlen(text);
        if (!end)
            return false;
        values[place++] = memory_text_n(text, (size_t)(end - text));
        text = end;
    }
    return !*text;
}

/* "objection of 2026-11-25"; NULL: it is none. */
static char *entry_of_a_day(const char *text)
{
    static const char shape[] = "0000-00-00";
    const char *of = strstr(text, " of "), *day = of ? of + strlen(" of ") : "";
    if (strlen(day) != strlen(shape))
        return NULL;
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == '0' ? !isdigit((unsigned char)day[i]) : day[i] != shape[i])
            return NULL;
    FREE_CLEAN char *reason = memory_text_n(text, (size_t)(of - text));
    return memory_format("%s vom %.2s.%.2s.%.4s", message_label(reason), day + 8, day + 5, day);
}

static char *worded(const struct wording *wording, char *values[PLACES])
{
    struct buffer text = {0};
    for (const char *c = wording->german; *c; c++) {
        if (*c != '{') {
            buffer_char(&text, *c);
            continue;
        }
        size_t place = (size_t)(c[1] - '1');
        FREE_CLEAN char *last = place + 1 == wording->places ? reason_text(values[place]) : NULL;
        buffer_text(&text, last ? last : values[place]);
        c += strlen("{1}") - 1;
    }
    return buffer_steal(&text);
}

char *reason_text(const char *text)
{
    if (messages_language() != LANGUAGE_GERMAN)
        return memory_text(text);
    char *found = NULL;
    for (size_t i = 0; i < sizeof wordings / sizeof *wordings && !found; i++) {
        char *values[PLACES] = {NULL};
        if (reads(text, wordings[i].english, values))
            found = worded(&wordings[i], values);
        for (size_t place = 0; place < PLACES; place++)
            free(values[place]);
    }
    if (!found)
        found = entry_of_a_day(text);
    return found ? found : memory_text(message_label(text));
}

char *where_text(const char *where)
{
    static const char *const nouns[] = {"campaign", "query", "group", "filter", "report", "step"};
    for (size_t i = 0; i < sizeof nouns / sizeof *nouns; i++) {
        size_t length = strlen(nouns[i]);
        if (text_starts(where, nouns[i]) && (!where[length] || where[length] == ' '))
            return memory_format("%s%s", message_label(nouns[i]), where + length);
    }
    return memory_text(where);
}

void translate_members(json_t *objects, const char *key, char *(*translate)(const char *text))
{
    for (size_t i = 0; i < json_array_size(objects); i++) {
        json_t *object = json_array_get(objects, i);
        const char *text = json_string_value(json_object_get(object, key));
        FREE_CLEAN char *translated = text ? translate(text) : NULL;
        if (translated)
            json_object_set_new(object, key, json_string(translated));
    }
}
