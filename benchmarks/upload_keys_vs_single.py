"""An upload with several IDs in each row against one of the same rows with one ID, side by side.

SCALE rows (100,000) are read and matched by the code that the cron runs, in a database with as many
contacts. Half of the rows are contacts'. Rows of the third sort have a reference that all of 50,000
other contacts have, too. The figure is the time of the rows with two IDs over that with one.

    python -m benchmarks.upload_keys_vs_single            (SCALE=10000: rows and contacts)
"""

from __future__ import annotations

import sys

from devenv import database as databases

from ._figures import report, scale
from ._upload import MAKE_CONTACTS, run

GOAL, RUNS = 2, 3
SORTS = {
    "one": "1 ID",
    "two": "2 IDs",
    "three": "3 IDs",
    "shared": "2 IDs, the second one shared by many contacts",
}

REFERENCES = """
env.cr.execute("UPDATE res_partner SET ref = 'R' || substr(email, 2, strpos(email, '@') - 2),"
               " vat = 'V' || substr(email, 2, strpos(email, '@') - 2)"
               " WHERE email LIKE 'p%@customer.example'")
name = "'S' || n"
values = {"name": name, "complete_name": name, "email": "NULL", "email_normalized": "NULL"}
copy_contact(contact, values, shared)
env.cr.execute("UPDATE res_partner SET ref = 'none', vat = NULL WHERE name ~ '^S[0-9]+$'")
vacuum("res_partner")
"""

MEASURE = """
def run(sort, rows):
    ref = "none" if sort == "shared" else "R{n}"
    line = f"Person,p{{n}}@customer.example,{ref},V{{n}}\\n"
    text = "".join(line.format(n=2 * n) for n in range(rows))
    upload = make_upload(text)
    upload.write({"id_kind": "email", "has_header": False})
    upload.column_id = upload.column_ids[1]
    ref, vat = upload.column_ids[2:4].ids
    keys = [(ref, "reference", False), (vat, "field", "vat")]
    for column, kind, field in keys[:{"one": 0, "three": 2}.get(sort, 1)]:
        upload.env["directmail.upload.key"].create({
            "upload_id": upload.id, "column_id": column, "id_kind": kind, "match_field": field})
    upload = start_upload(upload)
    seconds = match(upload)
    remove_upload(upload, rows, rows // 2 + 1 if sort == "shared" else rows)
    return seconds
run("one", 1000)
run("three", 1000)
for sort in order:
    print("RESULT", json.dumps([sort, run(sort, size)]), flush=True)
"""


def main():
    rows = scale(100_000)
    database = databases.fresh("bench_upload_keys")
    try:
        run(database, MAKE_CONTACTS, REFERENCES, people=rows, shared=rows // 2)
        found = {sort: [] for sort in SORTS}
        for sort, seconds in run(database, MEASURE, order=[*SORTS] * RUNS, size=rows):
            found[sort].append(seconds)
    finally:
        databases.drop(database)
    median = {sort: sorted(seconds)[len(seconds) // 2] for sort, seconds in found.items()}
    texts = [f"{SORTS[sort]} {1e6 * seconds / rows:.1f} us" for sort, seconds in median.items()]
    how = (
        f"{rows:,} rows, time a row: {', '.join(texts)}; {rows:,} contacts and {rows // 2:,} with a"
        f" shared reference; median of {RUNS} alternating runs"
    )
    ratio = median["two"] / median["one"]
    return 0 if report("upload_keys_vs_single", ratio, "<=", GOAL, how) else 1


if __name__ == "__main__":
    sys.exit(main())
