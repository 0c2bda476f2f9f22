/*
 * INI text, line by line, by inih; private to conf/.
 *
 * inih as Debian builds it cuts a line after 199 bytes and reads the rest as a line of its own,
 * cuts a value at white space followed by a semicolon, hands a key over again for each indented
 * line after it, cuts a section's name after 49 bytes, ignores what stands behind a heading's
 * bracket, and stops a line at a zero byte: all of it silently. So each line is looked at before
 * inih gets it: what it would mangle is a problem here, and inih gets an empty line instead.
 * Headings are reported from here too, since inih names a section only together with a key, and
 * an empty one never.
 */
#ifndef CAMPAIGND_CONF_INI_H
#define CAMPAIGND_CONF_INI_H

#include <stddef.h>

/* The longest line, without its end. */
#define INI_LINE_MAX 199

/* What is found, in the order of the text; lines count from 1, texts live for the call. */
struct ini_events {
    void (*heading)(void *context, int line, const char *section);
    void (*entry)(void *context, int line, const char *key, const char *value);
    void (*problem)(void *context, int line, const char *message);
};

/* `text` holds `size` bytes and a zero byte after them; its line ends are overwritten. */
void ini_read(char *text, size_t size, const struct ini_events *events, void *context);

#endif
