#include "source/folding.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/ucasemap.h>
#include <unicode/ucol.h>

#include "base/memory.h"

#define QUOTED(text) #text
#define TEXT_OF(macro) QUOTED(macro)
#define ICU_FILE(name) "lib" name ".so." TEXT_OF(U_ICU_VERSION_MAJOR_NUM)

/* ICU's names carry its version, by macros: TEXT_OF(ucol_open) is "ucol_open_72". */
static struct {
    __typeof__(ucol_open) *open;
    __typeof__(ucol_setAttribute) *set;
    __typeof__(ucol_strcollUTF8) *compare;
    __typeof__(ucasemap_open) *open_cases;
    __typeof__(ucasemap_utf8FoldCase) *fold;
    __typeof__(ucasemap_utf8ToLower) *lower;
    __typeof__(ucasemap_utf8ToUpper) *upper;
} icu;

static UCollator *collator;
static UCaseMap *cases;

/* Where an ASCII character stands in the alphabet, A beside a; 0: only ICU knows what it is worth. */
static uint8_t ranks[256];

/* ---- ICU ---- */

static int find(void *library, const char *name, void *function, struct error *error)
{
    void *found = dlsym(library, name);
    if (!found)
        return error_set(error, ERROR_SYSTEM, "ICU has no function %s: %s", name, dlerror());
    memcpy(function, &found, sizeof found);
    return 0;
}

static int find_all(void *collation, void *common, struct error *error)
{
    return find(collation, TEXT_OF(ucol_open), &icu.open, error) != 0 ||
                   find(collation, TEXT_OF(ucol_setAttribute), &icu.set, error) != 0 ||
                   find(collation, TEXT_OF(ucol_strcollUTF8), &icu.compare, error) != 0 ||
                   find(common, TEXT_OF(ucasemap_open), &icu.open_cases, error) != 0 ||
                   find(common, TEXT_OF(ucasemap_utf8FoldCase), &icu.fold, error) != 0 ||
                   find(common, TEXT_OF(ucasemap_utf8ToLower), &icu.lower, error) != 0 ||
                   find(common, TEXT_OF(ucasemap_utf8ToUpper), &icu.upper, error) != 0
               ? -1
               : 0;
}

static int compare_by_icu(const char *a, size_t a_length, const char *b, size_t b_length)
{
    UErrorCode code = U_ZERO_ERROR;
    return (int)icu.compare(collator, a, (int32_t)a_length, b, (int32_t)b_length, &code);
}

static int by_letter(const void *a, const void *b)
{
    return compare_by_icu(a, 1, b, 1);
}

/* What ICU ignores ("" is as good) gets no rank. */
static void rank_ascii(void)
{
    char letters[128] = "";
    size_t count = 0;
    for (char c = 1; c < 127; c++)
        if (compare_by_icu(&c, 1, "", 0) != 0)
            letters[count++] = c;
    qsort(letters, count, 1, by_letter);
    uint8_t rank = 1;
    for (size_t i = 0; i < count; i++) {
        if (i && compare_by_icu(&letters[i - 1], 1, &letters[i], 1) != 0)
            rank++;
        ranks[(unsigned char)letters[i]] = rank;
    }
}

static int open_icu(struct error *error)
{
    UErrorCode code = U_ZERO_ERROR;
    collator = icu.open("", &code);
    if (U_SUCCESS(code)) {
        icu.set(collator, UCOL_STRENGTH, UCOL_SECONDARY, &code);
        icu.set(collator, UCOL_NORMALIZATION_MODE, UCOL_ON, &code);
        cases = icu.open_cases("", U_FOLD_CASE_DEFAULT, &code);
    }
    return U_SUCCESS(code)
               ? 0
               : error_set(error, ERROR_SYSTEM, "ICU cannot be used: error %d", (int)code);
}

int folding_load(struct error *error)
{
    if (cases)
        return 0;
    void *collation = dlopen(ICU_FILE("icui18n"), RTLD_NOW);
    void *common = collation ? dlopen(ICU_FILE("icuuc"), RTLD_NOW) : NULL;
    if (!common)
        return error_set(error, ERROR_SYSTEM,
                         "cannot open ICU, which compares texts: %s; install the package libicu%s",
                         dlerror(), TEXT_OF(U_ICU_VERSION_MAJOR_NUM));
    if (find_all(collation, common, error) != 0 || open_icu(error) != 0)
        return -1;
    rank_ascii();
    return 0;
}

/* ---- comparing ---- */

/* ICU's rules tell ß from ss; folded, they are the same. */
static bool has_sharp_s(const char *text, size_t length)
{
    return memmem(text, length, "\u00df", 2) || memmem(text, length, "\u1e9e", 3);
}

