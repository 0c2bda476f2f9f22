/*
 * Dates and times, from ISO text as databases write it: yyyy-mm-dd, then perhaps a blank or T,
 * hh:mm, :ss, a fraction, and a zone. A time is written as it stands: it is the source's wall
 * clock.
 */
#include <string.h>

#include "report/format_kinds.h"

enum { DATE_SHORT, DATE_LONG, DATE_FULL, DATE_ISO };

struct moment {
    int year, month, day;
    bool has_time;
    int hour, minute;
};

static const char *const months[][12] = {
    [FORMAT_ENGLISH] = {"January", "February", "March", "April", "May", "June", "July", "August",
                        "September", "October", "November", "December"},
    [FORMAT_GERMAN] = {"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August",
                       "September", "Oktober", "November", "Dezember"},
};

static const char *const weekdays[][7] = {
    [FORMAT_ENGLISH] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
                        "Saturday"},
    [FORMAT_GERMAN] = {"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag",
                       "Samstag"},
};

/* ---- reading ---- */

struct scan {
    const char *at, *end;
};

static int read_digits(struct scan *scan, int count, int *value)
{
    if (scan->end - scan->at < count)
        return -1;
    for (*value = 0; count; count--, scan->at++) {
        if (*scan->at < '0' || *scan->at > '9')
            return -1;
        *value = *value * 10 + (*scan->at - '0');
    }
    return 0;
}

static bool take(struct scan *scan, const char *any_of)
{
    if (scan->at == scan->end || !*scan->at || !strchr(any_of, *scan->at))
        return false;
    scan->at++;
    return true;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static int read_day(struct scan *scan, struct moment *moment)
{
    if (read_digits(scan, 4, &moment->year) < 0 || !take(scan, "-") ||
        read_digits(scan, 2, &moment->month) < 0 || !take(scan, "-") ||
        read_digits(scan, 2, &moment->day) < 0)
        return -1;
    if (!moment->year || moment->month < 1 || moment->month > 12 || moment->day < 1 ||
        moment->day > days_in(moment->year, moment->month))
        return -1;
    return 0;
}

static int read_fraction(struct scan *scan)
{
    const char *start = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return scan->at > start ? 0 : -1;
}

static int read_zone(struct scan *scan)
{
    int hours, minutes;
    take(scan, " ");
    if (take(scan, "Zz") || !take(scan, "+-"))
        return 0;
    if (read_digits(scan, 2, &hours) < 0)
        return -1;
    take(scan, ":");
    return scan->at == scan->end ? 0 : read_digits(scan, 2, &minutes);
}

static int read_clock(struct scan *scan, struct moment *moment)
{
    int second = 0;
    if (read_digits(scan, 2, &moment->hour) < 0 || !take(scan, ":") ||
        read_digits(scan, 2, &moment->minute) < 0)
        return -1;
    if (take(scan, ":") && read_digits(scan, 2, &second) < 0)
        return -1;
    if (take(scan, ".") && read_fraction(scan) < 0)
        return -1;
    moment->has_time = true;
    return moment->hour > 23 || moment->minute > 59 || second > 60 ? -1 : read_zone(scan);
}

static int read_moment(const struct format_value *value, struct moment *moment)
{
    struct scan scan = {value->text, value->text + value->length};
    *moment = (struct moment){0};
    while (scan.end > scan.at && scan.end[-1] == ' ')
        scan.end--;
    while (take(&scan, " "))
        ;
    if (read_day(&scan, moment) < 0)
        return -1;
    if (take(&scan, " Tt") && read_clock(&scan, moment) < 0)
        return -1;
    return scan.at == scan.end ? 0 : -1;
}

/* ---- writing ---- */

/* 0 is Sunday; months are counted from March, so that the leap day comes last. */
static int weekday(const struct moment *moment)
{
    int year = moment->month < 3 ? moment->year - 1 : moment->year;
    int month = (moment->month + 9) % 12;
    int days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + moment->day;
    return (days + 2) % 7;
}

int format_read_date(struct format *format, const struct format_words *words)
{
    static const char *const styles[] = {"short", "long", "full", "iso"};
    format->number = DATE_SHORT;
    if (!words->count)
        return 0;
    for (int style = DATE_SHORT; words->count == 1 && style <= DATE_ISO; style++)
        if (format_word_is(words, 0, styles[style])) {
            format->number = style;
            return 0;
        }
    return -1;
}

static void write_long(const struct moment *moment, enum format_language language,
                       struct buffer *out)
{
    buffer_printf(out, language == FORMAT_GERMAN ? "%d. %s %d" : "%d %s %d", moment->day,
                  months[language][moment->month - 1], moment->year);
}

static void write_short(const struct moment *moment, enum format_language language,
                        struct buffer *out)
{
    const char *separator = language == FORMAT_GERMAN ? "." : "/";
    buffer_printf(out, "%02d%s%02d%s%04d", moment->day, separator, moment->month, separator,
                  moment->year);
}

int format_write_date(const struct format *format, enum format_language language,
                      const struct format_value *value, struct buffer *out)
{
    struct moment moment;
    if (read_moment(value, &moment) < 0)
        return -1;
    if (format->number == DATE_ISO)
        buffer_printf(out, "%04d-%02d-%02d", moment.year, moment.month, moment.day);
    else if (format->number == DATE_SHORT)
        write_short(&moment, language, out);
    else {
        if (format->number == DATE_FULL)
            buffer_printf(out, "%s, ", weekdays[language][weekday(&moment)]);
        write_long(&moment, language, out);
    }
    return 0;
}

int format_write_time(const struct format *format, enum format_language language,
                      const struct format_value *value, struct buffer *out)
{
    struct moment moment = {0};
    struct scan scan = {value->text, value->text + value->length};
    (void)format;
    (void)language;
    bool clock_alone = value->length >= 5 && value->text[2] == ':';
    if (clock_alone ? read_clock(&scan, &moment) < 0 || scan.at != scan.end
                    : read_moment(value, &moment) < 0 || !moment.has_time)
        return -1;
    buffer_printf(out, "%02d:%02d", moment.hour, moment.minute);
    return 0;
}
