/* Days of the Gregorian calendar, as they are written and counted; nothing of clocks or zones. */
#ifndef CAMPAIGND_SOURCE_BUILDER_DATE_H
#define CAMPAIGND_SOURCE_BUILDER_DATE_H

#include <stdbool.h>

struct date {
    int year, month, day; /* 1 … 9999, 1 … 12, 1 … 31 */
};

#define DATE_SIZE 11 /* "2026-11-24" */

bool date_exists(struct date date); /* not so 29 February 2026 */

/* "2026-11-24", a day that exists, and nothing after it. */
bool date_read(const char *text, struct date *date);
void date_write(char target[DATE_SIZE], struct date date);

/* That of the machine's time zone. */
struct date date_today(void);

bool date_is_leap(int year);

/* `amount` may be negative. A month or year later is the same day, or the month's last. false: the
 * day is not within the years 1 … 9999. */
bool date_add_days(struct date *date, long amount);
bool date_add_months(struct date *date, long amount);

#endif