static int compare_others(const char *a, size_t a_length, const char *b, size_t b_length)
{
    BUFFER_CLEAN struct buffer left = {0}, right = {0};
    if (!has_sharp_s(a, a_length) && !has_sharp_s(b, b_length))
        return compare_by_icu(a, a_length, b, b_length);
    folding_fold(&left, a, a_length);
    folding_fold(&right, b, b_length);
    return compare_by_icu(buffer_string(&left), left.size, buffer_string(&right), right.size);
}

/* Two texts that differ first in two letters of ASCII, neither followed by anything that could
 * belong to it (a combining accent), need no ICU; nor do two that are all ASCII. */
int folding_compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t shorter = a_length < b_length ? a_length : b_length;
    const uint8_t *left = (const uint8_t *)a, *right = (const uint8_t *)b;
    for (size_t i = 0; i < shorter; i++) {
        uint8_t l = ranks[left[i]], r = ranks[right[i]];
        if (!l || !r)
            return compare_others(a, a_length, b, b_length);
        if (l == r)
            continue;
        bool alone =
            (i + 1 == a_length || left[i + 1] < 0x80) && (i + 1 == b_length || right[i + 1] < 0x80);
        return alone ? l - r : compare_others(a, a_length, b, b_length);
    }
    if (a_length == b_length)
        return 0;
    /* What the longer one has more may weigh nothing. */
    uint8_t next = a_length > shorter ? ranks[left[shorter]] : ranks[right[shorter]];
    if (!next)
        return compare_others(a, a_length, b, b_length);
    return a_length > b_length ? 1 : -1;
}

static int on_compare(void *context, int a_length, const void *a, int b_length, const void *b)
{
    (void)context;
    return folding_compare(a, (size_t)a_length, b, (size_t)b_length);
}

/* ---- cases ---- */

static bool is_ascii(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

typedef int32_t (*case_function)(const UCaseMap *, char *, int32_t, const char *, int32_t,
                                 UErrorCode *);

static void change_ascii(struct buffer *target, const char *text, size_t length, bool up)
{
    char *to = buffer_extend(target, length);
    char first = up ? 'a' : 'A';
    for (size_t i = 0; i < length; i++)
        to[i] = (char)(text[i] >= first && text[i] <= first + 25 ? text[i] ^ 0x20 : text[i]);
}

static void change_case(struct buffer *target, case_function change, const char *text,
                        size_t length)
{
    size_t room = length + length / 2 + 16;
    if (is_ascii(text, length)) {
        change_ascii(target, text, length, change == icu.upper);
        return;
    }
    for (;;) {
        UErrorCode code = U_ZERO_ERROR;
        size_t before = target->size;
        char *to = buffer_extend(target, room);
        int32_t size = change(cases, to, (int32_t)room, text, (int32_t)length, &code);
        target->size = before + (U_SUCCESS(code) ? (size_t)size : 0);
        target->data[target->size] = '\0';
        if (code != U_BUFFER_OVERFLOW_ERROR)
            return;
        room = (size_t)size;
    }
}

/* The length of what is ASCII or of Latin-1 (in UTF-8: C3 and one byte) at the beginning. */
static size_t latin_length(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length) {
        if ((unsigned char)text[i] < 0x80)
            i++;
        else if (text[i] == '\xc3' && i + 1 < length && ((unsigned char)text[i + 1] & 0xc0) == 0x80)
            i += 2;
        else
            break;
    }
    return i;
}

/* À … Þ but × become à … þ, ß becomes ss, as ICU would do it in five times the time. */
static void fold_latin(struct buffer *target, const char *text, size_t length)
{
    char *to = buffer_extend(target, length);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool second = i && text[i - 1] == '\xc3';
        if (second && c == 0x9f)
            to[i - 1] = to[i] = 's';
        else if (second && c < 0x9f && c != 0x97)
            to[i] = (char)(c + 0x20);
        else
            to[i] = (char)(c >= 'A' && c <= 'Z' ? c + 0x20 : c);
    }
}

void folding_fold(struct buffer *target, const char *text, size_t length)
{
    if (latin_length(text, length) == length)
        fold_latin(target, text, length);
    else
        change_case(target, icu.fold, text, length);
}

static void sql_change(sqlite3_context *context, sqlite3_value *value, case_function change)
{
    const char *text = (const char *)sqlite3_value_text(value);
    struct buffer changed = {0};
    if (!text)
        return;
    change_case(&changed, change, text, (size_t)sqlite3_value_bytes(value));
    size_t size = changed.size;
    sqlite3_result_text64(context, buffer_steal(&changed), size, free, SQLITE_UTF8);
}

