#include "source/builder_date.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define AMOUNT_MAX 4000000L /* days; more than there are in 9999 years */

bool date_is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && date_is_leap(year));
}

bool date_exists(struct date date)
{
    return date.year >= 1 && date.year <= 9999 && date.month >= 1 && date.month <= 12 &&
           date.day >= 1 && date.day <= days_in_month(date.year, date.month);
}

bool date_read(const char *text, struct date *date)
{
    static const char form[] = "dddd-dd-dd";
    if (strlen(text) != sizeof form - 1)
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    sscanf(text, "%4d-%2d-%2d", &date->year, &date->month, &date->day);
    return date_exists(*date);
}

void date_write(char target[DATE_SIZE], struct date date)
{
    char text[40];
    snprintf(text, sizeof text, "%04d-%02d-%02d", date.year, date.month, date.day);
    memcpy(target, text, DATE_SIZE);
    target[DATE_SIZE - 1] = '\0';
}

struct date date_today(void)
{
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    return (struct date){local.tm_year + 1900, local.tm_mon + 1, local.tm_mday};
}

/* Days before the first of the year 1 … of the next year. */
static long days_before_year(int year)
{
    long before = year - 1;
    return before * 365 + before / 4 - before / 100 + before / 400;
}

static long number_of(struct date date)
{
    long days = days_before_year(date.year);
    for (int month = 1; month < date.month; month++)
        days += days_in_month(date.year, month);
    return days + date.day - 1;
}

bool date_add_days(struct date *date, long amount)
{
    if (amount > AMOUNT_MAX || amount < -AMOUNT_MAX)
        return false;
    long days = number_of(*date) + amount;
    if (days < 0 || days >= days_before_year(10000))
        return false;
    int year = (int)(days / 366) + 1; /* not later than the right one */
    while (days_before_year(year + 1) <= days)
        year++;
    long rest = days - days_before_year(year);
    int month = 1;
    for (; rest >= days_in_month(year, month); month++)
        rest -= days_in_month(year, month);
    *date = (struct date){year, month, (int)rest + 1};
    return true;
}

bool date_add_months(struct date *date, long amount)
{
    if (amount > AMOUNT_MAX || amount < -AMOUNT_MAX)
        return false;
    long months = (date->year - 1) * 12L + date->month - 1 + amount;
    if (months < 0 || months >= 9999 * 12L)
        return false;
    date->year = (int)(months / 12) + 1;
    date->month = (int)(months % 12) + 1;
    int last = days_in_month(date->year, date->month);
    if (date->day > last)
        date->day = last;
    return true;
}
