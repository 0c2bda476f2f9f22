/* What the definitions say about failures, in English and German; and who collects it. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_internal.h"

struct wording {
    const char *english, *german;
};

static const struct wording wordings[MESSAGE_COUNT] = {
    [MESSAGE_NONE] = {"", ""},
    [MESSAGE_NO_VERSION] =
        {"{1} holds our tables but no user_version; if it was restored from a dump, set it: "
         "sqlite3 {1} 'PRAGMA user_version = {2}'",
         "{1} enthält unsere Tabellen, aber keine user_version; wurde es aus einem Dump "
         "wiederhergestellt, setzen Sie sie: sqlite3 {1} 'PRAGMA user_version = {2}'"},
    [MESSAGE_NEWER] =
        {"{1} has user_version {2}, made by a newer campaignd; this one knows {3} at most: install "
         "the newer campaignd, or restore the file from before",
         "{1} hat user_version {2} und stammt von einem neueren campaignd; dieser kennt höchstens "
         "{3}: installieren Sie den neueren, oder stellen Sie die frühere Datei wieder her"},
    [MESSAGE_ALTERED] =
        {"{1} »{2}« is not as campaignd made it; nothing is read from definitions.db until it is: "
         "put columns of your own into a table whose name begins with site_",
         "{1} »{2}« ist nicht so, wie campaignd sie angelegt hat; bis dahin wird aus "
         "definitions.db nichts gelesen: eigene Spalten gehören in eine Tabelle, deren Name mit "
         "site_ beginnt"},
    [MESSAGE_MISSING] =
        {"»{1}« is missing; nothing is read from definitions.db until it is back as docs/schema.md "
         "has it",
         "»{1}« fehlt; aus definitions.db wird nichts gelesen, bis es wieder so da ist wie in "
         "docs/schema.md"},
    [MESSAGE_NOT_RUN] = {"the {1} »{2}« is not ours and campaignd does not run it: drop it",
                         "{1} »{2}« stammt nicht von campaignd und wird nicht ausgeführt: löschen "
                         "Sie ihn"},
    [MESSAGE_FOREIGN] =
        {"the {1} »{2}« is not ours; campaignd ignores it: let its name begin with site_",
         "{1} »{2}« stammt nicht von campaignd und wird nicht beachtet: lassen Sie den Namen mit "
         "site_ beginnen"},
    [MESSAGE_MORE] = {"there are more problems than these: mend these first",
                      "es gibt weitere Probleme: beheben Sie zuerst diese"},
    [MESSAGE_SQL] = {"{1}: {2}", "{1}: {2}"},
    [MESSAGE_BUSY] = {"{1} is locked by another program: try again when it has finished",
                      "{1} ist von einem anderen Programm gesperrt: versuchen Sie es später"},
    [MESSAGE_TOO_BIG] = {"a value of a row is larger than any may be: delete the row",
                         "ein Wert einer Zeile ist größer, als einer sein darf: löschen Sie die "
                         "Zeile"},
    [MESSAGE_TOO_SLOW] = {"{1}: gave up after 20 seconds; try again, and look for indexes of your "
                          "own or millions of rows",
                          "{1}: nach 20 Sekunden abgebrochen; versuchen Sie es noch einmal, und "
                          "suchen Sie nach eigenen Indizes oder Millionen von Zeilen"},
    [MESSAGE_DAMAGED] = {"{1} is damaged ({2}): restore it, or rescue it with sqlite3's .recover",
                         "{1} ist beschädigt ({2}): stellen Sie es wieder her, oder retten Sie es "
                         "mit .recover von sqlite3"},
    [MESSAGE_NULL] = {"{1} must be given", "{1} muss angegeben sein"},
    [MESSAGE_TYPE] = {"{1} has a wrong type: {2} is expected",
                      "{1} hat einen falschen Typ: erwartet wird {2}"},
    [MESSAGE_UTF8] = {"{1} is not valid UTF-8 text", "{1} ist kein gültiger UTF-8-Text"},
    [MESSAGE_CONTROL] = {"{1} must be one line without control characters",
                         "{1} muss eine Zeile ohne Steuerzeichen sein"},
    [MESSAGE_EMPTY] = {"{1} must not be empty", "{1} darf nicht leer sein"},
    [MESSAGE_LONG] = {"{1} is too long: {2} at most", "{1} ist zu lang: höchstens {2}"},
    [MESSAGE_CHOICE] = {"{1} is »{2}« but must be one of: {3}",
                        "{1} ist »{2}«, muss aber eines sein von: {3}"},
    [MESSAGE_RANGE] = {"{1} must be between {2} and {3}", "{1} muss zwischen {2} und {3} liegen"},
    [MESSAGE_JSON] = {"{1} is not a JSON object: {2}", "{1} ist kein JSON-Objekt: {2}"},
    [MESSAGE_JSON_VALUE] = {"{1}: the value of »{2}« must be a text, number, true, false or null",
                            "{1}: der Wert von »{2}« muss Text, Zahl, true, false oder null sein"},
    [MESSAGE_DANGLING] = {"{1} refers to a {2} that is not there: correct it, or delete the row",
                          "{1} verweist auf {2}, das es nicht gibt: berichtigen Sie es, oder "
                          "löschen Sie die Zeile"},
    [MESSAGE_TOO_MANY] = {"more than {2} rows of {1}: delete some",
                          "mehr als {2} Zeilen von {1}: löschen Sie welche"},
    [MESSAGE_STATE] = {"state is none of pending, accepted, refused: the request is not looked at",
                       "state ist nicht pending, accepted oder refused: die Anforderung wird nicht "
                       "beachtet"},
    [MESSAGE_STEP_AFTER] = {"step »{1}« waits for a step that does not stand before it: correct "
                            "after_step",
                            "Schritt »{1}« wartet auf einen, der nicht vor ihm steht: berichtigen "
                            "Sie after_step"},
    [MESSAGE_NO_CAMPAIGN] = {"there is no campaign with the id {1}",
                             "es gibt keine Kampagne mit der Nummer {1}"},
    [MESSAGE_NO_SOURCE] = {"campaign »{1}« has no data yet: choose a query or a distributor",
                           "Kampagne »{1}« hat noch keine Datenquelle: wählen Sie eine Abfrage "
                           "oder einen Verteiler"},
    [MESSAGE_NO_STEPS] = {"campaign »{1}« has no steps yet: choose an action",
                          "Kampagne »{1}« hat noch keine Schritte: wählen Sie eine Aktion"},
    [MESSAGE_BOTH_SOURCES] = {"campaign »{1}« has a query and a distributor: remove one",
                              "Kampagne »{1}« hat eine Abfrage und einen Verteiler: entfernen Sie "
                              "eines"},
    [MESSAGE_NOT_A_DISTRIBUTOR] =
        {"report »{1}« is no distributor: give it a query and the category »{2}«",
         "Bericht »{1}« ist kein Verteiler: geben Sie ihm eine Abfrage und die Kategorie »{2}«"},
    [MESSAGE_NO_GROUPS] = {"query »{1}« has no group: give it one, with its SQL",
                           "Abfrage »{1}« hat keine Gruppe: geben Sie ihr eine mit ihrem SQL"},
    [MESSAGE_WHICH_GROUP] = {"query »{1}« has several groups: choose one in campaign »{2}«",
                             "Abfrage »{1}« hat mehrere Gruppen: wählen Sie eine in Kampagne "
                             "»{2}«"},
    [MESSAGE_NO_GROUP] = {"query »{1}« has no group »{2}«: choose another in campaign »{3}«",
                          "Abfrage »{1}« hat keine Gruppe »{2}«: wählen Sie eine andere in "
                          "Kampagne »{3}«"},
    [MESSAGE_NO_REPORT] = {"step »{1}«: there is no report »{2}«: make it, or name another in its "
                           "parameter »{3}«",
                           "Schritt »{1}«: es gibt keinen Bericht »{2}«: legen Sie ihn an, oder "
                           "nennen Sie in seinem Parameter »{3}« einen anderen"},
    [MESSAGE_TOO_LARGE] = {"the texts and files needed are larger than {1} together: use smaller "
                           "images",
                           "die benötigten Texte und Dateien sind zusammen größer als {1}: nehmen "
                           "Sie kleinere Bilder"},
    [MESSAGE_CANNOT_START] = {"campaign »{1}« cannot be started: {2}",
                              "Kampagne »{1}« kann nicht gestartet werden: {2}"},
    [MESSAGE_REQUEST_RUBBISH] = {"the request cannot be read: {1}",
                                 "die Anforderung ist nicht lesbar: {1}"},
    [MESSAGE_REQUEST_NO_CAMPAIGN] =
        {"there is no such campaign: insert a new request with the id of one that is there",
         "diese Kampagne gibt es nicht: fordern Sie mit der id einer vorhandenen neu an"},
    [MESSAGE_NOT_FOUND] = {"there is no {1} with the id {2}", "es gibt kein {1} mit der id {2}"},
    [MESSAGE_GIVE] = {"{1}: must be given", "{1}: muss angegeben sein"},
    [MESSAGE_EXPECT_TEXT] = {"{1}: a text is expected", "{1}: erwartet wird ein Text"},
    [MESSAGE_EXPECT_NAME] = {"{1}: a name is expected", "{1}: erwartet wird ein Name"},
    [MESSAGE_EXPECT_OBJECT] = {"{1}: an object is expected", "{1}: erwartet wird ein Objekt {…}"},
    [MESSAGE_EXPECT_ARRAY] = {"{1}: an array is expected", "{1}: erwartet wird eine Liste […]"},
    [MESSAGE_EXPECT_BOOLEAN] = {"{1}: true or false is expected",
                                "{1}: erwartet wird true oder false"},
    [MESSAGE_EXPECT_COUNT] = {"{1}: a whole number from {2} to {3} is expected",
                              "{1}: erwartet wird eine ganze Zahl von {2} bis {3}"},
    [MESSAGE_EXPECT_PLAIN] = {"{1}: a text, a whole number, true or false is expected",
                              "{1}: erwartet wird ein Text, eine ganze Zahl, true oder false"},
    [MESSAGE_EXPECT_BASE64] = {"{1}: base64 of at most 10,000,000 bytes is expected",
                               "{1}: erwartet wird base64 von höchstens 10.000.000 Bytes"},
    [MESSAGE_EXPECT_EARLIER] = {"{1}: the number of an earlier step, or null, is expected",
                                "{1}: erwartet wird die Nummer eines früheren Schritts oder null"},
    [MESSAGE_EXPECT_ORDER] = {"{1}: steps are numbered 1, 2, 3 in their order; leave it out",
                              "{1}: Schritte sind der Reihe nach mit 1, 2, 3 nummeriert; lassen "
                              "Sie es weg"},
    [MESSAGE_UNKNOWN_KEY] = {"{1}: {N2} has no such key; see docs/schema.md",
                             "{1}: diesen Schlüssel hat {N2} nicht; siehe docs/schema.md"},
    [MESSAGE_UNKNOWN_KEY_NEAR] = {"{1}: {N2} has no such key; did you mean »{3}«?",
                                  "{1}: diesen Schlüssel hat {N2} nicht; meinten Sie »{3}«?"},
    [MESSAGE_NO_SUCH] = {"{1}: there is no {2} »{3}«: make it first, or name another",
                         "{1}: {N2} »{3}« gibt es nicht: zuerst anlegen oder anders benennen"},
    [MESSAGE_KEY_ABOVE] = {"{1}: »{2}« is the key above it, leave it out",
                           "{1}: »{2}« ist der Schlüssel darüber, lassen Sie es weg"},
    [MESSAGE_TOO_MANY_HERE] = {"{1}: more than {2}", "{1}: mehr als {2}"},
    [MESSAGE_TWICE] = {"{1} is there twice: give each a name of its own",
                       "{1} ist doppelt: geben Sie jedem einen eigenen Namen"},
    [MESSAGE_WORD] =
        {"{1} must be letters without accents, digits and _, not begin with a digit, and not be "
         "v1, v2 …: those are a built query's own values",
         "{1} darf nur aus Buchstaben ohne Akzente, Ziffern und _ bestehen, nicht mit einer Ziffer "
         "beginnen und nicht v1, v2 … lauten: so heißen die eigenen Werte gebauter Abfragen"},
    [MESSAGE_NOT_BOTH] = {"{1} and {2} cannot both be given: remove one",
                          "{1} und {2} können nicht beide angegeben sein: entfernen Sie eines"},
    [MESSAGE_NEITHER] = {"{1} or {2} must be given", "{1} oder {2} muss angegeben sein"},
    [MESSAGE_NO_KIND] = {"there is no kind of definition »{1}«",
                         "eine Definition der Art »{1}« gibt es nicht"},
    [MESSAGE_UNKNOWN] = {"there is no {1} »{2}«", "{N1} »{2}« gibt es nicht"},
    [MESSAGE_NAME_TAKEN] = {"name: there is a {1} »{2}« already: choose another name",
                            "name: {N1} »{2}« gibt es schon: wählen Sie einen anderen Namen"},
    [MESSAGE_NAME_UNREADABLE] = {"name: must be given ({1} »{2}« has none that can be read)",
                                 "name: muss angegeben sein ({N1} »{2}« hat keinen lesbaren)"},
    [MESSAGE_CHANGED] =
        {"{1} »{2}« was changed by somebody else since you read it: read it again",
         "{N1} »{2}« wurde inzwischen von jemand anderem geändert: lesen Sie es neu"},
    [MESSAGE_ID] = {"id: it is {1} and cannot be changed", "id: ist {1} und nicht änderbar"},
    [MESSAGE_USED] = {"{1} »{2}« is used by {3}: change that first",
                      "{N1} »{2}« wird verwendet: {N3}. Ändern Sie zuerst das"},
    [MESSAGE_USED_ELSEWHERE] =
        {"{1} »{2}« is referred to by a table of your own: delete that row first",
         "auf {N1} »{2}« verweist eine eigene Tabelle: löschen Sie zuerst deren Zeile"},
    [MESSAGE_LAST_DISTRIBUTOR] =
        {"category »{1}« is the only one that makes distributors of reports: make another such "
         "category first",
         "Kategorie »{1}« ist die einzige, die Berichte zu Verteilern macht: legen Sie zuerst eine "
         "andere solche an"},
    [MESSAGE_CANNOT_MIGRATE] =
        {"{1} cannot be brought up to date: {2}; nothing was changed, campaignd starts again when "
         "that is mended",
         "{1} lässt sich nicht auf den neuen Stand bringen: {2}; nichts wurde geändert, campaignd "
         "startet wieder, wenn das behoben ist"},
    [MESSAGE_NO_PURPOSE_REASON] =
        {"campaign »{1}« has the purpose »mandatory«, which passes over objections: say why in "
         "purpose_reason, it is recorded with the run",
         "Kampagne »{1}« hat den Zweck »mandatory«, der Widersprüche übergeht: geben Sie in "
         "purpose_reason den Grund an, er wird mit dem Lauf festgehalten"},
    [MESSAGE_PARAMETER_MISSING] =
        {"query »{1}« needs a value for its parameter »{2}«: give it in parameters",
         "Abfrage »{1}« braucht einen Wert für ihren Parameter »{2}«: geben Sie ihn in parameters "
         "an"},
    [MESSAGE_PARAMETER_UNKNOWN] =
        {"query »{1}« has no parameter »{2}«: leave it out, or declare it in the query",
         "Abfrage »{1}« hat keinen Parameter »{2}«: lassen Sie ihn weg, oder erklären Sie ihn in "
         "der Abfrage"},
    [MESSAGE_PARAMETER_NEAR] = {"query »{1}« has no parameter »{2}«: did you mean »{3}«?",
                                "Abfrage »{1}« hat keinen Parameter »{2}«: meinten Sie »{3}«?"},
    [MESSAGE_PARAMETER_TYPE] = {"parameter »{1}«: {N3} is expected, not »{2}«",
                                "Parameter »{1}«: erwartet wird {N3}, nicht »{2}«"},
    [MESSAGE_PARAMETER_DEFAULT] =
        {"the default of parameter »{1}« is »{2}«, but {N3} is expected",
         "die Vorgabe des Parameters »{1}« ist »{2}«, erwartet wird aber {N3}"},
    [MESSAGE_PARAMETER_CLASH] =
        {"parameter »{3}« has one type in query »{1}« and another in query »{2}«, which is one of "
         "its sets: rename one of them",
         "Parameter »{3}« hat in Abfrage »{1}« einen anderen Typ als in Abfrage »{2}«, mit der sie "
         "verknüpft ist: benennen Sie einen davon um"},
    [MESSAGE_SET_OWN] = {"group »{1}«: a set cannot refer to its own query »{2}«: name another",
                         "Gruppe »{1}«: eine Menge kann nicht auf die eigene Abfrage »{2}« "
                         "verweisen: nennen Sie eine andere"},
    [MESSAGE_SET_NESTED] =
        {"group »{1}«: group »{2}« of query »{3}« has sets of its own, which are not followed: "
         "name a group without",
         "Gruppe »{1}«: Gruppe »{2}« der Abfrage »{3}« hat selbst Mengen, denen nicht gefolgt "
         "wird: nennen Sie eine Gruppe ohne solche"},
    [MESSAGE_SET_WHICH_GROUP] = {"group »{1}«: query »{2}« has several groups, or none: name one "
                                 "in the set",
                                 "Gruppe »{1}«: Abfrage »{2}« hat mehrere Gruppen oder keine: "
                                 "nennen Sie in der Menge eine"},
    [MESSAGE_SET_NO_GROUP] =
        {"group »{1}«: query »{2}« has no group »{3}«: name another in the set",
         "Gruppe »{1}«: Abfrage »{2}« hat keine Gruppe »{3}«: nennen Sie in der Menge eine andere"},
    [MESSAGE_ASK_GROUP] = {"query »{1}« has several groups: name one of {2}",
                           "Abfrage »{1}« hat mehrere Gruppen: nennen Sie eine von {2}"},
    [MESSAGE_ASK_NO_GROUP] = {"query »{1}« has no group »{2}«: name one of {3}",
                              "Abfrage »{1}« hat keine Gruppe »{2}«: nennen Sie eine von {3}"},
    [MESSAGE_HAS_INDIVIDUAL] =
        {"campaign »{1}« has a query of its own already, which would be lost: compare the two, "
         "then ask for it once more with »force«",
         "Kampagne »{1}« hat schon eine individuelle Abfrage, die verloren ginge: vergleichen Sie "
         "beide, und verlangen Sie es dann noch einmal mit »force«"},
    [MESSAGE_NOT_AN_EXPORT] =
        {"the document is no export of definitions: {1}; campaignctl export writes one",
         "das Dokument ist kein Export von Definitionen: {1}; campaignctl export schreibt einen"},
    [MESSAGE_EXPORT_VERSION] =
        {"the export has the version {1}, this campaignd reads version {2}: use the campaignd that "
         "wrote it, or a newer one",
         "der Export hat die Version {1}, dieser campaignd liest Version {2}: nehmen Sie den "
         "campaignd, der ihn geschrieben hat, oder einen neueren"},
};

/* Our words for things, as people read them. */
static const struct noun {
    const char *word;
    struct wording wording;
} nouns[] = {
    {"query", {"query", "Abfrage"}},
    {"query_group", {"a group", "eine Gruppe"}},
    {"query_parameter", {"a parameter", "ein Parameter"}},
    {"query_set", {"a set", "eine Menge"}},
    {"field", {"a field", "ein Feld"}},
    {"detail_group", {"a detail group", "eine Detailgruppe"}},
    {"report", {"report", "Bericht"}},
    {"report_category", {"a category", "eine Kategorie"}},
    {"report_variant", {"a variant", "eine Fassung"}},
    {"report_file", {"a file", "eine Datei"}},
    {"category", {"category", "Kategorie"}},
    {"pattern", {"pattern", "Adressmuster"}},
    {"campaign", {"campaign", "Kampagne"}},
    {"campaign_pick", {"a pick", "ein einzelner Empfänger"}},
    {"step", {"a step", "ein Schritt"}},
    {"schedule", {"a schedule", "ein Zeitplan"}},
    {"text", {"a text", "ein Text"}},
    {"integer", {"a whole number", "eine ganze Zahl"}},
    {"decimal", {"a number such as 12.50", "eine Zahl wie 12.50"}},
    {"date", {"a date such as 2026-11-24", "ein Datum wie 2026-11-24"}},
    {"boolean", {"true or false", "true oder false"}},
};

