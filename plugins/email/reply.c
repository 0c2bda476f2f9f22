#include "reply.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The line is whole: check its code and keep its text. */
static enum reply_result end_line(struct reply *reply)
{
    char *line = reply->line;
    size_t length = reply->line_length;
    reply->line_length = 0;
    if (length && line[length - 1] == '\r')
        length--;
    line[length] = 0;
    if (length < 3 || line[0] < '2' || line[0] > '5' || !isdigit((unsigned char)line[1]) ||
        !isdigit((unsigned char)line[2]) || (length > 3 && line[3] != ' ' && line[3] != '-'))
        return REPLY_GARBAGE;
    int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (reply->code && reply->code != code)
        return REPLY_GARBAGE;
    const char *text = length > 3 ? line + 4 : line + 3;
    size_t text_length = strlen(text);
    if (reply->length + text_length + 2 > sizeof(reply->text))
        return REPLY_GARBAGE;
    if (reply->code)
        reply->text[reply->length++] = '\n';
    reply->code = code;
    memcpy(reply->text + reply->length, text, text_length + 1);
    reply->length += text_length;
    return length > 3 && line[3] == '-' ? REPLY_INCOMPLETE : REPLY_COMPLETE;
}

enum reply_result reply_feed(struct reply *reply, const char *data, size_t length, size_t *taken)
{
    if (reply->complete) {
        reply->complete = 0;
        reply->code = 0;
        reply->length = 0;
        reply->line_length = 0;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)data[i];
        *taken = i + 1;
        if (c == '\n') {
            enum reply_result result = end_line(reply);
            if (result == REPLY_INCOMPLETE)
                continue;
            reply->complete = 1;
            return result;
        }
        if (reply->line_length + 2 > sizeof(reply->line))
            return REPLY_GARBAGE;
        int printable = (c >= 0x20 && c < 0x7f) || c == '\r' || c == '\t';
        reply->line[reply->line_length++] = printable ? (char)c : '?';
    }
    *taken = length;
    return REPLY_INCOMPLETE;
}

void reply_capabilities(const struct reply *reply, struct smtp_capabilities *out)
{
    *out = (struct smtp_capabilities){0};
    const char *line = strchr(reply->text, '\n');
    for (; line; line = strchr(line, '\n')) {
        line++;
        size_t word = strcspn(line, " \n");
        if (word == 10 && !strncasecmp(line, "PIPELINING", word))
            out->pipelining = 1;
        if (word == 4 && !strncasecmp(line, "SIZE", word)) {
            out->size = 1;
            out->size_max = line[word] == ' ' ? strtoll(line + word + 1, NULL, 10) : 0;
        }
    }
}

/* How servers write the id: what stands before it, and what ends it. */
static const struct id_pattern {
    const char *before;
    const char *ends_at;
} id_patterns[] = {
    {"queued as ", " \n,;)>]"},
    {"InternalId=", " \n,;)>]"},
    {"id=", " \n,;)>]"},
};

static int copy_id(const char *from, size_t length, char id[REPLY_ID_MAX])
{
    if (length < 3 || length >= REPLY_ID_MAX)
        return -1;
    memcpy(id, from, length);
    id[length] = 0;
    return 0;
}

/* The word that stands before `mark`, as in "2.0.0 xyz123 Message accepted" or "… xyz - gsmtp". */
static int word_before(const char *text, const char *mark, char id[REPLY_ID_MAX])
{
    const char *end = strstr(text, mark);
    if (!end)
        return -1;
    const char *start = end;
    while (start > text && !isspace((unsigned char)start[-1]))
        start--;
    return copy_id(start, (size_t)(end - start), id);
}

int reply_queue_id(const struct reply *reply, char id[REPLY_ID_MAX])
{
    for (size_t i = 0; i < sizeof(id_patterns) / sizeof(id_patterns[0]); i++) {
        const char *at = strcasestr(reply->text, id_patterns[i].before);
        if (!at)
            continue;
        at += strlen(id_patterns[i].before);
        if (copy_id(at, strcspn(at, id_patterns[i].ends_at), id) == 0)
            return 0;
    }
    if (word_before(reply->text, " Message accepted", id) == 0)
        return 0;
    return word_before(reply->text, " - gsmtp", id);
}

void reply_line(const struct reply *reply, char *line, size_t size)
{
    snprintf(line, size, "%d%s%s", reply->code, reply->length ? " " : "", reply->text);
    for (char *c = line; *c; c++) {
        if (*c == '\n' || *c == '\r' || *c == '\t')
            *c = ' ';
    }
}
