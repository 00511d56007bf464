"""An upload with several IDs in each row against one of the same rows with one ID, side by side.

SCALE rows (100,000) are read and matched by the code that the cron runs, in a database with as many
contacts. Half of the rows are contacts'. Rows of the third sort have a reference that all of 50,000
other contacts have, too. The figure is the time of the rows with two IDs over that with one.

    python -m benchmarks.upload_keys_vs_single            (SCALE=10000: rows and contacts)
"""

from __future__ import annotations

import json
import os
import sys

from devenv import database as databases

from .growth_upload import PREPARE, report, shell

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
env.cr.execute(f"INSERT INTO res_partner ({{names}}, {{', '.join(changed)}})"
               f" SELECT {{names}}, 'S' || n, 'S' || n, NULL, NULL"
               f" FROM res_partner, generate_series(1, {shared}) n WHERE id = {{first.id}}")
env.cr.execute("UPDATE res_partner SET ref = 'none', vat = NULL WHERE name ~ '^S[0-9]+$'")
env.cr.execute("UPDATE res_partner SET commercial_partner_id = id"
               " WHERE commercial_partner_id IS NULL")
env.cr.commit()
env.cr._cnx.autocommit = True
env.cr.execute("VACUUM ANALYZE res_partner")
env.cr._cnx.autocommit = False
"""

MEASURE = """
import base64, json, time
def run(sort, rows):
    ref = "none" if sort == "shared" else "R{{n}}"
    line = f"Person,p{{{{n}}}}@customer.example,{{ref}},V{{{{n}}}}\\n"
    text = "".join(line.format(n=2 * n) for n in range(rows))
    owner = env.ref("base.user_admin")
    upload = env["directmail.upload"].with_user(owner).create({{
        "name": "L", "filename": "l.csv", "consent_source": "signup",
        "file": base64.b64encode(text.encode())}})
    upload.write({{"id_kind": "email", "has_header": False}})
    upload.column_id = upload.column_ids[1]
    ref, vat = upload.column_ids[2:4].ids
    keys = [(ref, "reference", False), (vat, "field", "vat")]
    for column, kind, field in keys[:{{"one": 0, "three": 2}}.get(sort, 1)]:
        env["directmail.upload.key"].with_user(owner).create({{
            "upload_id": upload.id, "column_id": column, "id_kind": kind, "match_field": field}})
    upload.action_start()
    env.cr.commit()
    env.invalidate_all()
    upload = env["directmail.upload"].browse(upload.id)
    start = time.perf_counter()
    upload._process()
    seconds = time.perf_counter() - start
    assert upload.state == "done" and upload.row_count == rows, (upload.state, upload.message)
    found = rows // 2 + 1 if sort == "shared" else rows
    assert upload.people_count == found, (sort, upload.people_count)
    upload._forget_lines()
    upload.unlink()
    env.cr.commit()
    env.cr._cnx.autocommit = True
    env.cr.execute("VACUUM ANALYZE directmail_upload_line")
    env.cr._cnx.autocommit = False
    return seconds
run("one", 1000)
run("three", 1000)
for sort in {order}:
    print("RESULT", json.dumps([sort, run(sort, {rows})]), flush=True)
"""


def main():
    rows = int(os.environ.get("SCALE") or 100_000)
    database = databases.fresh("bench_upload_keys")
    try:
        shell(database, (PREPARE + REFERENCES).format(people=rows, shared=rows // 2))
        found = {sort: [] for sort in SORTS}
        measured = shell(database, MEASURE.format(order=[*SORTS] * RUNS, rows=rows))
        for line in measured.splitlines():
            if line.startswith("RESULT "):
                sort, seconds = json.loads(line.removeprefix("RESULT "))
                found[sort].append(seconds)
    finally:
        databases.drop(database)
    median = {sort: sorted(seconds)[len(seconds) // 2] for sort, seconds in found.items()}
    texts = [f"{SORTS[sort]} {1e6 * seconds / rows:.1f} us" for sort, seconds in median.items()]
    how = (
        f"{rows:,} rows, time a row: {', '.join(texts)}; {rows:,} contacts and {rows // 2:,} with a"
        f" shared reference; median of {RUNS} alternating runs"
    )
    return 0 if report("upload_keys_vs_single", median["two"] / median["one"], GOAL, how) else 1


if __name__ == "__main__":
    sys.exit(main())
