#include "report/archive_record.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"

#define RECORD_MAGIC 0x43524143u /* "CARC" */
#define CHECKED_SIZE (RECORD_SIZE - ARCHIVE_HASH_SIZE)

static void put_number(unsigned char *bytes, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_number(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

/* Where each field stands; record_put and record_get walk these tables. */
#define NUMBER(at, field)                                                                          \
    {                                                                                              \
        at, offsetof(struct record, field), 8                                                      \
    }
#define BYTES(at, field)                                                                           \
    {                                                                                              \
        at, offsetof(struct record, field), sizeof((struct record *)0)->field                      \
    }
struct place {
    size_t at, field, size;
};
static const struct place numbers[] = {NUMBER(8, number), NUMBER(16, start), NUMBER(24, offset),
                                       NUMBER(32, length), NUMBER(40, end)};
static const struct place bytes_of[] = {BYTES(48, hash),   BYTES(80, salt),  BYTES(96, chain),
                                        BYTES(128, frame), BYTES(160, name), BYTES(288, mime_type)};
_Static_assert(288 + 64 == CHECKED_SIZE, "the record's fields fill it");

void record_put(unsigned char bytes[RECORD_SIZE], const struct record *record)
{
    put_number(bytes, RECORD_MAGIC, 4);
    put_number(bytes + 4, record->kind, 4);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t value;
        memcpy(&value, (const char *)record + numbers[i].field, sizeof value);
        put_number(bytes + numbers[i].at, value, 8);
    }
    for (size_t i = 0; i < sizeof bytes_of / sizeof *bytes_of; i++)
        memcpy(bytes + bytes_of[i].at, (const char *)record + bytes_of[i].field, bytes_of[i].size);
    crypto_hash_sha256(bytes + CHECKED_SIZE, bytes, CHECKED_SIZE);
}

int record_get(struct record *record, const unsigned char bytes[RECORD_SIZE])
{
    unsigned char checksum[ARCHIVE_HASH_SIZE];
    crypto_hash_sha256(checksum, bytes, CHECKED_SIZE);
    if (get_number(bytes, 4) != RECORD_MAGIC ||
        memcmp(checksum, bytes + CHECKED_SIZE, sizeof checksum) != 0)
        return -1;
    record->kind = (uint32_t)get_number(bytes + 4, 4);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t value = get_number(bytes + numbers[i].at, 8);
        memcpy((char *)record + numbers[i].field, &value, sizeof value);
    }
    for (size_t i = 0; i < sizeof bytes_of / sizeof *bytes_of; i++)
        memcpy((char *)record + bytes_of[i].field, bytes + bytes_of[i].at, bytes_of[i].size);
    bool terminated = memchr(record->name, '\0', sizeof record->name) &&
                      memchr(record->mime_type, '\0', sizeof record->mime_type);
    return terminated ? 0 : -1;
}

/* ---- hashes ---- */

static void hash_number(crypto_hash_sha256_state *state, uint64_t value, size_t size)
{
    unsigned char bytes[8];
    put_number(bytes, value, size);
    crypto_hash_sha256_update(state, bytes, size);
}

static void hash_text(crypto_hash_sha256_state *state, const char *text)
{
    size_t length = strlen(text);
    hash_number(state, length, 4);
    crypto_hash_sha256_update(state, (const unsigned char *)text, length);
}

void archive_hash_begin(crypto_hash_sha256_state *state,
                        const unsigned char salt[ARCHIVE_SALT_SIZE], const char *name,
                        uint64_t length)
{
    crypto_hash_sha256_init(state);
    crypto_hash_sha256_update(state, salt, ARCHIVE_SALT_SIZE);
    hash_text(state, name);
    hash_number(state, length, 8);
}

void archive_hash_document(unsigned char hash[ARCHIVE_HASH_SIZE],
                           const unsigned char salt[ARCHIVE_SALT_SIZE], const char *name,
                           const void *data, uint64_t length)
{
    crypto_hash_sha256_state state;
    archive_hash_begin(&state, salt, name, length);
    crypto_hash_sha256_update(&state, data, length);
    crypto_hash_sha256_final(&state, hash);
}

void archive_chain_start(unsigned char chain[ARCHIVE_HASH_SIZE], const char *run_uuid,
                         const char *segment)
{
    static const char what[] = "campaignd archive";
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const unsigned char *)what, sizeof what - 1);
    hash_text(&state, run_uuid);
    hash_text(&state, segment);
    crypto_hash_sha256_final(&state, chain);
}

void archive_chain_next(unsigned char chain[ARCHIVE_HASH_SIZE], uint64_t number,
                        const unsigned char hash[ARCHIVE_HASH_SIZE])
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, chain, ARCHIVE_HASH_SIZE);
    hash_number(&state, number, 8);
    crypto_hash_sha256_update(&state, hash, ARCHIVE_HASH_SIZE);
    crypto_hash_sha256_final(&state, chain);
}

/* ---- texts ---- */

/* How many bytes the UTF-8 character at `text` has, 0 if there is none. */
static size_t character_size(const char *text)
{
    for (size_t size = 1; size <= 4; size++) {
        if (text[size - 1] == '\0')
            return 0;
        if (text_is_utf8(text, size))
            return size;
    }
    return 0;
}

void archive_clean_name(char target[128], const char *name)
{
    size_t used = 0;
    while (*name) {
        size_t size = character_size(name);
        bool control = size == 1 && ((unsigned char)*name < 0x20 || *name == 0x7f);
        if (used + (size ? size : 1) > 127)
            break;
        if (size && !control)
            memcpy(target + used, name, size);
        else
            target[used] = '_';
        used += size ? size : 1;
        name += size ? size : 1;
    }
    target[used] = '\0';
}

void archive_clean_mime_type(char target[64], const char *mime_type)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "!#$&^_.+-/;= \"'";
    size_t length = strlen(mime_type);
    bool good = length > 0 && length < 64 && strspn(mime_type, allowed) == length;
    text_copy(target, 64, good ? mime_type : "application/octet-stream");
}

bool archive_segment_valid(const char *segment)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_-";
    size_t length = strnlen(segment, sizeof((struct archive_entry *)0)->segment);
    return length > 4 && length < sizeof((struct archive_entry *)0)->segment &&
           strcmp(segment + length - 4, ".zip") == 0 && strspn(segment, allowed) == length - 4;
}

char *archive_segment_path(const char *folder, const char *segment)
{
    return memory_format("%s/%s", folder, segment);
}

char *archive_index_path(const char *folder, const char *segment)
{
    return memory_format("%s/%.*s.idx", folder, (int)(strlen(segment) - 4), segment);
}
