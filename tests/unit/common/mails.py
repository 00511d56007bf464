"""The mail that tests of the client send."""

from email_marketing_dm.directmail.records import Mail

MAIL = Mail(
    sender="news@mail.example.com",
    to="ann@example.com",
    subject="Hello Ann",
    sender_name="Example",
    reply_address="office@example.com",
    tag="dm_7",
    headers={"X-User-Notify-Delivery": "token", "List-Unsubscribe": "<https://x.example/u>"},
    template_id="4711",
    variables={"Name": 'Ann "Ä" <b> 😀', "City": None, "Number": 7},
)
