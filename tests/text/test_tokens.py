import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devise_lib.text.scripts import unspaced_characters
from devise_lib.text.tokens import has_letter, lower_case, sentences, tag_token, words

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("The cat sat. It purred!", [["the", "cat", "sat"], ["it", "purred"]]),
        ("Early life\nBorn in Rome", [["early", "life"], ["born", "in", "rome"]]),
        ("Is it? (Yes.) No", [["is", "it"], ["yes"], ["no"]]),
        ("The U.S. army", [["the", "u", "s", "army"]]),
        ("Version 3.5 of it", [["version", "of", "it"]]),
        ("Don't take the dog's bone", [["don't", "take", "the", "dog", "bone"]]),
        ("O\u2019Brien\u2019s DOG", [["o'brien", "dog"]]),
        ("'quoted' words", [["quoted", "words"]]),
        (
            "\u201cIs it?\u201d she said \u2014 \u2018no\u2019",
            [["is", "it"], ["she", "said", "no"]],
        ),
        ("Ünïcode Straße Київ", [["ünïcode", "straße", "київ"]]),
        ("हिन्दी भाषा", [["हिन्दी", "भाषा"]]),
        ("e\u0301t\u00e9", [["été"]]),
        ("日本語。言葉", [["日本語"], ["言葉"]]),
        ("\u00abПривіт.\u00bb Далі", [["привіт"], ["далі"]]),
        ("in 1999, 42 and mp3", [["in", "and", "mp3"]]),
        ("well-known snake_case", [["well", "known", "snake", "case"]]),
        ("... \n 12 \n", []),
        ("", []),
    ],
)
def test_cuts_text_into_sentences_of_words(text, want):
    assert list(sentences(text)) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("আমি ভাত খাই। সে বই পড়ে।", ["আমি ভাত খাই", "সে বই পড়ে"]),
        ("Սա թեստ է։ Սա տուն է։", ["սա թեստ է", "սա տուն է"]),
        ("Սա թեստ է: Սա տուն է: ժամը 10:30", ["սա թեստ է", "սա տուն է", "ժամը"]),
        ("یہ کتاب ہے۔ کیا یہ قلم ہے؟ جی ہاں", ["یہ کتاب ہے", "کیا یہ قلم ہے", "جی ہاں"]),
        ("ይህ ቤት ነው። እሱ መጣ።", ["ይህ ቤት ነው", "እሱ መጣ"]),
        ("ይህ ቤት ነው፡፡ እሱ መጣ፡፡", ["ይህ ቤት ነው", "እሱ መጣ"]),
        ("ይህ፡ቤት፡ነው።", ["ይህ ቤት ነው"]),  # one such sign is between words
        ("Τι είναι; Αυτό\u037e Ναι· όχι", ["τι είναι", "αυτό", "ναι όχι"]),
        ("A cat; a dog: a bird", ["a cat a dog a bird"]),
        ("ក។ ខ៕", ["ក", "ខ"]),
        ("𑄌𑄋𑅁𑄟𑅂", ["𑄌𑄋", "𑄟"]),  # beyond the basic plane
        ("それは３．５だ．これは", ["それ は だ", "これ は"]),  # no decimal point ends a sentence
        ("はい｡いいえ", ["はい", "いいえ"]),
        ("བོད།  ཡིག།", ["བོད", "ཡིག"]),  # Tibetan
    ],
)
def test_sentences_end_at_the_signs_of_all_scripts(text, want):
    """The kind of fault: a list of signs that was made for some scripts, here for two.

    Unicode's property Sentence_Terminal names them all; four more are how people type them.
    """
    assert [" ".join(sentence) for sentence in sentences(text)] == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("Donau\u00addampf\u00adschiff", "donaudampfschiff"),
        ("foo\u200ebar, co\u2060op", "foobar coop"),
        ("\ufefffoo \u202bbar\u202c", "foo bar"),
        ("ինչո\u055eւ այո\u055b", "ինչու այո"),  # Armenian: question, stress
        ("Ки\u0301їв", "київ"),
        ("ѐ ѝ ќ й", "ѐ ѝ ќ й"),  # letters of their own
        ("كـتاب", "كتاب"),
        ("auf\u200clage", "auflage"),
        ("葛\U000e0100城", "葛城"),
        ("a\u20dd1\ufe0f\u20e3b", "a1b"),
        ("a\u200bb", "a b"),  # ends a word, in Khmer for one
        ("col·legi COL·LEGI coŀlegi 3 N·m a·b", "col·legi col·legi col·legi n m a b"),
        ("п'ять п\u02bcять п\u2019ять", "п'ять п'ять п'ять"),
        ("don\u00b4t п\u2032ять 5\u203210", "don't п'ять"),
        ("അവന\u0d4d\u200d അവൻ", "അവൻ അവൻ"),  # a letter that was written with a joiner
        ('צה״ל צה"ל "שלום"', 'צה"ל צה"ל שלום'),
        ("ג׳ורג'", "ג'ורג"),
        ("𞤆𞤵𞤤𞤢𞥄𞤪", "𞤨𞤵𞤤𞤢𞥄𞤪"),  # Adlam, whose marks are beyond the basic plane
        ("ﬁsh ﻛﺘﺎﺏ ＡＢＣ ﾃｽﾄ", "fish كتاب abc テスト"),
    ],
)
def test_signs_within_a_word_neither_end_it_nor_make_another_of_it(text, want):
    """The kind of fault: a sign that readers do not see as part of the word changes its identity.

    Format characters, marks of stress, other shapes of a letter or an apostrophe.
    """
    assert " ".join(words(text)) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("خانه\u200c خانه", "خانه خانه"),
        ("\u200c", ""),
        ("\u200dخانه\u200d", "خانه"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # a joiner between two letters stays
        ("র\u200d্যাব", "র\u200d্যাব"),  # or between a letter and a mark
        ("a \u0301 b", "a b"),
        ("\u2764\ufe0f", ""),
        ("\u3164 \u115f", ""),  # invisible letters of Korean
        ("6'2 5'10 1999 \u00bd १२३ 19'46", ""),
        ("1\ufe0f\u20e3", ""),
        ("一 三千", "一 三千"),  # numbers, but of letters
    ],
)
def test_what_has_no_letter_is_no_word(text, want):
    """The kind of fault: what belongs to a word counted as one wherever it stood."""
    assert " ".join(words(text)) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("東京都は日本の首都", "東京 都 は 日本 の 首都"),
        ("我来到北京清华大学", "我 来到 北京 清华大学"),
        ("ประเทศไทยเป็นประเทศ", "ประเทศไทย เป็น ประเทศ"),
        ("ສະບາຍດີປະເທດລາວ", "ສະບາຍດີ ປະເທດ ລາວ"),
        ("ភាសាខ្មែរជាភាសា", "ភាសាខ្មែរ ជា ភាសា"),
        ("မြန်မာဘာသာစကား", "မြန်မာဘာသာ စကား"),
        ("iPhoneは2007年に", "iphone は 年 に"),
        ("スーパーマーケット", "スーパーマーケット"),
        ("𠮷野家で食べる", "𠮷 野家 で 食べる"),  # beyond the basic plane
        ("대한민국의 수도", "대한민국의 수도"),  # Korean has blanks
    ],
)
def test_scripts_without_blanks_are_cut_into_words(text, want):
    """The kind of fault: clauses became words, so that nearly all of them came once."""
    assert " ".join(words(text)) == want