/* Texts of a site's own in a message: shown this far. */
#define SHOWN_BYTES 320

/* Put in what may be hostile: one line, valid UTF-8, not endless. */
static void put_harmless(struct buffer *target, const char *text)
{
    char shown[SHOWN_BYTES + 1];
    text_copy(shown, sizeof shown, text);
    size_t length = strlen(shown);
    bool valid = text_is_utf8(shown, length);
    for (char *c = shown; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
        else if (!valid && (unsigned char)*c >= 0x80)
            *c = '?';
    buffer_append(target, shown, length);
    if (text[length])
        buffer_text(target, "…");
}

static void put_noun(struct buffer *target, const char *text, bool german)
{
    size_t length = strcspn(text, " ");
    for (size_t i = 0; i < sizeof nouns / sizeof *nouns; i++)
        if (strlen(nouns[i].word) == length && !memcmp(nouns[i].word, text, length)) {
            buffer_text(target, german ? nouns[i].wording.german : nouns[i].wording.english);
            text += length;
            break;
        }
    put_harmless(target, text);
}

static void word(struct buffer *target, const char *pattern, const char *const texts[3],
                 bool german)
{
    for (const char *c = pattern; *c; c++) {
        bool is_noun = c[0] == '{' && c[1] == 'N';
        const char *number = c + 1 + is_noun;
        if (c[0] != '{' || *number < '1' || *number > '3' || number[1] != '}') {
            buffer_char(target, *c);
            continue;
        }
        const char *text = texts[*number - '1'];
        if (is_noun)
            put_noun(target, text ? text : "", german);
        else
            put_harmless(target, text ? text : "");
        c = number + 1;
    }
}

int trouble_set(struct trouble *why, enum error_code code, enum message message, const char *table,
                int64_t row, const char *first, const char *second, const char *third)
{
    const char *const texts[3] = {first, second, third};
    BUFFER_CLEAN struct buffer english = {0};
    BUFFER_CLEAN struct buffer german = {0};
    word(&english, wordings[message].english, texts, false);
    word(&german, wordings[message].german, texts, true);
    why->message = message;
    why->table = table;
    why->row = row;
    error_set(&why->error, code, "%s", buffer_string(&english));
    text_copy(why->error.german, sizeof why->error.german, buffer_string(&german));
    return -1;
}

int trouble_sql(struct trouble *why, struct definitions *d, const char *table)
{
    int result = sqlite3_errcode(d->db);
    const char *what = sqlite3_errmsg(d->db);
    switch (result) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return trouble_set(why, ERROR_BUSY, MESSAGE_BUSY, table, 0, d->path, NULL, NULL);
    case SQLITE_INTERRUPT:
        return trouble_set(why, ERROR_BUSY, MESSAGE_TOO_SLOW, table, 0, d->path, NULL, NULL);
    case SQLITE_TOOBIG:
        return trouble_set(why, ERROR_INPUT, MESSAGE_TOO_BIG, table, 0, NULL, NULL, NULL);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return trouble_set(why, ERROR_SYSTEM, MESSAGE_DAMAGED, table, 0, d->path, what, NULL);
    case SQLITE_CONSTRAINT:
        return trouble_set(why, ERROR_INPUT, MESSAGE_SQL, table, 0, d->path, what, NULL);
    default:
        return trouble_set(why, ERROR_SYSTEM, MESSAGE_SQL, table, 0, d->path, what, NULL);
    }
}

