/* Style sheets: the text of <style>, cut into rules. */

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "report/letter/style.h"

#define MAX_RULES 500

#define MAX_PARTS 4

/* "tag", ".class" or "tag.class". */
struct part {
    const char *tag;        /* NULL: any */
    const char *class_name; /* NULL: any */
};

struct rule {
    struct part parts[MAX_PARTS]; /* from the element outwards */
    unsigned count;
    unsigned weight; /* CSS's specificity */
    struct declaration *declarations;
};

struct sheet {
    struct rule *rules; /* from the weakest to the strongest, else as written */
    size_t count;
    size_t capacity;
};

struct sheet *sheet_new(struct job *job)
{
    return arena_alloc(job->arena, sizeof(struct sheet));
}

bool sheet_has_class(const char *classes, const char *name)
{
    size_t size = strlen(name);
    while (classes && *classes) {
        classes += strspn(classes, " \t\n\r\f");
        size_t length = strcspn(classes, " \t\n\r\f");
        if (length == size && memcmp(classes, name, size) == 0)
            return true;
        classes += length;
    }
    return false;
}

static bool part_matches(const struct part *part, const struct element_name *name)
{
    return (!part->tag || strcasecmp(part->tag, name->tag) == 0) &&
           (!part->class_name || sheet_has_class(name->classes, part->class_name));
}

static bool rule_matches(const struct rule *rule, const struct element_name *path, size_t length)
{
    unsigned part = 1;
    if (!part_matches(&rule->parts[0], &path[0]))
        return false;
    for (size_t i = 1; i < length && part < rule->count; i++)
        part += part_matches(&rule->parts[part], &path[i]);
    return part == rule->count;
}

size_t sheet_match(const struct sheet *sheet, const struct element_name *path, size_t length,
                   struct declaration **lists, size_t room)
{
    size_t found = 0;
    for (size_t i = 0; i < sheet->count && found < room; i++)
        if (rule_matches(&sheet->rules[i], path, length))
            lists[found++] = sheet->rules[i].declarations;
    return found;
}

static int add_rule(struct job *job, struct sheet *sheet, struct rule rule, struct position at)
{
    if (sheet->count == MAX_RULES)
        return job_fail(job, at, "the style sheet has more than %d rules", MAX_RULES);
    sheet->rules = job_grow(job, sheet->rules, sheet->count, &sheet->capacity, sizeof rule);
    size_t place = sheet->count++;
    for (; place && sheet->rules[place - 1].weight > rule.weight; place--)
        sheet->rules[place] = sheet->rules[place - 1];
    sheet->rules[place] = rule;
    return 0;
}

static size_t name_size(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && (isalnum((unsigned char)text[i]) || text[i] == '-' || text[i] == '_' ||
                        (text[i] & 0x80)))
        i++;
    return i;
}

static bool read_part(struct job *job, const char *text, size_t size, struct rule *rule)
{
    struct part *part = &rule->parts[0];
    size_t tag = name_size(text, size);
    if (rule->count == MAX_PARTS)
        return false;
    memmove(part + 1, part, rule->count++ * sizeof *part);
    *part = (struct part){0};
    if (tag) {
        part->tag = arena_text_n(job->arena, text, tag);
        rule->weight += 1;
    }
    if (tag == size)
        return tag > 0;
    if (text[tag] != '.' || name_size(text + tag + 1, size - tag - 1) != size - tag - 1 ||
        size - tag == 1)
        return false;
    part->class_name = arena_text_n(job->arena, text + tag + 1, size - tag - 1);
    rule->weight += 10;
    return true;
}

/* Parts with blanks between them: the last is the element's own. */
static bool read_selector(struct job *job, const char *text, size_t size, struct rule *rule)
{
    size_t begin = 0;
    while (begin < size) {
        size_t end = begin;
        while (end < size && !isspace((unsigned char)text[end]))
            end++;
        if (end > begin && !read_part(job, text + begin, end - begin, rule))
            return false;
        begin = end + 1;
    }
    return rule->count > 0;
}

static int read_selectors(struct job *job, struct sheet *sheet, const char *text, size_t size,
                          struct declaration *declarations, struct position at)
{
    size_t begin = 0;
    while (begin < size) {
        const char *comma = memchr(text + begin, ',', size - begin);
        size_t end = comma ? (size_t)(comma - text) : size;
        size_t next = end + 1;
        while (begin < end && isspace((unsigned char)text[begin]))
            begin++;
        while (end > begin && isspace((unsigned char)text[end - 1]))
            end--;
        struct rule rule = {.declarations = declarations};
        struct position here = position_after(at, text, begin);
        if (!read_selector(job, text + begin, end - begin, &rule))
            job_warn(job, here,
                     "the selector »%.*s« is not known here (element, .class, element.class "
                     "and one inside another are); its rule is ignored",
                     end - begin > 60 ? 60 : (int)(end - begin), text + begin);
        else if (add_rule(job, sheet, rule, here))
            return -1;
        begin = next;
    }
    return 0;
}

/* Comments become blanks, so that nothing after this needs to know of them, and positions stay. */
static char *without_comments(struct job *job, const char *text, size_t size)
{
    char *copy = arena_text_n(job->arena, text, size);
    bool inside = false;
    for (size_t i = 0; i < size; i++) {
        bool ends = inside && copy[i] == '*' && i + 1 < size && copy[i + 1] == '/';
        inside = inside || (copy[i] == '/' && i + 1 < size && copy[i + 1] == '*');
        if (inside && copy[i] != '\n')
            copy[i] = ' ';
        if (ends) {
            copy[++i] = ' ';
            inside = false;
        }
    }
    return copy;
}

/* The end of an at-rule: its semicolon, or the brace that closes its block. */
static size_t at_rule_size(const char *text, size_t size)
{
    unsigned depth = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ';' && !depth)
            return i + 1;
        depth += text[i] == '{';
        if (text[i] == '}' && depth && --depth == 0)
            return i + 1;
    }
    return size;
}

/* One rule at the beginning of `text`; `used` is how much it takes. */
static int read_rule(struct job *job, struct sheet *sheet, const char *text, size_t size,
                     struct position at, size_t *used)
{
    if (*text == '@') {
        *used = at_rule_size(text, size);
        job_warn(job, at, "@ rules are not known here; it is ignored");
        return 0;
    }
    const char *open = memchr(text, '{', size);
    if (!open) {
        *used = size;
        job_warn(job, at, "the style sheet ends within a rule");
        return 0;
    }
    size_t head = (size_t)(open - text), body = head + 1;
    const char *close = memchr(text + body, '}', size - body);
    size_t end = close ? (size_t)(close - text) : size;
    *used = end + (close != NULL);
    struct declaration *declarations =
        style_read(job, text + body, end - body, position_after(at, text, body));
    return read_selectors(job, sheet, text, head, declarations, at);
}

int sheet_read(struct job *job, struct sheet *sheet, const char *text, size_t size,
               struct position at)
{
    text = without_comments(job, text, size);
    while (size) {
        size_t used = 1;
        if (!isspace((unsigned char)*text) && read_rule(job, sheet, text, size, at, &used))
            return -1;
        at = position_after(at, text, used);
        text += used;
        size -= used;
    }
    return 0;
}
