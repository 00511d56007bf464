import csv
import io
import tempfile

from werkzeug.wsgi import FileWrapper

from odoo import http
from odoo.http import request

from ..lists.identifiers import safe_cell

PAGE = 10_000  # rows read at once
IN_MEMORY = 1024 * 1024  # bytes of the file before it goes to disk


def make_csv_response(name, titles, read_page):
    """Return a response with a CSV file that is safe to open in a spreadsheet, of any length.

    :param str name: of the file
    :param titles: the texts of the first line
    :param read_page: called with the id of the last row (0 at first); returns the next rows, at
        most `PAGE`, each beginning with its id, which does not go into the file
    """
    stream = tempfile.SpooledTemporaryFile(IN_MEMORY)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    writer = csv.writer(text)
    writer.writerow(titles)
    last = 0
    while rows := read_page(last):
        writer.writerows([safe_cell(str(value or "")) for value in row[1:]] for row in rows)
        last = rows[-1][0]
    text.detach()
    stream.seek(0)
    response = request.make_response(
        FileWrapper(stream),
        headers=[
            ("Content-Type", "text/csv; charset=utf-8"),
            ("Content-Disposition", http.content_disposition(name)),
        ],
    )
    response.direct_passthrough = True
    return response
