import csv
import io
import tempfile

from werkzeug.wsgi import FileWrapper

from odoo import http
from odoo.http import request

from ..lists.identifiers import safe_cell

PAGE = 10_000  # rows per call of `read_page`
IN_MEMORY = 1024 * 1024  # bytes; a longer file is kept on disk


def make_csv_response(name, titles, read_page):
    """Return a response with a CSV file of any length, with formulas escaped by `safe_cell`.

    :param str name: of the file
    :param titles: the texts of the first line
    :param read_page: called with the id of the last row (0 at first); returns the next rows, about
        `PAGE`, each beginning with its id, which is not written into the file; empty at the end
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
