#include "message.h"

#include "plaintext.h"

#include <ctype.h>
#include <string.h>

#include <gmime/gmime.h>

#define PICTURE_NAME_MAX 100
#define FILE_NAME_MAX 200
#define HEADER_TEXT_MAX 900

void message_initialise(void)
{
    g_mime_init();
}

void message_shut_down(void)
{
    g_mime_shutdown();
}

/* ---- texts that come from data ---- */

/* One line of valid UTF-8 of at most `limit` bytes. The caller frees. */
static char *clean_line(const char *text, size_t limit)
{
    char *line = g_utf8_make_valid(text, -1);
    if (strlen(line) > limit) {
        char *border = g_utf8_find_prev_char(line, line + limit + 1);
        *(border ? border : line) = 0;
    }
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    return g_strstrip(line);
}

static void add_mailbox(GMimeMessage *message, GMimeAddressType type, const struct mailbox *mailbox)
{
    InternetAddressList *list = g_mime_message_get_addresses(message, type);
    InternetAddress *address =
        internet_address_mailbox_new(mailbox->name[0] ? mailbox->name : NULL, mailbox->address);
    internet_address_set_charset(address, "utf-8");
    internet_address_list_add(list, address);
    g_object_unref(address);
}

/* ---- pictures ---- */

static int is_picture_name(const char *name, size_t length)
{
    if (length == 0 || length > PICTURE_NAME_MAX || name[0] == '.')
        return 0;
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return 0;
    }
    return 1;
}

/* The next src="cid:NAME" at or after *at; 0 with NAME's place, or -1. */
static int next_picture(const char *html, size_t length, size_t *at, size_t *name,
                        size_t *name_length)
{
    while (*at < length) {
        const char *open = memchr(html + *at, '<', length - *at);
        if (!open)
            return -1;
        size_t start = (size_t)(open - html), end = html_tag_end(html, length, start);
        const char *source;
        size_t source_length;
        *at = end;
        if (html_attribute(open + 1, end - start - 1, "src", &source, &source_length) < 0 ||
            source_length < 4 || memcmp(source, "cid:", 4) != 0 ||
            !is_picture_name(source + 4, source_length - 4))
            continue;
        *name = (size_t)(source + 4 - html);
        *name_length = source_length - 4;
        return 0;
    }
    return -1;
}

void message_find_pictures(const char *html, size_t length,
                           void (*found)(void *context, const char *name), void *context)
{
    size_t at = 0, name, name_length;
    while (next_picture(html, length, &at, &name, &name_length) == 0) {
        g_autofree char *copy = g_strndup(html + name, name_length);
        found(context, copy);
    }
}

static int has_picture(const struct message_draft *draft, const char *name, size_t length)
{
    for (size_t i = 0; i < draft->picture_count; i++) {
        if (strlen(draft->pictures[i].name) == length &&
            memcmp(draft->pictures[i].name, name, length) == 0)
            return 1;
    }
    return 0;
}

/* RFC 2392 wants an address after cid:, so the sender's domain is added to each name. */
static GString *html_with_pictures(const struct message_draft *draft)
{
    const char *domain = address_domain(draft->from->address);
    GString *html = g_string_sized_new(draft->html_length + 256);
    size_t at = 0, copied = 0, name, length;
    while (draft->picture_count &&
           next_picture(draft->html, draft->html_length, &at, &name, &length) == 0) {
        g_string_append_len(html, draft->html + copied, (gssize)(name + length - copied));
        copied = name + length;
        if (has_picture(draft, draft->html + name, length))
            g_string_append_printf(html, "@%s", domain);
    }
    g_string_append_len(html, draft->html + copied, (gssize)(draft->html_length - copied));
    return html;
}

/* ---- parts ---- */

static void set_content(GMimePart *part, const void *data, size_t length)
{
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(data, length);
    GMimeDataWrapper *content =
        g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);
    g_mime_part_set_content(part, content);
    g_object_unref(content);
    g_object_unref(stream);
}