def test_characters_of_scripts_without_blanks_are_counted():
    assert unspaced_characters("plain") == unspaced_characters("Київ café") == 0
    assert unspaced_characters("Tokyo (東京、とうきょう) ไทย") == 2 + 5 + 3


def test_an_i_with_a_dot_is_the_i_of_other_texts():
    assert words("\u0130stanbul I\u0307zmir") == ["istanbul", "izmir"]
    assert lower_case("\u0130I") == "ii"


def test_a_token_has_a_letter_or_not():
    assert [has_letter(token) for token in ("a", "mp3", "一", "6'2", "10_000", "½", "")] == [
        *[True] * 3,
        *[False] * 4,
    ]


def test_keeps_case_and_numbers_where_asked():
    assert list(sentences("In 1999 He", lower=False)) == [["In", "He"]]
    assert list(sentences("In 1999 He", numbers=True)) == [["in", "1999", "he"]]


@given(any_text)
def test_sentences_hold_the_words_of_the_text_in_their_order(text):
    assert [word for sentence in sentences(text) for word in sentence] == words(text)


@given(any_text, st.booleans())
def test_words_hold_nothing_that_separates_words(text, numbers):
    for word in words(text, numbers=numbers):
        assert word == "".join(word.split())
        assert "_" not in word
        assert any(c.isalnum() or ord(c) > 127 for c in word)
        assert numbers or has_letter(word)
        assert unicodedata.is_normalized("NFC", word)


@given(st.text("abcXYZ019 .,'-_\n!?", max_size=80))
def test_the_fast_way_for_ascii_gives_the_words_of_the_pattern(text):
    marked = words(text + " \u00e9", numbers=True)  # one letter that is not ASCII: the slow way
    assert words(text, numbers=True) == marked[:-1]


@pytest.mark.parametrize(
    ("tag", "want"),
    [
        ("New York", "new_york"),
        ("new_york", "new_york"),
        ("  Snow-Leopard! ", "snow_leopard"),
        ("Boeing 747", "boeing_747"),
        ("2015", "2015"),
        ("dog's", "dog"),
        ("#!", ""),
        ("", ""),
    ],
)
def test_makes_a_tag_one_token(tag, want):
    assert tag_token(tag) == want


def test_a_tag_keeps_its_case_where_asked():
    assert tag_token("New York", lower=False) == "New_York"


@given(any_text)
def test_a_tag_of_one_word_is_that_word(text):
    for word in words(text, numbers=True):
        assert tag_token(word) == word
