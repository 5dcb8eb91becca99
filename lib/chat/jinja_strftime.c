/* SPDX-License-Identifier: MIT
 *
 * jinja_strftime.c - see jinja_strftime.h. libc's own would follow the program's locale, and give
 * the model another prompt on another machine.
 */
#include "chat/jinja_strftime.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

/* The ISO 8601 week of a date, and the year that it belongs to. */
static int iso_week(const struct tm *t, int *year)
{
    int weekday = (t->tm_wday + 6) % 7; /* from Monday */
    int week = (t->tm_yday - weekday + 10) / 7;
    *year = t->tm_year + 1900;
    bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
    if (week < 1) {
        int before = *year - 1;
        bool was_leap = (before % 4 == 0 && before % 100 != 0) || before % 400 == 0;
        *year = before;
        return (t->tm_yday + 365 + was_leap - weekday + 10) / 7;
    }
    if (week == 53 && t->tm_yday - weekday + 3 >= 365 + leap) {
        ++*year;
        return 1;
    }
    return week;
}

/* A number of `width` digits; "-" before the letter leaves the filling away. */
static void number(char *out, size_t n_out, int value, int width, char flag, char fill)
{
    if (flag == '-')
        width = 0;
    else if (flag == '_' || flag == '0')
        fill = flag == '_' ? ' ' : '0';
    if (fill == ' ')
        snprintf(out, n_out, "%*d", width, value);
    else
        snprintf(out, n_out, "%0*d", width, value);
}

/* Directives that stand for several others. */
static const char *composite(char letter)
{
    switch (letter) {
    case 'D':
    case 'x':
        return "%m/%d/%y";
    case 'F':
        return "%Y-%m-%d";
    case 'T':
    case 'X':
        return "%H:%M:%S";
    case 'R':
        return "%H:%M";
    case 'r':
        return "%I:%M:%S %p";
    case 'c':
        return "%a %b %e %H:%M:%S %Y";
    default:
        return NULL;
    }
}

static bool directive(const jinja_run *r, const struct tm *t, char letter, char flag, char *out,
                      size_t n)
{
    int hour = t->tm_hour % 12 ? t->tm_hour % 12 : 12, year, week = iso_week(t, &year);
    struct {
        char letter;
        int value, width;
        char fill;
    } numbers[] = {
        {'d', t->tm_mday, 2, '0'},
        {'e', t->tm_mday, 2, ' '},
        {'m', t->tm_mon + 1, 2, '0'},
        {'Y', t->tm_year + 1900, 0, '0'},
        {'y', t->tm_year % 100, 2, '0'},
        {'C', (t->tm_year + 1900) / 100, 2, '0'},
        {'H', t->tm_hour, 2, '0'},
        {'k', t->tm_hour, 2, ' '},
        {'I', hour, 2, '0'},
        {'l', hour, 2, ' '},
        {'M', t->tm_min, 2, '0'},
        {'S', t->tm_sec, 2, '0'},
        {'f', 0, 6, '0'},
        {'j', t->tm_yday + 1, 3, '0'},
        {'u', t->tm_wday ? t->tm_wday : 7, 1, '0'},
        {'w', t->tm_wday, 1, '0'},
        {'G', year, 0, '0'},
        {'V', week, 2, '0'},
        {'U', (t->tm_yday + 7 - t->tm_wday) / 7, 2, '0'},
        {'W', (t->tm_yday + 7 - (t->tm_wday + 6) % 7) / 7, 2, '0'},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i].letter == letter) {
            number(out, n, numbers[i].value, numbers[i].width, flag, numbers[i].fill);
            return true;
        }
    }
    const char *text = letter == 'B'                    ? months[t->tm_mon]
                       : letter == 'A'                  ? days[t->tm_wday]
                       : letter == 'p'                  ? (t->tm_hour < 12 ? "AM" : "PM")
                       : letter == 'P'                  ? (t->tm_hour < 12 ? "am" : "pm")
                       : letter == 'n'                  ? "\n"
                       : letter == 't'                  ? "\t"
                       : letter == '%'                  ? "%"
                       : letter == 'Z' || letter == 'z' ? "" /* a date without a zone */
                                                        : NULL;
    if (text)
        snprintf(out, n, "%s", text);
    else if (letter == 'b' || letter == 'h' || letter == 'a')
        snprintf(out, n, "%.3s", letter == 'a' ? days[t->tm_wday] : months[t->tm_mon]);
    else if (letter == 's')
        snprintf(out, n, "%lld", (long long)(r->now - r->utc_offset_s));
    else
        return false;
    return true;
}

static hearth_status write_date(jinja_run *r, const struct tm *t, const char *format, size_t n,
                                buf *b)
{
    char text[32];
    for (size_t i = 0; i < n; i++) {
        size_t at = i + 1;
        char flag = at < n && strchr("-_0", format[at]) && format[at] ? format[at] : '\0';
        at += flag != '\0';
        const char *parts = format[i] == '%' && at < n ? composite(format[at]) : NULL;
        if (parts) {
            TRY(write_date(r, t, parts, strlen(parts), b));
            i = at;
        } else if (format[i] == '%' && at < n &&
                   directive(r, t, format[at], flag, text, sizeof text)) {
            TRY(jinja_write(r, b, text, strlen(text)));
            i = at;
        } else {
            TRY(jinja_write(r, b, format + i, 1));
        }
    }
    return HEARTH_OK;
}

hearth_status jinja_strftime(jinja_run *r, const jinja_string *format, jinja_value *out)
{
    buf b;
    struct tm t;
    time_t now = (time_t)r->now;
    if (gmtime_r(&now, &t) == NULL || t.tm_year < -1900 || t.tm_year > 8099)
        return jinja_fail(r, "the time %lld is in no year from 0 to 9999", (long long)r->now);
    buf_init(&b, r->max_output);
    hearth_status status = write_date(r, &t, format->text, format->n, &b);
    if (status == HEARTH_OK)
        return jinja_take(r, &b, out);
    buf_deinit(&b);
    return status;
}
