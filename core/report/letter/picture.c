#include "report/letter/picture.h"

#include <stdlib.h>
#include <string.h>

#include "report/letter/engine.h"

#define MAX_KEPT_PIXELS 16000000
#define MAX_KEPT 100

static const unsigned char png_begin[16] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n',
                                            0,    0,   0,   13,  'I',  'H',  'D',  'R'};

static unsigned big_endian(const unsigned char *bytes)
{
    return (unsigned)bytes[0] << 24 | (unsigned)bytes[1] << 16 | (unsigned)bytes[2] << 8 | bytes[3];
}

/* What the file says of itself must be known before it is unpacked: 4 MB can say 8 gigapixels. */
static int check_file(struct job *job, const char *name, const void *data, size_t size,
                      struct position at)
{
    const unsigned char *bytes = data;
    if (size > LETTER_MAX_IMAGE)
        return job_fail(job, at, "the picture »%s« has %zu bytes; at most %d are possible", name,
                        size, LETTER_MAX_IMAGE);
    if (size < 33 || memcmp(bytes, png_begin, sizeof png_begin) != 0)
        return job_fail(job, at, "the picture »%s« is no PNG file; save it as PNG", name);
    unsigned width = big_endian(bytes + 16), height = big_endian(bytes + 20);
    if (!width || !height || width > 32767 || height > 32767 ||
        (uint64_t)width * height > LETTER_MAX_PIXELS)
        return job_fail(job, at,
                        "the picture »%s« has %u × %u pixels; at most %d in all are possible, make "
                        "it smaller",
                        name, width, height, LETTER_MAX_PIXELS);
    return 0;
}

struct reading {
    const unsigned char *bytes;
    size_t left;
};

static cairo_status_t read_bytes(void *context, unsigned char *target, unsigned length)
{
    struct reading *reading = context;
    if (length > reading->left)
        return CAIRO_STATUS_READ_ERROR;
    memcpy(target, reading->bytes, length);
    reading->bytes += length;
    reading->left -= length;
    return CAIRO_STATUS_SUCCESS;
}

static void picture_free(struct picture *picture)
{
    cairo_surface_destroy(picture->surface);
    free(picture->bytes);
    free(picture);
}

static struct picture *decode(struct job *job, const char *name, const void *data, size_t size,
                              struct position at)
{
    struct reading reading = {data, size};
    cairo_surface_t *surface = cairo_image_surface_create_from_png_stream(read_bytes, &reading);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        cairo_surface_destroy(surface);
        job_fail(job, at, "the picture »%s« is damaged: it cannot be decoded", name);
        return NULL;
    }
    struct picture *picture = memory_new(sizeof *picture);
    picture->surface = surface;
    picture->width = (unsigned)cairo_image_surface_get_width(surface);
    picture->height = (unsigned)cairo_image_surface_get_height(surface);
    picture->bytes = memory_resize(NULL, size);
    memcpy(picture->bytes, data, size);
    picture->size = size;
    return picture;
}

static void keep(struct picture_cache *cache, struct picture *picture)
{
    if (cache->count == cache->capacity) {
        cache->capacity = cache->capacity ? cache->capacity * 2 : 8;
        cache->pictures = memory_resize(cache->pictures, cache->capacity * sizeof *cache->pictures);
    }
    cache->pictures[cache->count++] = picture;
    cache->pixels += (size_t)picture->width * picture->height;
}

const struct picture *picture_get(struct job *job, const char *name, struct position at)
{
    const struct letter_request *request = job->request;
    struct picture_cache *cache = &job->engine->pictures;
    size_t size = 0;
    const void *data =
        request->find_file ? request->find_file(request->context, name, &size) : NULL;
    if (!data) {
        job_fail(job, at, "there is no picture »%s« among the report's files", name);
        return NULL;
    }
    for (size_t i = 0; i < cache->count; i++)
        if (cache->pictures[i]->size == size && memcmp(cache->pictures[i]->bytes, data, size) == 0)
            return cache->pictures[i];
    if (check_file(job, name, data, size, at))
        return NULL;
    if (cache->count >= MAX_KEPT || cache->pixels > MAX_KEPT_PIXELS) {
        job_fail(job, at, "the pictures of this letter are too many or too large");
        return NULL;
    }
    struct picture *picture = decode(job, name, data, size, at);
    if (picture)
        keep(cache, picture);
    return picture;
}

static void forget(struct picture_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++)
        picture_free(cache->pictures[i]);
    cache->count = 0;
    cache->pixels = 0;
}

bool picture_cache_trim(struct picture_cache *cache)
{
    if (cache->count < MAX_KEPT / 2 && cache->pixels < MAX_KEPT_PIXELS / 2)
        return false;
    forget(cache);
    return true;
}

void picture_cache_free(struct picture_cache *cache)
{
    forget(cache);
    free(cache->pictures);
}
