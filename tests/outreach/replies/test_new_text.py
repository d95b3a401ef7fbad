"""What a writer adds is found in the shapes in which mail programs send it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.replies.new_text import new_text, text_of_html

HISTORIES = [
    "On Tue, Dec 22, 2026 at 10:00 AM Sam <sam@agency.example> wrote:\n> Hi\n> Unsubscribe",
    "On Tue, Dec 22, 2026 at 10:00 AM Sam Seller\n<sam@agency.example> wrote:\n\n> Hi",
    "On Dec 22, 2026, at 10:00, Sam Seller wrote:\n\nHi, are you selling? Unsubscribe",
    "Am 22.12.2026 um 10:00 schrieb Sam Seller:\n> Hallo",
    "Am Di., 22. Dez. 2026 um 10:00 Uhr schrieb Sam Seller <sam@agency.example>:\n\n> Hallo",
    "Le mar. 22 déc. 2026 à 10:00, Sam <sam@agency.example> a écrit :\n> Bonjour",
    "El mar, 22 dic 2026 a las 10:00, Sam (<sam@agency.example>) escribió:\n> Hola",
    "Sam Seller <sam@agency.example> wrote:\n> Hi",
    "-----Original Message-----\nFrom: Sam\nSent: today\n\nHi",
    "-----Ursprüngliche Nachricht-----\nVon: Sam\n\nHallo",
    "---------- Forwarded message ---------\nFrom: Sam\n\nHi",
    "From: Sam Seller\nSent: Tuesday\nTo: Ann\nSubject: Your house\n\nHi, to unsubscribe",
    "*From:* Sam Seller <sam@agency.example>\n*Date:* Tuesday\n*To:* Ann\n*Subject:* Your house\n\nHi",
    "Von: Sam\nGesendet: Dienstag\nAn: Ann\nBetreff: Haus\n\nHallo",
    "De : Sam\nEnvoyé : mardi\nÀ : Ann\nObjet : Maison\n\nBonjour",
    "________________________________\nFrom: Sam\n\nHi",
    "________________________________________\nVon: Sam\n\nHallo",
    "> Hi\n> are you selling?",
    "Begin forwarded message:\n\nFrom: Sam",
    "-- \nAnn Example\nUnsubscribe from my newsletter",
    "--\nAnn",
    "Best regards,\nAnn Example\nHead of Facilities\nConfidential: if you are the wrong person, delete this",
    "Mit freundlichen Grüßen\nAnn",
    "Cordialement,\nAnn",
    "Sent from my iPhone",
    "Get Outlook for iOS",
    "Gesendet von meinem iPhone",
]


@pytest.mark.parametrize("history", HISTORIES)
def test_what_mail_programs_add_is_cut(history: str) -> None:
    assert new_text(f"Please call me.\nTomorrow.\n\n{history}") == "Please call me.\nTomorrow."
    assert (
        new_text(f"Please call me.\r\nTomorrow.\r\n\r\n{history}".replace("\n", "\r\n")) == "Please call me.\nTomorrow."
    )


@pytest.mark.parametrize(
    "text",
    [
        "Thanks,\nbut we are not interested",
        "Best regards to your team, unsubscribe me",
        "Regards,\nplease remove me",
        "On Monday I wrote: no.",
        "From: my wife. To: you. No!",
        "- one\n- two",
        "On the other hand, no.\nStop.",
    ],
)
def test_what_a_person_writes_stays(text: str) -> None:
    assert new_text(text) == text


def test_answers_between_and_below_quotations_stay() -> None:
    text = "On Tue, Sam wrote:\n> Are you selling?\n\nYes.\n\n> When?\n\nIn spring.\n\n-- \nAnn"
    assert new_text(text) == "Yes.\n\nIn spring."


def test_a_postscript_stays() -> None:
    assert (
        new_text("Thanks.\n\nBest regards,\nAnn\n\nP.S. Please unsubscribe me.")
        == "Thanks.\n\nP.S. Please unsubscribe me."
    )


def test_the_text_of_html_has_its_lines_and_its_quotations() -> None:
    markup = (
        "<html><head><title>x</title><style>p { color: red }</style></head><body><!-- no --><p>Yes,&nbsp;call&#32;me</p>"
        "<div>a &lt; b<br/>c</div><blockquote type='cite'><p>Are you selling?</p><div>Stop?</div></blockquote><script>x()</script></body>"
    )
    lines = [line for line in text_of_html(markup).split("\n") if line]
    assert lines == ["Yes, call me", "a < b", "c", "> Are you selling?", "> Stop?"]


def test_the_history_of_html_mails_is_cut() -> None:
    gmail = '<div>No</div><div class="gmail_quote"><div class="gmail_attr">On Tue, Sam &lt;<a>s@a.b</a>&gt; wrote:<br></div><blockquote>Hi</blockquote></div>'
    outlook = '<p>No</p><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Sam<br></div><div>Unsubscribe</div>'
    apple = '<div>No</div><div><br><blockquote type="cite"><div>On 22 Dec 2026, at 10:00, Sam wrote:</div><div>Hi</div></blockquote></div>'
    yahoo = '<div>No</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>On Tuesday, Sam wrote:</div><div>Hi</div></div>'
    for markup in (gmail, outlook, apple, yahoo):
        assert new_text(text_of_html(markup)) == "No", markup


@given(
    st.text()
    | st.lists(
        st.sampled_from(
            [
                "<",
                ">",
                "<p",
                "</",
                "<!--",
                "-->",
                "<blockquote>",
                "</blockquote>",
                "<style>",
                "&#",
                "&amp",
                "x",
                "'",
                "On ",
                "wrote:",
                "\n",
            ]
        )
    ).map("".join)
)
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert len(new_text(text)) <= len(text)
    new_text(text_of_html(text))