/* Quoted-printable unless it is mostly not ASCII, so that a person can read the source. */
static GMimeObject *text_part(const char *subtype, const char *data, size_t length)
{
    GMimePart *part = g_mime_part_new_with_type("text", subtype);
    set_content(part, data, length);
    g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset", "utf-8");
    GMimeContentEncoding best =
        g_mime_part_get_best_content_encoding(part, GMIME_ENCODING_CONSTRAINT_7BIT);
    g_mime_part_set_content_encoding(part, best == GMIME_CONTENT_ENCODING_BASE64
                                               ? GMIME_CONTENT_ENCODING_BASE64
                                               : GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
    return GMIME_OBJECT(part);
}

static int is_mime_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("!#$&-^_.+", text[i]))
            return 0;
    }
    return length > 0 && length <= 127;
}

static GMimePart *file_part(const struct message_file *file)
{
    const char *type = file->mime_type ? file->mime_type : "";
    const char *slash = strchr(type, '/');
    GMimePart *part;
    if (slash && is_mime_token(type, (size_t)(slash - type)) &&
        is_mime_token(slash + 1, strlen(slash + 1)) && strncmp(type, "multipart/", 10) != 0 &&
        strncmp(type, "message/", 8) != 0) {
        g_autofree char *main_type = g_strndup(type, (size_t)(slash - type));
        part = g_mime_part_new_with_type(main_type, slash + 1);
    } else {
        part = g_mime_part_new_with_type("application", "octet-stream");
    }
    set_content(part, file->data, file->length);
    g_mime_part_set_content_encoding(part, GMIME_CONTENT_ENCODING_BASE64);
    return part;
}

static GMimeObject *picture_part(const struct message_draft *draft, const struct message_file *file)
{
    GMimePart *part = file_part(file);
    g_autofree char *identity =
        g_strdup_printf("%s@%s", file->name, address_domain(draft->from->address));
    g_mime_part_set_content_id(part, identity);
    g_mime_object_set_disposition(GMIME_OBJECT(part), GMIME_DISPOSITION_INLINE);
    g_mime_part_set_filename(part, file->name);
    return GMIME_OBJECT(part);
}

static GMimeObject *attachment_part(const struct message_file *file)
{
    GMimePart *part = file_part(file);
    g_autofree char *name = clean_line(file->name, FILE_NAME_MAX);
    g_strdelimit(name, "/\\", '_');
    g_mime_object_set_disposition(GMIME_OBJECT(part), GMIME_DISPOSITION_ATTACHMENT);
    g_mime_part_set_filename(part, name[0] ? name : "attachment");
    return GMIME_OBJECT(part);
}

static void add_and_release(GMimeMultipart *multipart, GMimeObject *part)
{
    g_mime_multipart_add(multipart, part);
    g_object_unref(part);
}

static GMimeObject *html_object(const struct message_draft *draft)
{
    GString *html = html_with_pictures(draft);
    GMimeObject *part = text_part("html", html->str, html->len);
    g_string_free(html, TRUE);
    if (draft->picture_count == 0)
        return part;
    GMimeMultipart *related = g_mime_multipart_new_with_subtype("related");
    g_mime_object_set_content_type_parameter(GMIME_OBJECT(related), "type", "text/html");
    add_and_release(related, part);
    for (size_t i = 0; i < draft->picture_count; i++)
        add_and_release(related, picture_part(draft, &draft->pictures[i]));
    return GMIME_OBJECT(related);
}

static GMimeObject *alternative_object(const struct message_draft *draft)
{
    GMimeMultipart *alternative = g_mime_multipart_new_with_subtype("alternative");
    if (draft->text) {
        add_and_release(alternative, text_part("plain", draft->text, draft->text_length));
    } else {
        GString *text = plaintext_from_html(draft->html, draft->html_length);
        add_and_release(alternative, text_part("plain", text->str, text->len));
        g_string_free(text, TRUE);
    }
    add_and_release(alternative, html_object(draft));
    return GMIME_OBJECT(alternative);
}

