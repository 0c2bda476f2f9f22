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
