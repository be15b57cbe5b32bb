"""What is in a study, for tests that compare two."""

import sqlite3


def contents(path):
    """All rows of a study, without their internal ids."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as study:
        study.row_factory = sqlite3.Row
        names = dict(study.execute("SELECT id, recipe || ' ' || storage FROM variants").fetchall())
        rows = {"study": [dict(row) for row in study.execute("SELECT * FROM study")]}
        rows["texts"] = [dict(row) for row in study.execute("SELECT * FROM texts ORDER BY id")]
        rows["chunks"] = [dict(row) for row in study.execute("SELECT * FROM chunks ORDER BY text, chunk")]
        rows["variants"] = sorted(({**dict(row), "id": 0} for row in study.execute("SELECT * FROM variants")),
                                  key=lambda row: (row["recipe"], row["storage"]))
        rows["sites"] = sorted(({**dict(row), "variant": names[row["variant"]]} for row in study.execute("SELECT * FROM variant_sites")),
                               key=lambda row: (row["variant"], row["name"]))
        rows["scores"] = sorted(({**dict(row), "variant": names[row["variant"]]} for row in study.execute("SELECT * FROM scores")),
                                key=lambda row: (row["variant"], row["text"], row["chunk"]))
    study.close()
    return rows
