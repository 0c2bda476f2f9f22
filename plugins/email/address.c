#include "address.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#define LOCAL_LENGTH_MAX 64
#define DOMAIN_LENGTH_MAX 253
#define LABEL_LENGTH_MAX 63

static int is_atom(unsigned char c)
{
    return isalnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static int is_dot_atom(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        int dot = text[i] == '.' && i > 0 && i + 1 < length && text[i - 1] != '.';
        if (!dot && !is_atom((unsigned char)text[i]))
            return 0;
    }
    return length > 0;
}

static int is_quoted(const char *text, size_t length)
{
    if (length < 3 || text[0] != '"' || text[length - 1] != '"')
        return 0;
    for (size_t i = 1; i < length - 1; i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == '"')
            return 0;
        if (i >= length - 1)
            return 0;
    }
    return 1;
}

static const char *domain_fault(const char *domain, size_t length)
{
    if (length == 0)
        return "nothing stands after the @";
    if (length > DOMAIN_LENGTH_MAX)
        return "its domain is too long";
    size_t start = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && domain[i] != '.') {
            if (!isalnum((unsigned char)domain[i]) && domain[i] != '-')
                return "its domain has a character that is not allowed there";
            continue;
        }
        if (i == start || i - start > LABEL_LENGTH_MAX || domain[start] == '-' ||
            domain[i - 1] == '-')
            return "its domain is not a domain name";
        start = i + 1;
    }
    return NULL;
}

const char *address_fault(const char *address, size_t length)
{
    if (length == 0)
        return "it is empty";
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)address[i];
        if (c >= 0x80)
            return "it has a character that is not ASCII";
        if (c < 0x20 || c == 0x7f)
            return "it has a control character";
    }
    if (length > ADDRESS_LENGTH_MAX)
        return "it is longer than 254 characters";
    const char *at = memrchr(address, '@', length);
    if (!at)
        return "it has no @";
    size_t local = (size_t)(at - address);
    if (local == 0)
        return "nothing stands before the @";
    if (local > LOCAL_LENGTH_MAX)
        return "more than 64 characters stand before the @";
    if (!is_dot_atom(address, local) && !is_quoted(address, local))
        return "what stands before the @ is not allowed there";
    return domain_fault(at + 1, length - local - 1);
}

const char *address_domain(const char *address)
{
    const char *at = strrchr(address, '@');
    return at ? at + 1 : address;
}

void mailbox_set_name(struct mailbox *mailbox, const char *name)
{
    g_autofree char *valid = g_utf8_make_valid(name, -1);
    size_t length = strlen(valid);
    if (length > MAILBOX_NAME_MAX) {
        const char *border = g_utf8_find_prev_char(valid, valid + MAILBOX_NAME_MAX + 1);
        length = border ? (size_t)(border - valid) : 0;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)valid[i];
        mailbox->name[i] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    mailbox->name[length] = 0;
    g_strstrip(mailbox->name);
}

/* `text` is what stands before the '<': a plain or a quoted name. */
static void set_written_name(struct mailbox *out, const char *text, size_t length)
{
    g_autofree char *name = g_strstrip(g_strndup(text, length));
    size_t end = strlen(name);
    if (end >= 2 && name[0] == '"' && name[end - 1] == '"') {
        name[end - 1] = 0;
        g_autofree char *plain = g_strcompress(name + 1);
        mailbox_set_name(out, plain);
    } else {
        mailbox_set_name(out, name);
    }
}

int mailbox_parse(struct mailbox *out, const char *text, char *why, size_t why_size)
{
    *out = (struct mailbox){0};
    g_autofree char *copy = g_strstrip(g_strdup(text));
    const char *address = copy;
    size_t length = strlen(copy);
    const char *open = strrchr(copy, '<');
    if (open && length && copy[length - 1] == '>') {
        set_written_name(out, copy, (size_t)(open - copy));
        address = open + 1;
        length = strlen(address) - 1;
    }
    const char *fault = address_fault(address, length);
    if (fault) {
        snprintf(why, why_size, "the sender %.300s is no address: %s", text, fault);
        return -1;
    }
    memcpy(out->address, address, length);
    return 0;
}
