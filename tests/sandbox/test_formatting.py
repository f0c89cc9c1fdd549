from typing import Any

import pytest

from bot.sandbox.entities import finish, to_html
from bot.sandbox.errors import ApiError
from bot.sandbox.formatting import format_text, parse_html
from tests.sandbox.conftest import Driver


def entities(source: str) -> list[tuple[Any, ...]]:
    done = finish(parse_html(source))
    return [tuple(entity.values()) for entity in done.entities]


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("plain", "plain", []),
        ("<b>a</b>", "a", [("bold", 0, 1)]),
        ("<strong>a</strong><em>b</em>", "ab", [("bold", 0, 1), ("italic", 1, 1)]),
        ("<i>a</i><u>b</u><ins>c</ins>", "abc", [("italic", 0, 1), ("underline", 1, 1), ("underline", 2, 1)]),
        ("<s>a</s><strike>b</strike><del>c</del>", "abc", [(("strikethrough"), n, 1) for n in range(3)]),
        (
            '<span class="tg-spoiler">a</span><tg-spoiler>b</tg-spoiler>',
            "ab",
            [("spoiler", 0, 1), ("spoiler", 1, 1)],
        ),
        ("<code>a</code>", "a", [("code", 0, 1)]),
        ('<code class="language-py">a</code>', "a", [("code", 0, 1)]),
        ("<pre>a</pre>", "a", [("pre", 0, 1)]),
        ('<pre><code class="language-python">a b</code></pre>', "a b", [("pre", 0, 3, "python")]),
        ('<pre>x<code class="language-python">y</code></pre>', "xy", [("pre", 0, 2)]),
        ('<a href="https://e.org/?a=1&amp;b=2">x</a>', "x", [("text_link", 0, 1, "https://e.org/?a=1&b=2")]),
        ("<a href='e.org'>x</a>", "x", [("text_link", 0, 1, "http://e.org/")]),
        ("<a>https://e.org</a>", "https://e.org", [("text_link", 0, 13, "https://e.org")]),
        ('<a href="javascript:alert(1)">x</a>', "x", []),
        ('<a href="javascript://e.org">x</a>', "x", []),
        ('<a href="">x</a>', "x", []),
        ('<a href="tg://user?id=1001">x</a>', "x", [("text_mention", 0, 1, {"id": 1001})]),
        ("<blockquote>a</blockquote>", "a", [("blockquote", 0, 1)]),
        ("<blockquote expandable>a</blockquote>", "a", [("expandable_blockquote", 0, 1)]),
        ("<blockquote expandable=1>a</blockquote>", "a", [("expandable_blockquote", 0, 1)]),
        ('<tg-emoji emoji-id="5368">👍</tg-emoji>', "👍", [("custom_emoji", 0, 2, "5368")]),
        (
            '<tg-time unix="1795250000" format="t">14:13</tg-time>',
            "14:13",
            [("date_time", 0, 5, 1795250000, "t")],
        ),
        ("<tg-time unix=7>x</tg-time>", "x", [("date_time", 0, 1, 7)]),
        ("🟡 <b>x</b>", "🟡 x", [("bold", 3, 1)]),
        ("<b>a<i>b</i></b>", "ab", [("bold", 0, 2), ("italic", 1, 1)]),
        ("<B>a</B>", "a", [("bold", 0, 1)]),
        ("<b>a</>", "a", [("bold", 0, 1)]),
        ("<b></b>x", "x", []),
        ("<b >a</b >", "a", [("bold", 0, 1)]),
        ("&lt;b&gt; &amp; &quot;&#65;&#x42;", '<b> & "AB', []),
        ("&nbsp; &#0; &#xD800; &#9999999; & &", "&nbsp; &#0; &#xD800; &#9999999; & &", []),
        ("&lt no &ltx", "< no &ltx", []),
        ("  <b> x </b>  ", "x", [("bold", 0, 1)]),
        ("<b> </b>", "", []),
        ("<b>a</b> <i> </i>", "a", [("bold", 0, 1)]),
        ("<code>a<b>b</b></code>", "ab", [("code", 0, 2)]),
        ("<blockquote>a<blockquote>b</blockquote></blockquote>", "ab", [("blockquote", 0, 2)]),
        ("<b><blockquote>a</blockquote></b>", "a", [("blockquote", 0, 1), ("bold", 0, 1)]),
    ],
)
def test_html(source: str, text: str, expected: list[Any]) -> None:
    assert finish(parse_html(source)).text == text
    assert entities(source) == expected


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("<x>a</x>", 'Unsupported start tag "x" at byte offset 0'),
        ("é<img src=x>", 'Unsupported start tag "img" at byte offset 2'),
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("a</b>", "Unexpected end tag at byte offset 1"),
        ("<b>a</b", "Unclosed end tag at byte offset 4"),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<a href", 'Unclosed start tag "a" at byte offset 0'),
        ("<a href=", 'Unclosed start tag "a" at byte offset 0'),
        ('<a href="x', "Unclosed start tag at byte offset 0"),
        ("<a =x>a</a>", 'Empty attribute name in the tag "a" at byte offset 3'),
        ("<a href=x!>a</a>", "Unexpected end of name token at byte offset 8"),
        ("<span>a</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ('<tg-emoji emoji-id="x">a</tg-emoji>', "Invalid custom emoji identifier specified"),
        ("<tg-time>a</tg-time>", "Invalid date specified"),
    ],
)
def test_html_errors(source: str, error: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_html(source)
    assert raised.value.description == f"Bad Request: can't parse entities: {error}"


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        (
            r"*a* _b_ __c__ ~d~ ||e||",
            "a b c d e",
            ["bold", "italic", "underline", "strikethrough", "spoiler"],
        ),
        ("`a*b` ```x```", "a*b x", ["code", "pre"]),
        ("```py\nx = 1\n```", "x = 1", ["pre"]),
        ("```\nx\\`\\\\```", "x`\\", ["pre"]),
        ("[a](https://e.org/\\))", "a", ["text_link"]),
        ("[a](tg://user?id=5)", "a", ["text_mention"]),
        ("![👍](tg://emoji?id=5)", "👍", ["custom_emoji"]),
        (">a\n>b\nc", "a\nb\nc", ["blockquote"]),
        ("**>a\n>b||", "a\nb", ["expandable_blockquote"]),
        (">a\n**>b", "a\nb", ["blockquote", "blockquote"]),
        (r"1\. a\-b\\", r"1. a-b" + "\\", []),
        ("*a _b_*", "a b", ["bold", "italic"]),
        ("__a__ _b_ *c*", "a b c", ["underline", "italic", "bold"]),
        ("_a __b___", "a b", ["italic", "underline"]),
        ("__a _b_**__", "a b", ["underline", "italic"]),
    ],
)
def test_markdown_v2(source: str, text: str, expected: list[str]) -> None:
    done = finish(format_text(source, parse_mode="MarkdownV2", entities=None))
    assert done.text == text
    assert [entity["type"] for entity in done.entities] == expected


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("a.b", "Character '.' is reserved and must be escaped with the preceding '\\'"),
        ("a!", "Character '!' is reserved and must be escaped with the preceding '\\'"),
        ("a]", "Character ']' is reserved and must be escaped with the preceding '\\'"),
        ("é*a", "Can't find end of Bold entity at byte offset 2"),
        ("`a", "Can't find end of Code entity at byte offset 0"),
        ("```a", "Can't find end of Pre entity at byte offset 0"),
        ("[a]", "Can't find end of TextUrl entity at byte offset 0"),
        ("[a", "Can't find end of TextUrl entity at byte offset 0"),
    ],
)
def test_markdown_v2_errors(source: str, error: str) -> None:
    with pytest.raises(ApiError) as raised:
        format_text(source, parse_mode="markdownv2", entities=None)
    assert raised.value.description == f"Bad Request: can't parse entities: {error}"