static void sql_fold(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    struct buffer folded = {0};
    const char *text = (const char *)sqlite3_value_text(values[0]);
    if (!text)
        return;
    folding_fold(&folded, text, (size_t)sqlite3_value_bytes(values[0]));
    size_t size = folded.size;
    sqlite3_result_text64(context, buffer_steal(&folded), size, free, SQLITE_UTF8);
}

static void sql_lower(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sql_change(context, values[0], icu.lower);
}

static void sql_upper(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sql_change(context, values[0], icu.upper);
}

/* ---- LIKE ---- */

static size_t character_size(const char *at, const char *end)
{
    const char *next = at + 1;
    while (next < end && ((unsigned char)*next & 0xc0) == 0x80)
        next++;
    return (size_t)(next - at);
}

/* Does the text match the pattern? Where it does not, only the last % is tried again: enough, and
 * never more than length times length steps. */
static bool like(const char *pattern, const char *pattern_end, const char *text,
                 const char *text_end, const char *escape, size_t escape_size)
{
    const char *again = NULL, *again_text = NULL;
    while (text < text_end) {
        bool literal = escape_size && (size_t)(pattern_end - pattern) > escape_size &&
                       memcmp(pattern, escape, escape_size) == 0;
        const char *wanted = pattern + (literal ? escape_size : 0);
        if (pattern < pattern_end && !literal && *pattern == '%') {
            again = ++pattern;
            again_text = text;
            continue;
        }
        if (wanted < pattern_end) {
            size_t size = character_size(text, text_end);
            size_t wanted_size = character_size(wanted, pattern_end);
            if ((!literal && *wanted == '_') ||
                (*wanted == *text && size == wanted_size && memcmp(wanted, text, size) == 0)) {
                pattern = wanted + wanted_size;
                text += size;
                continue;
            }
        }
        if (!again)
            return false;
        pattern = again;
        text = again_text += character_size(again_text, text_end);
    }
    while (pattern < pattern_end && *pattern == '%')
        pattern++;
    return pattern == pattern_end;
}

static void free_folded(void *folded)
{
    buffer_free(folded);
    free(folded);
}

/* The pattern folded, once a statement if it is the same for all rows. */
static const struct buffer *folded_pattern(sqlite3_context *context, sqlite3_value *pattern)
{
    struct buffer *folded = sqlite3_get_auxdata(context, 0);
    if (folded)
        return folded;
    folded = memory_new(sizeof *folded);
    folding_fold(folded, (const char *)sqlite3_value_text(pattern),
                 (size_t)sqlite3_value_bytes(pattern));
    sqlite3_set_auxdata(context, 0, folded, free_folded);
    return sqlite3_get_auxdata(context, 0);
}

/* like(PATTERN, TEXT[, ESCAPE]) is what TEXT LIKE PATTERN calls. */
static void sql_like(sqlite3_context *context, int count, sqlite3_value **values)
{
    BUFFER_CLEAN struct buffer text = {0}, escape = {0};
    const char *wanted = (const char *)sqlite3_value_text(values[0]);
    const char *given = (const char *)sqlite3_value_text(values[1]);
    if (!wanted || !given)
        return;
    if (count == 3 && sqlite3_value_text(values[2])) {
        folding_fold(&escape, (const char *)sqlite3_value_text(values[2]),
                     (size_t)sqlite3_value_bytes(values[2]));
        if (!escape.size || character_size(escape.data, escape.data + escape.size) != escape.size) {
            sqlite3_result_error(context, "ESCAPE expression must be a single character", -1);
            return;
        }
    }
    const struct buffer *pattern = folded_pattern(context, values[0]);
    if (!pattern) {
        sqlite3_result_error_nomem(context);
        return;
    }
    folding_fold(&text, given, (size_t)sqlite3_value_bytes(values[1]));
    const char *from = buffer_string(pattern), *of = buffer_string(&text);
    sqlite3_result_int(context, like(from, from + pattern->size, of, of + text.size,
                                     buffer_string(&escape), escape.size));
}

/* ---- putting it in ---- */

int folding_install(sqlite3 *db, struct error *error)
{
    static const struct {
        const char *name;
        int arguments;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {{"fold", 1, sql_fold},
                     {"lower", 1, sql_lower},
                     {"upper", 1, sql_upper},
                     {"like", 2, sql_like},
                     {"like", 3, sql_like}};
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    int result = sqlite3_create_collation(db, FOLDING_COLLATION, SQLITE_UTF8, NULL, on_compare);
    for (size_t i = 0; i < sizeof functions / sizeof *functions && result == SQLITE_OK; i++)
        result = sqlite3_create_function(db, functions[i].name, functions[i].arguments, flags, NULL,
                                         functions[i].function, NULL, NULL);
    return result == SQLITE_OK
               ? 0
               : error_set(error, ERROR_SYSTEM, "cannot compare texts: %s", sqlite3_errmsg(db));
}
