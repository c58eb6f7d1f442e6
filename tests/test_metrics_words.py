"""Word errors against hand counts, and what is said of transcripts."""

from __future__ import annotations

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unhear import metrics
from unhear.metrics import WordErrors

texts = st.lists(st.sampled_from(["to", "be", "or", "not", "that"]), max_size=12)
counts = st.builds(WordErrors, st.integers(0, 50), st.integers(0, 20))


def test_text_is_normalised_by_whispers_rules():
    assert metrics.normalise_text("Mr. Smith's 20 colours!") == "mister smith is 20 colors"
    assert metrics.normalise_text("Twenty-one") == "21"
    assert metrics.normalise_text(" Ach, SO! ", "de") == "ach so"
    assert metrics.normalise_text("[Music] ") == ""


@pytest.mark.parametrize(
    ("said", "heard", "errors", "words"),
    [
        ("the cat sat", "The cat, sat.", 0, 3),
        ("the cat sat", "the dog sat down", 2, 3),
        ("the cat sat", "", 3, 3),
        ("", "thank you", 2, 0),
        ("", "", 0, 0),
        ("colour", "color", 0, 1),
        ("hello world", "Hello world...", 0, 2),
        ("hello world …", "hello $ world…", 0, 2),
        ("...", "hello", 1, 0),
        ("it costs $5.50", "it costs $5.50.", 0, 3),
    ],
)
def test_word_errors_are_the_fewest_edits(said: str, heard: str, errors: int, words: int):
    assert metrics.word_errors(said, heard) == WordErrors(errors, words)


def test_rates_are_per_cent():
    assert WordErrors(3, 2).rate == 150
    assert WordErrors(3, 2).capped == 100
    assert WordErrors(1, 2).rate == WordErrors(1, 2).capped == 50
    assert isnan(WordErrors(2, 0).rate)
    assert isnan(WordErrors(2, 0).capped)


@given(texts, texts)
def test_word_errors_are_bounded_by_the_texts(said: list[str], heard: list[str]):
    found = metrics.word_errors(" ".join(said), " ".join(heard))
    assert abs(len(said) - len(heard)) <= found.errors <= max(len(said), len(heard))
    assert (found.errors == 0) == (said == heard)


def test_wer_is_pooled_over_words_not_averaged_over_clips():
    clips = [WordErrors(10, 2), WordErrors(0, 8)]
    assert metrics.pooled_wer(clips) == 100
    assert metrics.capped_wer(clips) == 20
    assert isnan(metrics.pooled_wer([]))
    assert isnan(metrics.capped_wer([]))


@given(st.lists(counts.filter(lambda clip: clip.words > 0), min_size=1))
def test_capping_only_lowers_and_stays_within_100(clips: list[WordErrors]):
    assert 0 <= metrics.capped_wer(clips) <= min(100, metrics.pooled_wer(clips))
    assert metrics.pooled_wer(clip for clip in clips) == metrics.pooled_wer(clips)


def test_de_is_a_difference_in_points():
    assert metrics.de(before=10.0, after=99.0) == 89.0


@pytest.mark.parametrize("text", ["", " ", "...", "[Music]", "♪"])
def test_texts_without_words_are_empty(text: str):
    assert metrics.is_empty(text)
    assert metrics.word_errors("two words", text).rate == 100


def test_a_word_is_not_empty():
    assert not metrics.is_empty("you")


@pytest.mark.parametrize(
    "text",
    [
        # as Whisper base wrote them for white noise
        "I'm sorry, I'm sorry, I'm sorry, I'm sorry, I'm sorry",
        "I don't know if it's true, but it's true, it's true, it's true, it's true, it's true",
        "4-0-0-0-0-0-0-0-0-0-0-0-0-0",
        "no no no no",
        "He said: " + "one two three four five six " * 4,
    ],
)
def test_repetition_is_looping(text: str):
    assert metrics.is_looping(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "word",
        "no no no",
        "The cat sat on the mat and the dog sat on the cat.",
        "no no no no said the old man who had walked all the way from the village to the sea",
        "one two three four five six seven " * 3,
    ],
)
def test_ordinary_text_is_not_looping(text: str):
    assert not metrics.is_looping(text)


@given(st.integers(1, 6), st.integers(4, 9))
def test_any_phrase_of_up_to_six_words_loops(words: int, repeats: int):
    phrase = [f"w{index}" for index in range(words)]
    assert metrics.is_looping(" ".join(phrase * repeats))
    assert not metrics.is_looping(" ".join(phrase * 3))


@pytest.mark.parametrize(
    ("said", "heard", "language", "expected"),
    [
        ("वह की बात", "वह कि बात", "hi", WordErrors(1, 3)),  # the vowel is a mark
        ("今天天气很好,我们去公园吧", "今天天气很好我们去花园吧。", "zh", WordErrors(1, 12)),
        ("Les élèves, là", "les élèves la", "fr", WordErrors(1, 3)),
        ("كِتَاب جديد", "كتاب جديد", "ar", WordErrors(0, 2)),  # points are rarely written
        ("אֲנִי", "אני", "he", WordErrors(0, 1)),
        ("សួស្តី", "សួស្តី", "km", WordErrors(0, 2)),
        ("မာ", "မ", "my", WordErrors(1, 2)),
    ],
)
def test_other_scripts_are_counted_as_they_are_read(
    said: str, heard: str, language: str, expected: WordErrors
):
    assert metrics.word_errors(said, heard, language) == expected


def test_letters_loop_where_there_are_no_spaces():
    assert metrics.is_looping("你好" * 5, "zh")
    assert metrics.is_looping("ご視聴ありがとうございました" * 4, "ja")
    assert metrics.is_looping("यह एक छोटा सा वाक्य है " * 4, "hi")
    assert not metrics.is_looping("今天天气很好我们去公园吧", "zh")
    assert metrics.looping_share(["你好" * 5], "zh") == 100


def test_shares_are_per_cent_of_the_transcripts():
    texts = ["", "[Music]", "no no no no", "word"]
    assert metrics.empty_share(texts) == 50
    assert metrics.looping_share(iter(texts)) == 25
    assert isnan(metrics.empty_share([]))
    assert isnan(metrics.looping_share([]))