def test_old_markdown() -> None:
    source = "*a* _b_ `c` ```py\nd``` ```e``` [f](http://e.org) \\* g**"
    done = finish(format_text(source, parse_mode="Markdown", entities=None))
    assert done.text == "a b c d e f * g"
    assert [e["type"] for e in done.entities] == ["bold", "italic", "code", "pre", "pre", "text_link"]
    with pytest.raises(ApiError, match="Can't find end of the entity starting at byte offset 1"):
        format_text("a*b", parse_mode="Markdown", entities=None)


def test_unknown_parse_mode() -> None:
    with pytest.raises(ApiError, match="unsupported parse_mode"):
        format_text("a", parse_mode="rtf", entities=None)


def test_given_entities() -> None:
    given = [
        {"type": "bold", "offset": 1, "length": 2, "hide": False},
        {"type": "text_link", "offset": 0, "length": 1, "url": "https://e.org"},
        {"type": "text_mention", "offset": 3, "length": 1, "user": {"id": 5, "first_name": "x"}},
        {"type": "date_time", "offset": 4, "length": 1, "unix_time": 5, "date_time_format": "t"},
        {"type": "pre", "offset": 5, "length": 1},
        {"type": "bold", "offset": -1, "length": 2},
        {"type": "bold", "offset": 0, "length": 200},
        {"type": "unheard_of", "offset": 0, "length": 1},
    ]
    done = finish(format_text("abcdef", parse_mode="", entities=given))
    assert [e["type"] for e in done.entities] == ["text_link", "bold", "text_mention", "date_time", "pre"]
    assert done.entities[2]["user"] == {"id": 5}


