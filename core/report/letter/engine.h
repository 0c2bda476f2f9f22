/* What an engine keeps from letter to letter. */
#ifndef CAMPAIGND_REPORT_LETTER_ENGINE_H
#define CAMPAIGND_REPORT_LETTER_ENGINE_H

#include <pango/pangocairo.h>

#include "report/letter/picture.h"
#include "report/letter/text.h"

struct letter_engine {
    PangoFontMap *fonts;
    PangoContext *context;
    char **families; /* installed, and used so far; what styles point to */
    size_t family_count;
    struct text_cache texts;
    struct picture_cache pictures;
    struct arena *arena; /* of the letter at hand */
};

#define ENGINE_FAMILY "Liberation Sans"

/* The first family of a CSS list that is installed, by a name that lives as long as the engine;
 * NULL if none is. Generic names and the usual office fonts are served by the Liberation ones,
 * which have their widths. */
const char *engine_family(struct letter_engine *engine, const char *list);

#endif
