-- definitions.db as version 1 of the schema made it. Kept for the test of its migration: never edited.
CREATE TABLE category (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    distributor INTEGER NOT NULL DEFAULT 0 CHECK (distributor IN (0, 1))
) STRICT;
INSERT INTO category (id, name, distributor)
VALUES (1, 'Verteiler für Kampagne', 1);
CREATE TABLE query (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    source TEXT NOT NULL CHECK (length(source) BETWEEN 1 AND 200), -- [source.NAME]
    description TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 10000)
) STRICT;
CREATE TABLE query_group (
    id INTEGER PRIMARY KEY,
    query INTEGER NOT NULL REFERENCES query (id) ON DELETE CASCADE,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    position INTEGER NOT NULL DEFAULT 1 CHECK (position BETWEEN 1 AND 1000000),
    sql TEXT NOT NULL CHECK (length(sql) BETWEEN 1 AND 1000000), -- one SELECT
    key_column TEXT NOT NULL CHECK (length(key_column) BETWEEN 1 AND 200),
    UNIQUE (query, name)
) STRICT;
CREATE TABLE field (
    id INTEGER PRIMARY KEY,
    query_group INTEGER NOT NULL REFERENCES query_group (id) ON DELETE CASCADE,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200), -- a column of the SELECT
    position INTEGER NOT NULL DEFAULT 1 CHECK (position BETWEEN 1 AND 1000000),
    label_de TEXT CHECK (length(label_de) BETWEEN 1 AND 200),
    label_en TEXT CHECK (length(label_en) BETWEEN 1 AND 200),
    role TEXT CHECK (length(role) BETWEEN 1 AND 50),
    format TEXT CHECK (length(format) BETWEEN 1 AND 200),
    UNIQUE (query_group, name)
) STRICT;
CREATE TABLE detail_group ( -- not used yet
    id INTEGER PRIMARY KEY,
    query_group INTEGER NOT NULL REFERENCES query_group (id) ON DELETE CASCADE,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    position INTEGER NOT NULL DEFAULT 1 CHECK (position BETWEEN 1 AND 1000000),
    sql TEXT NOT NULL CHECK (length(sql) BETWEEN 1 AND 1000000),
    key_column TEXT NOT NULL CHECK (length(key_column) BETWEEN 1 AND 200),
    UNIQUE (query_group, name)
) STRICT;
CREATE TABLE report (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    kind TEXT NOT NULL DEFAULT 'letter'
        CHECK (kind IN ('letter', 'email', 'text', 'labels')),
    title TEXT NOT NULL DEFAULT '' CHECK (length(title) <= 200),
    description TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 10000),
    query INTEGER REFERENCES query (id) -- what a distributor brings
) STRICT;
CREATE TABLE report_category (
    id INTEGER PRIMARY KEY,
    report INTEGER NOT NULL REFERENCES report (id) ON DELETE CASCADE,
    category INTEGER NOT NULL REFERENCES category (id),
    UNIQUE (report, category)
) STRICT;
CREATE TABLE report_variant (
    id INTEGER PRIMARY KEY,
    report INTEGER NOT NULL REFERENCES report (id) ON DELETE CASCADE,
    language TEXT NOT NULL DEFAULT 'de' CHECK (length(language) BETWEEN 2 AND 35),
    subject TEXT CHECK (length(subject) <= 1000),
    html TEXT CHECK (length(html) <= 1000000),
    text TEXT CHECK (length(text) <= 1000000),
    UNIQUE (report, language)
) STRICT;
CREATE TABLE report_file (
    id INTEGER PRIMARY KEY,
    report INTEGER NOT NULL REFERENCES report (id) ON DELETE CASCADE,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    mime_type TEXT NOT NULL CHECK (length(mime_type) BETWEEN 3 AND 200),
    content BLOB NOT NULL CHECK (length(content) <= 10000000),
    UNIQUE (report, name)
) STRICT;
CREATE TABLE address_pattern (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    kind TEXT NOT NULL CHECK (kind IN ('address', 'salutation')),
    country TEXT CHECK (length(country) BETWEEN 1 AND 100),
    language TEXT CHECK (length(language) BETWEEN 2 AND 35),
    template TEXT NOT NULL CHECK (length(template) <= 100000)
) STRICT;
CREATE TABLE campaign (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    description TEXT NOT NULL DEFAULT '' CHECK (length(description) <= 10000),
    purpose TEXT NOT NULL DEFAULT 'information'
        CHECK (purpose IN ('advertising', 'information', 'mandatory')),
    language TEXT NOT NULL DEFAULT 'de' CHECK (length(language) BETWEEN 2 AND 35),
    query INTEGER REFERENCES query (id),
    distributor INTEGER REFERENCES report (id), -- instead of a query
    individual_sql TEXT CHECK (length(individual_sql) BETWEEN 1 AND 1000000),
    group_name TEXT CHECK (length(group_name) BETWEEN 1 AND 200),
    filter TEXT CHECK (length(filter) BETWEEN 1 AND 10000),
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
        CHECK (length(created_at) BETWEEN 1 AND 40),
    CONSTRAINT either_query_or_distributor CHECK (query IS NULL OR distributor IS NULL)
) STRICT;
CREATE TABLE step (
    id INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position BETWEEN 1 AND 1000000),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    action TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 200), -- [action.NAME]
    when_expr TEXT CHECK (length(when_expr) BETWEEN 1 AND 10000),
    after_step INTEGER, -- the position of an earlier step of the same campaign
    after_outcome TEXT NOT NULL DEFAULT 'delivered'
        CHECK (after_outcome IN ('delivered', 'rejected', 'skipped', 'unknown', 'any')),
    parameters TEXT NOT NULL DEFAULT '{}'
        CHECK (length(parameters) <= 100000 AND json_valid(parameters)
               AND ltrim(parameters, char(9, 10, 13, 32)) GLOB '{*'),
    UNIQUE (campaign, position),
    UNIQUE (campaign, name),
    FOREIGN KEY (campaign, after_step) REFERENCES step (campaign, position),
    CONSTRAINT after_an_earlier_step CHECK (after_step < position)
) STRICT;
CREATE TABLE schedule ( -- not used yet
    id INTEGER PRIMARY KEY,
    campaign INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
    enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    starts_at TEXT NOT NULL CHECK (length(starts_at) BETWEEN 1 AND 40),
    time_zone TEXT NOT NULL DEFAULT 'Europe/Berlin'
        CHECK (length(time_zone) BETWEEN 1 AND 100),
    rule TEXT CHECK (length(rule) BETWEEN 1 AND 1000),
    catch_up TEXT NOT NULL DEFAULT 'skip' CHECK (catch_up IN ('skip', 'once'))
) STRICT;
CREATE TABLE start_request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16))))
        CHECK (length(uuid) BETWEEN 1 AND 64 AND uuid NOT GLOB '*[^0-9A-Za-z_-]*'),
    campaign INTEGER REFERENCES campaign (id) ON DELETE SET NULL,
    requested_by TEXT NOT NULL DEFAULT '' CHECK (length(requested_by) <= 200),
    requested_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
        CHECK (length(requested_at) BETWEEN 1 AND 40),
    state TEXT NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'accepted', 'refused')),
    -- the answer, written by campaignd
    run INTEGER,
    message TEXT CHECK (length(message) <= 2000),
    answered_at TEXT CHECK (length(answered_at) <= 40)
) STRICT;
CREATE INDEX start_request_state ON start_request (state, id);
CREATE TABLE problem ( -- written by campaignd
    id INTEGER PRIMARY KEY,
    table_name TEXT NOT NULL,
    row_id INTEGER,
    severity TEXT NOT NULL CHECK (severity IN ('error', 'warning')),
    message_en TEXT NOT NULL,
    message_de TEXT NOT NULL,
    found_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX campaign_query ON campaign (query);
CREATE INDEX campaign_distributor ON campaign (distributor);
CREATE INDEX report_query ON report (query);
CREATE INDEX report_category_category ON report_category (category);
CREATE INDEX schedule_campaign ON schedule (campaign);
CREATE INDEX start_request_campaign ON start_request (campaign);
PRAGMA user_version = 1;