int trouble_tell(const struct trouble *why, struct error *error)
{
    if (error)
        *error = why->error;
    return -1;
}

static void add(struct findings *findings, bool error, const struct trouble *why)
{
    if (findings->count >= FINDINGS_MOST)
        return;
    findings->items =
        memory_resize(findings->items, (findings->count + 1) * sizeof *findings->items);
    findings->items[findings->count++] = (struct finding){
        .table = why->table ? why->table : "",
        .row = why->row,
        .error = error,
        .english = memory_text(why->error.message),
        .german = memory_text(why->error.german),
    };
}

void findings_add(struct findings *findings, bool error, enum message message, const char *table,
                  int64_t row, const char *first, const char *second, const char *third)
{
    if (findings->count == FINDINGS_MOST - 1) {
        message = MESSAGE_MORE;
        table = "problem";
        row = 0;
        error = true;
    }
    struct trouble why = {0};
    trouble_set(&why, ERROR_INPUT, message, table, row, first, second, third);
    add(findings, error, &why);
}

void findings_add_trouble(struct findings *findings, const struct trouble *why)
{
    if (findings->count == FINDINGS_MOST - 1)
        findings_add(findings, true, MESSAGE_MORE, NULL, 0, NULL, NULL, NULL);
    else
        add(findings, true, why);
}

bool findings_has(const struct findings *findings, const char *table, int64_t row)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].row == row && text_equal(findings->items[i].table, table))
            return true;
    return false;
}

void findings_free(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->items[i].english);
        free(findings->items[i].german);
    }
    free(findings->items);
    *findings = (struct findings){0};
}
