"""The Northwind shop (tests/data/northwind, MIT) in each of the databases that a source can be.

The script is SQLite's. It is run as it stands, and what it made there is written for the other servers in their own dialect:
the same tables, names, rows, primary and foreign keys; decimals as NUMERIC/DECIMAL, dates as DATE, what is yes or no as
BOOLEAN. Its views use functions that only SQLite has; one of them comes along, as an example of a view.

    northwind.load_sqlite(folder / "northwind.db")
    source = postgres.source(northwind.load_postgres(postgres))
    source = mariadb.source(northwind.load_mariadb(mariadb))

    python3 tests/system/northwind.py postgres | psql northwind    # or: mariadb | mariadb northwind
"""
import contextlib
import pathlib
import sqlite3
import sys

SCRIPT = pathlib.Path(__file__).parents[1] / "data" / "northwind" / "northwind.sql"
ROWS = {"Categories": 8, "CustomerCustomerDemo": 0, "CustomerDemographics": 0, "Customers": 93, "EmployeeTerritories": 49,
        "Employees": 9, "Order Details": 2155, "Orders": 830, "Products": 77, "Regions": 4, "Shippers": 3, "Suppliers": 29,
        "Territories": 53}
BOOLEANS = {("Products", "Discontinued")}
TYPES = {  # declared in the script: PostgreSQL, MariaDB
    "INTEGER": ("INTEGER", "INT"),
    "NUMERIC": ("NUMERIC(10, 2)", "DECIMAL(10, 2)"),
    "REAL": ("DOUBLE PRECISION", "DOUBLE"),
    "TEXT": ("TEXT", "TEXT"),
    "BLOB": ("BYTEA", "LONGBLOB"),
    "DATE": ("DATE", "DATE"),
    "DATETIME": ("TIMESTAMP", "DATETIME"),
    "BOOLEAN": ("BOOLEAN", "BOOLEAN"),
}
VIEW = """CREATE VIEW {q}Order Subtotals{q} AS
SELECT {q}OrderID{q}, SUM({q}UnitPrice{q} * {q}Quantity{q} * (1 - {q}Discount{q})) AS {q}Subtotal{q}
FROM {q}Order Details{q} GROUP BY {q}OrderID{q};
"""


def load_sqlite(path):
    """Run the script; the file's path."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA journal_mode = OFF")
        db.executescript(SCRIPT.read_text(encoding="utf-8"))
        _check_counts({table: db.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0] for table in ROWS})
        assert not db.execute("PRAGMA foreign_key_check").fetchall(), "the script breaks its own foreign keys"
    return path


def load_postgres(server):
    """Load into a new database of the server; its name."""
    return _load(server, POSTGRES)


def load_mariadb(server):
    return _load(server, MARIADB)


class _Dialect:
    def __init__(self, column, quote, truth, binary, escaped):
        self.column, self.quote, self.truth, self.binary, self.escaped = column, quote, truth, binary, escaped

    def name(self, *names):
        return ", ".join(f"{self.quote}{name}{self.quote}" for name in names)

    def type(self, declared, is_key):
        if is_key and declared == "TEXT" and self.quote == "`":
            return "VARCHAR(60)"  # MariaDB's TEXT is no key
        return TYPES[declared][self.column]

    def value(self, value, declared):
        if value is None:
            return "NULL"
        if declared == "BOOLEAN":
            return self.truth[0 if int(value) else 1]
        if isinstance(value, bytes):
            return self.binary(value)
        if isinstance(value, str):
            return "'" + self.escaped(value).replace("'", "''") + "'"
        return str(value)


POSTGRES = _Dialect(0, '"', "TRUE FALSE".split(), lambda data: f"'\\x{data.hex()}'", lambda text: text)
MARIADB = _Dialect(1, "`", "1 0".split(), lambda data: f"X'{data.hex()}'" if data else "''",
                   lambda text: text.replace("\\", "\\\\"))


def _check_counts(counts):
    assert counts == ROWS, f"Northwind was not loaded as it should be: {counts}"


def _load(server, dialect):
    database = server.new_database()
    server.sql(_script(dialect), database)
    counts = server.sql("".join(f"SELECT COUNT(*) FROM {dialect.name(table)};\n" for table in ROWS), database)
    _check_counts(dict(zip(ROWS, map(int, counts.split()))))
    return database


def _script(dialect):
    """All of it as one script of the dialect."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCRIPT.read_text(encoding="utf-8"))
        parts = [_table(db, table, dialect) for table in ROWS] + [_foreign_keys(db, table, dialect) for table in ROWS]
    return "".join(parts) + VIEW.format(q=dialect.quote)


def _table(db, table, dialect):
    columns = db.execute(f'PRAGMA table_info("{table}")').fetchall()
    keys = [name for _, name, _, _, _, place in sorted(columns, key=lambda column: column[5]) if place]
    referring = {row[3] for row in db.execute(f'PRAGMA foreign_key_list("{table}")')}
    declared = {name: "BOOLEAN" if (table, name) in BOOLEANS else kind for _, name, kind, *_ in columns}
    lines = [f"{dialect.name(name)} {dialect.type(declared[name], name in keys or name in referring)}"
             + (" NOT NULL" if needed or place else "") for _, name, _, needed, _, place in columns]
    made = f"CREATE TABLE {dialect.name(table)} ({', '.join(lines)}, PRIMARY KEY ({dialect.name(*keys)}));\n"
    rows = ["(" + ", ".join(dialect.value(value, kind) for value, kind in zip(row, declared.values())) + ")"
            for row in db.execute(f'SELECT * FROM "{table}"')]
    return made + (f"INSERT INTO {dialect.name(table)} VALUES\n" + ",\n".join(rows) + ";\n" if rows else "")


def _foreign_keys(db, table, dialect):
    return "".join(
        f"ALTER TABLE {dialect.name(table)} ADD FOREIGN KEY ({dialect.name(column)}) "
        f"REFERENCES {dialect.name(target)} ({dialect.name(to)});\n"
        for _, _, target, column, to, *_ in sorted(db.execute(f'PRAGMA foreign_key_list("{table}")')))


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    print(_script({"postgres": POSTGRES, "mariadb": MARIADB}[sys.argv[1]]))
