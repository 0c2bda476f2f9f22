#include "base/address.h"

#include <stdbool.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

size_t address_normal_email(char target[ADDRESS_SIZE], const char *text, size_t length)
{
    target[0] = '\0';
    while (length && is_space(*text))
        text++, length--;
    while (length && is_space(text[length - 1]))
        length--;
    if (length >= ADDRESS_SIZE || memchr(text, '\0', length))
        return 0;
    for (size_t i = 0; i < length; i++)
        target[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
    target[length] = '\0';
    return length;
}

size_t address_normal_phone(char target[ADDRESS_SIZE], const char *text, size_t length)
{
    size_t size = 0;
    bool digits = false;
    target[0] = '\0';
    for (size_t i = 0; i < length; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (!digit && (text[i] != '+' || size))
            continue;
        if (size == ADDRESS_SIZE - 1) {
            target[0] = '\0';
            return 0;
        }
        digits |= digit;
        target[size++] = text[i];
    }
    target[digits ? size : 0] = '\0';
    return digits ? size : 0;
}

/* The end of a street's name as people shorten it. */
static size_t shorten_street(char *target, size_t size)
{
    static const char word[] = "strasse";
    size_t length = sizeof word - 1;
    if (size < length || memcmp(target + size - length, word, length) != 0)
        return size;
    return size - length + 3; /* str */
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t address_normal_street(char target[ADDRESS_SIZE], const char *text, size_t length)
{
    size_t size = 0;
    bool apart = false;
    for (size_t i = 0; i < length; i++) {
        if (is_space(text[i]) || (text[i] && strchr(".,-/", text[i]))) {
            apart = true;
            continue;
        }
        if (size + 2 >= ADDRESS_SIZE || !text[i]) {
            size = 0;
            break;
        }
        if (apart && size && is_digit(text[i]) && is_digit(target[size - 1]))
            target[size++] = '/';
        apart = false;
        target[size++] = text[i];
        size = shorten_street(target, size);
    }
    target[size] = '\0';
    return size;
}

size_t address_normal(char target[ADDRESS_SIZE], const char *text, size_t length)
{
    return memchr(text, '@', length) ? address_normal_email(target, text, length)
                                     : address_normal_phone(target, text, length);
}
