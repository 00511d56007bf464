"""What benchmarks of uploads share: contacts, and lists that are matched as by the cron."""

import json

from ._figures import run_odoo_shell

#: Names that all programs may use.
FUNCTIONS = """
import base64, json, time
def vacuum(table):
    env.cr.commit()
    env.cr._cnx.autocommit = True
    env.cr.execute(f"VACUUM ANALYZE {table}")
    env.cr._cnx.autocommit = False
def copy_contact(contact, values, number):
    "Insert copies of a contact; SQL values of columns may use n, which counts them from 1."
    kept = ["id", "commercial_partner_id", *values]
    env.cr.execute("SELECT string_agg(quote_ident(column_name), ', ')"
                   " FROM information_schema.columns"
                   " WHERE table_name = 'res_partner' AND NOT column_name = ANY(%s)", [kept])
    [(names,)] = env.cr.fetchall()
    env.cr.execute(f"INSERT INTO res_partner ({names}, {', '.join(values)})"
                   f" SELECT {names}, {', '.join(values.values())}"
                   f" FROM res_partner, generate_series(1, {number}) n WHERE id = {contact.id}")
    env.cr.execute("UPDATE res_partner SET commercial_partner_id = id"
                   " WHERE commercial_partner_id IS NULL")
def make_upload(text):
    owner = env.ref("base.user_admin")
    return env["directmail.upload"].with_user(owner).create({
        "name": "L", "filename": "l.csv", "consent_source": "signup",
        "file": base64.b64encode(text.encode())})
def start_upload(upload):
    upload.action_start()
    env.cr.commit()
    env.invalidate_all()
    return env["directmail.upload"].browse(upload.id)
def match(upload):
    "Return the seconds that it takes to read and match a list."
    start = time.perf_counter()
    upload._process()
    return time.perf_counter() - start
def remove_upload(upload, rows, people):
    assert upload.state == "done" and upload.row_count == rows, (upload.state, upload.message)
    assert upload.people_count == people, upload.people_count
    upload._forget_lines()
    upload.unlink()
    vacuum("directmail_upload_line")
"""

#: Makes `people` contacts, p1@customer.example and so on, as copies of `contact`, p0.
MAKE_CONTACTS = """
contact = env["res.partner"].create({"name": "P", "email": "p0@customer.example"})
env.flush_all()
name, email = "'P' || n", "'p' || n || '@customer.example'"
values = {"name": name, "complete_name": name, "email": email, "email_normalized": email}
copy_contact(contact, values, people)
vacuum("res_partner")
"""


def run(database, *programs, **values):
    """Run programs in one shell of Odoo.

    :param values: names that the programs use, with numbers or lists
    :return: what they printed behind RESULT, in JSON: a value for each line
    """
    named = [f"{name} = {value!r}" for name, value in values.items()]
    done = run_odoo_shell(database, "\n".join([FUNCTIONS, *named, *programs]))
    if done.returncode or "Traceback" in done.stderr:
        raise SystemExit(done.stderr[-3000:])
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return [json.loads(line.removeprefix("RESULT ")) for line in lines]
