/*
 * The e-mail action: what it declares. settings.c reads the settings, job.c does a step's work:
 * message.c makes the bytes, pool.c and connection.c bring them to a mail server, maildir.c into a
 * folder.
 */
#include "job.h"

#define SETTING(variable, ...)                                                                     \
    static const struct campaignd_parameter variable = {                                           \
        .size = sizeof(struct campaignd_parameter), __VA_ARGS__}
#define CHOICE(variable, ...)                                                                      \
    static const struct campaignd_choice variable = {.size = sizeof(struct campaignd_choice),      \
                                                     __VA_ARGS__}

CHOICE(tls_none, .name = "none", .label_en = "Never encrypt", .label_de = "Nie verschlüsseln");
CHOICE(tls_optional, .name = "optional", .label_en = "Encrypt if the server can",
       .label_de = "Verschlüsseln, wenn der Server es kann");
CHOICE(tls_required, .name = "required", .label_en = "Encrypt, or do not send",
       .label_de = "Verschlüsseln oder nicht senden");
static const struct campaignd_choice *const tls_choices[] = {&tls_none, &tls_optional,
                                                             &tls_required, NULL};

SETTING(server, .name = "server", .type = CAMPAIGND_PARAMETER_LOCATION, .required = 1,
        .label_en = "Mail server", .label_de = "Mailserver",
        .help_en = "smtp://HOST[:PORT], smtps://HOST[:PORT], or maildir:PATH to put mails into a "
                   "folder",
        .help_de = "smtp://HOST[:PORT], smtps://HOST[:PORT], oder maildir:PFAD, um Mails in einen "
                   "Ordner zu legen");
SETTING(tls, .name = "tls", .type = CAMPAIGND_PARAMETER_CHOICE, .choices = tls_choices,
        .label_en = "Encryption", .label_de = "Verschlüsselung",
        .help_en = "For smtp://: STARTTLS. Default: optional, but required when there is a user",
        .help_de = "Für smtp://: STARTTLS. Vorgabe: optional, mit Benutzer aber required");
SETTING(ca_file, .name = "ca_file", .type = CAMPAIGND_PARAMETER_PATH,
        .label_en = "Certificates of authorities", .label_de = "Zertifikate der Stellen",
        .help_en = "A PEM file that the server's certificate is checked with; default: the "
                   "system's",
        .help_de = "Eine PEM-Datei, mit der das Zertifikat des Servers geprüft wird; Vorgabe: die "
                   "des Systems");
SETTING(user, .name = "user", .type = CAMPAIGND_PARAMETER_TEXT, .label_en = "User",
        .label_de = "Benutzer", .help_en = "For AUTH; default: none",
        .help_de = "Für die Anmeldung; Vorgabe: keine");
SETTING(password, .name = "password", .type = CAMPAIGND_PARAMETER_SECRET, .label_en = "Password",
        .label_de = "Kennwort", .help_en = "file:PATH or credential:NAME",
        .help_de = "file:PFAD oder credential:NAME");
SETTING(helo, .name = "helo", .type = CAMPAIGND_PARAMETER_TEXT, .label_en = "Own name",
        .label_de = "Eigener Name",
        .help_en = "The name this machine gives in EHLO; default: its host name",
        .help_de = "Der Name, den diese Maschine im EHLO nennt; Vorgabe: ihr Rechnername");
SETTING(connections, .name = "connections", .type = CAMPAIGND_PARAMETER_INTEGER,
        .default_value = "20", .minimum = 1, .maximum = 500, .label_en = "Connections",
        .label_de = "Verbindungen", .help_en = "How many to the server at a time, at most",
        .help_de = "Wie viele zugleich zum Server, höchstens");
SETTING(mails_per_connection, .name = "mails_per_connection", .type = CAMPAIGND_PARAMETER_INTEGER,
        .default_value = "100", .minimum = 1, .maximum = 1000000,
        .label_en = "Mails per connection", .label_de = "Mails je Verbindung",
        .help_en = "After so many a connection is replaced by a new one",
        .help_de = "Nach so vielen wird eine Verbindung durch eine neue ersetzt");
SETTING(connect_timeout, .name = "connect_timeout", .type = CAMPAIGND_PARAMETER_DURATION,
        .default_value = "30s", .minimum = 1000000, .maximum = 3600000000LL,
        .label_en = "Time to connect", .label_de = "Zeit für den Aufbau",
        .help_en = "From the name's look-up to the end of the login",
        .help_de = "Von der Namensauflösung bis zum Ende der Anmeldung");