@pytest.mark.parametrize(
    "given",
    [
        "bold",
        [5],
        [{"offset": 0, "length": 1}],
        [{"type": "bold", "offset": "0", "length": 1}],
        [{"type": "bold", "offset": 0, "length": True}],
        [{"type": "text_link", "offset": 0, "length": 1}],
        [{"type": "text_link", "offset": 0, "length": 1, "url": 5}],
        [{"type": "text_mention", "offset": 0, "length": 1}],
        [{"type": "text_mention", "offset": 0, "length": 1, "user": {"id": "x"}}],
        [{"type": "date_time", "offset": 0, "length": 1, "unix_time": "x"}],
    ],
)
def test_wrong_entities(given: object) -> None:
    with pytest.raises(ApiError) as raised:
        format_text("abc", parse_mode="", entities=given)
    assert raised.value.code == 400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/start now", [("bot_command", "/start")]),
        ("/start@some_bot a/b /x", [("bot_command", "/start@some_bot"), ("bot_command", "/x")]),
        ("hi @mia_member, mail a.b@e.org", [("mention", "@mia_member"), ("email", "a.b@e.org")]),
        (
            "see https://e.org/a?b=c#d. Or www.e.org!",
            [("url", "https://e.org/a?b=c#d"), ("url", "www.e.org")],
        ),
        ("#tag #1 e.org/x", [("hashtag", "#tag"), ("url", "e.org/x")]),
        ("🟡 /x", [("bot_command", "/x")]),
        ("1/2 and/or </b>", []),
    ],
)
def test_what_telegram_finds_by_itself(text: str, expected: list[tuple[str, str]]) -> None:
    units = text.encode("utf-16-le")
    found = [
        (e["type"], units[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le"))
        for e in finish(format_text(text, parse_mode="", entities=None)).entities
    ]
    assert found == expected


def test_nothing_is_found_inside_code() -> None:
    assert entities("<code>/x</code> /y") == [("code", 0, 2), ("bot_command", 3, 2)]


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ('a &lt;b&gt; &amp; "c"', "a &lt;b&gt; &amp; &quot;c&quot;"),
        ("<b>a<i>b</i></b>c", "<b>a<i>b</i></b>c"),
        ("<u>a</u><s>b</s><tg-spoiler>c</tg-spoiler>", "<u>a</u><s>b</s><tg-spoiler>c</tg-spoiler>"),
        ('<pre><code class="language-x">a</code></pre><code>b</code>', "<pre>a</pre><code>b</code>"),
        ("<blockquote expandable>🟡&lt;</blockquote>x", "<blockquote expandable>🟡&lt;</blockquote>x"),
        ('<a href="https://e.org/?a=&quot;&amp;b">x</a>', '<a href="https://e.org/?a=&quot;&amp;b">x</a>'),
        ('<a href="ftp://e.org">x</a>', "x"),
        ("www.e.org", '<a href="https://www.e.org">www.e.org</a>'),
        ("https://e.org", '<a href="https://e.org">https://e.org</a>'),
        ('<tg-time unix="5" format="t">x</tg-time>', '<tg-time unix="5" format="t">x</tg-time>'),
        ('<tg-time unix="99999999999">x</tg-time>', '<tg-time unix="99999999999" format="">x</tg-time>'),
        ('<tg-emoji emoji-id="5">x</tg-emoji>', "x"),
    ],
)
def test_html_for_the_page(source: str, html: str) -> None:
    done = finish(parse_html(source))
    assert to_html(done.text, done.entities) == html


def test_overlapping_entities_make_well_formed_html() -> None:
    given = [
        {"type": "bold", "offset": 0, "length": 4},
        {"type": "italic", "offset": 2, "length": 4},
        {"type": "date_time", "offset": 0, "length": 1, "unix_time": 10**30},
    ]
    assert to_html("abcdef", given) == "<b>ab<i>cd</i></b><i>ef</i>"


async def test_formatting_through_the_bot_api(chat: Driver) -> None:
    sent = await chat.ok("sendMessage", chat_id=1001, text="<b>a</b> &amp; b", parse_mode="HTML")
    assert sent["text"] == "a & b"
    assert sent["entities"] == [{"type": "bold", "offset": 0, "length": 1}]
    [seen] = (await chat.messages())[1:]
    assert seen["html"] == "<b>a</b> &amp; b"
    text = "<b>a"
    answer = await chat.refused("sendMessage", chat_id=1001, text=text, parse_mode="HTML")
    assert answer == "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\""
    given = [{"type": "text_mention", "offset": 0, "length": 1, "user": {"id": 1001}}]
    sent = await chat.ok("sendMessage", chat_id=1001, text="x", entities=given)
    assert sent["entities"][0]["user"]["first_name"] == "Mia"