static GMimeObject *body_object(const struct message_draft *draft)
{
    GMimeObject *alternative = alternative_object(draft);
    if (draft->attachment_count == 0)
        return alternative;
    GMimeMultipart *mixed = g_mime_multipart_new_with_subtype("mixed");
    add_and_release(mixed, alternative);
    for (size_t i = 0; i < draft->attachment_count; i++)
        add_and_release(mixed, attachment_part(&draft->attachments[i]));
    return GMIME_OBJECT(mixed);
}

/* ---- the whole ---- */

static void set_headers(GMimeMessage *message, const struct message_draft *draft)
{
    add_mailbox(message, GMIME_ADDRESS_TYPE_FROM, draft->from);
    add_mailbox(message, GMIME_ADDRESS_TYPE_TO, draft->to);
    if (draft->reply_to)
        add_mailbox(message, GMIME_ADDRESS_TYPE_REPLY_TO, draft->reply_to);
    g_autofree char *subject = clean_line(draft->subject, HEADER_TEXT_MAX);
    g_mime_message_set_subject(message, subject, "utf-8");
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_local(draft->date_us / 1000000);
    g_mime_message_set_date(message, date);
    g_autofree char *identity =
        g_strdup_printf("%s@%s", draft->identity, address_domain(draft->from->address));
    g_mime_message_set_message_id(message, identity);
}

static size_t expected_size(const struct message_draft *draft)
{
    size_t size = 4096 + 3 * draft->html_length;
    for (size_t i = 0; i < draft->attachment_count; i++)
        size += draft->attachments[i].length / 54 * 78 + 1024;
    for (size_t i = 0; i < draft->picture_count; i++)
        size += draft->pictures[i].length / 54 * 78 + 1024;
    return size;
}

GByteArray *message_build(const struct message_draft *draft)
{
    GMimeMessage *message = g_mime_message_new(TRUE);
    set_headers(message, draft);
    GMimeObject *body = body_object(draft);
    g_mime_message_set_mime_part(message, body);
    g_object_unref(body);

    GMimeFormatOptions *options = g_mime_format_options_new();
    g_mime_format_options_set_newline_format(options, GMIME_NEWLINE_FORMAT_DOS);
    GByteArray *bytes = g_byte_array_sized_new((guint)expected_size(draft));
    GMimeStream *stream = g_mime_stream_mem_new_with_byte_array(bytes);
    g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(stream), FALSE);
    g_mime_object_write_to_stream(GMIME_OBJECT(message), options, stream);
    g_object_unref(stream);
    g_mime_format_options_free(options);
    g_object_unref(message);
    if (bytes->len < 2 || memcmp(bytes->data + bytes->len - 2, "\r\n", 2) != 0)
        g_byte_array_append(bytes, (const guint8 *)"\r\n", 2);
    return bytes;
}

/* The next line of `from` … `end` that begins with a dot, or NULL. */
static const guint8 *next_dot_line(const guint8 *from, const guint8 *end)
{
    while (from < end && (from = memchr(from, '\n', (size_t)(end - from)))) {
        if (++from < end && *from == '.')
            return from;
    }
    return NULL;
}

GByteArray *message_to_wire(GByteArray *message)
{
    GByteArray *wire = message;
    const guint8 *end = message->data + message->len;
    const guint8 *dot = next_dot_line(message->data, end);
    if (dot) {
        const guint8 *from = message->data;
        wire = g_byte_array_sized_new(message->len + 1024);
        for (; dot; dot = next_dot_line(from, end)) {
            g_byte_array_append(wire, from, (guint)(dot - from));
            g_byte_array_append(wire, (const guint8 *)".", 1);
            from = dot;
        }
        g_byte_array_append(wire, from, (guint)(end - from));
        g_byte_array_unref(message);
    }
    g_byte_array_append(wire, (const guint8 *)".\r\n", 3);
    return wire;
}