SETTING(reply_timeout, .name = "reply_timeout", .type = CAMPAIGND_PARAMETER_DURATION,
        .default_value = "5m", .minimum = 1000000, .maximum = 3600000000LL,
        .label_en = "Time to reply", .label_de = "Zeit für eine Antwort",
        .help_en = "For each of the server's replies; twice as long for the last one of a mail",
        .help_de = "Für jede Antwort des Servers; für die letzte einer Mail das Doppelte");
SETTING(default_from, .name = "from", .type = CAMPAIGND_PARAMETER_TEXT,
        .label_en = "Default sender", .label_de = "Absender als Vorgabe",
        .help_en = "address or Name <address>; for steps that name none",
        .help_de = "Adresse oder Name <Adresse>; für Schritte, die keinen nennen");

static const struct campaignd_parameter *const settings[] = {
    &server,          &tls,           &ca_file,      &user,
    &password,        &helo,          &connections,  &mails_per_connection,
    &connect_timeout, &reply_timeout, &default_from, NULL};

CHOICE(attach_documents, .name = "documents", .label_en = "All documents of the earlier steps",
       .label_de = "Alle Dokumente der früheren Schritte");
CHOICE(attach_none, .name = "none", .label_en = "Nothing", .label_de = "Nichts");
static const struct campaignd_choice *const attach_choices[] = {&attach_documents, &attach_none,
                                                                NULL};

SETTING(from, .name = "from", .type = CAMPAIGND_PARAMETER_TEXT, .label_en = "Sender",
        .label_de = "Absender", .help_en = "address or Name <address>; default: the action's",
        .help_de = "Adresse oder Name <Adresse>; Vorgabe: der der Aktion");
SETTING(reply_to, .name = "reply_to", .type = CAMPAIGND_PARAMETER_TEXT, .label_en = "Answers to",
        .label_de = "Antworten an", .help_en = "address or Name <address>; default: the sender",
        .help_de = "Adresse oder Name <Adresse>; Vorgabe: der Absender");
SETTING(to, .name = "to", .type = CAMPAIGND_PARAMETER_COLUMN, .label_en = "Column of the address",
        .label_de = "Spalte der Adresse", .help_en = "Default: the column with the role email",
        .help_de = "Vorgabe: die Spalte mit der Rolle email");
SETTING(to_name, .name = "to_name", .type = CAMPAIGND_PARAMETER_COLUMN,
        .label_en = "Column of the name", .label_de = "Spalte des Namens",
        .help_en = "The recipient's name beside the address; default: none",
        .help_de = "Der Name des Empfängers neben der Adresse; Vorgabe: keiner");
SETTING(report, .name = "report", .type = CAMPAIGND_PARAMETER_REPORT, .required = 1,
        .label_en = "Report", .label_de = "Bericht",
        .help_en = "A report of the kind e-mail: the mail's html",
        .help_de = "Ein Bericht der Art E-Mail: das HTML der Mail");
SETTING(subject, .name = "subject", .type = CAMPAIGND_PARAMETER_TEMPLATE, .required = 1,
        .label_en = "Subject", .label_de = "Betreff", .help_en = "A template: one line",
        .help_de = "Eine Vorlage: eine Zeile");
SETTING(text, .name = "text", .type = CAMPAIGND_PARAMETER_TEMPLATE, .label_en = "Plain text",
        .label_de = "Reiner Text",
        .help_en = "A template for those who read no html; default: made from the html",
        .help_de = "Eine Vorlage für alle, die kein HTML lesen; Vorgabe: aus dem HTML gemacht");
SETTING(attach, .name = "attach", .type = CAMPAIGND_PARAMETER_CHOICE, .default_value = "documents",
        .choices = attach_choices, .label_en = "Attach", .label_de = "Anhängen",
        .help_en = "What is attached to the mail", .help_de = "Was der Mail angehängt wird");

static const struct campaignd_parameter *const parameters[] = {
    &from, &reply_to, &to, &to_name, &report, &subject, &text, &attach, NULL};

CAMPAIGND_EXPORT extern const struct campaignd_action campaignd_action;
const struct campaignd_action campaignd_action = {
    CAMPAIGND_ACTION_HEAD,
    .flags = CAMPAIGND_CALLS_BEGIN,
    .name = "email",
    .version = PLUGIN_VERSION,
    .label_en = "E-mail",
    .label_de = "E-Mail",
    .help_en = "Sends each recipient a mail, with the documents of earlier steps attached",
    .help_de = "Sendet jedem Empfänger eine Mail, mit den Dokumenten früherer Schritte im Anhang",
    .settings = settings,
    .parameters = parameters,
    .load = email_load,
    .open = email_open,
    .prepare = email_prepare,
    .deliver = email_deliver,
    .cancel = email_cancel,
    .preview = email_preview,
    .close = email_close,
    .unload = email_unload,
    .channel = "email",
};
