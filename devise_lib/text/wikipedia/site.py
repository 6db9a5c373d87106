"""The names of a wiki's namespaces, and which links show nothing in running text.

The head of a dump (siteinfo) names the namespaces in the wiki's own language. English names are
valid in every wiki, too.

Sources: https://www.mediawiki.org/wiki/Manual:Namespace and
https://www.mediawiki.org/wiki/Help:Links#Interlanguage_links
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

FILE, CATEGORY = 6, 14

_ENGLISH = {
    **{"media": -2, "special": -1, "talk": 1, "user": 2, "user talk": 3, "project": 4},
    **{"project talk": 5, "file": FILE, "image": FILE, "file talk": 7, "image talk": 7},
    **{"mediawiki": 8, "mediawiki talk": 9, "template": 10, "template talk": 11, "help": 12},
    **{"help talk": 13, "category": CATEGORY, "category talk": 15},
}
# Siteinfo omits older names of a namespace (Bild, Immagine), so files are recognised by their
# endings. With two colons the first part is another wiki, and such a link shows its text.
_FILE_NAME = re.compile(
    r"[^:]+:[^:]*\.(?:jpe?g|png|gif|svg|tiff?|webp|og[agv]|webm|mp3|wav|flac|pdf|djvu|midi?)$",
    re.IGNORECASE | re.DOTALL,
)
_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e]")  # MediaWiki removes them from titles
# The editions of Wikipedia. A link with such a prefix is shown in the margin. Other prefixes of
# two or three letters (voy, hdl, doi) lead to other projects, and such links show their text.
_LANGUAGE_CODES = (
    "aa ab ace ady af ak als alt am ami an ang ann anp ar arc ary arz as ast atj av avk "
    "awa ay az azb ba ban bar bat-smg bbc bcl bdr be be-tarask be-x-old bew bg bh bi bjn "
    "blk bm bn bo bpy br bs btm bug bxr ca cbk-zam cdo ce ceb ch cho chr chy ckb co cr crh "
    "cs csb cu cv cy da dag de dga din diq dsb dtp dty dv dz ee egl el eml en eo es et eu "
    "ext fa fat ff fi fiu-vro fj fo fon fr frp frr fur fy ga gag gan gcr gd gl glk gn gom "
    "gor got gpe gsw gu guc gur guw gv ha hak haw he hi hif ho hr hsb ht hu hy hyw hz ia "
    "iba id ie ig igl ii ik ilo inh io is it iu ja jam jbo jv ka kaa kab kbd kbp kcg kg "
    "kge ki kj kk kl km kn knc ko koi kr krc ks ksh ku kus kv kw ky la lad lb lbe lez lfn "
    "lg li lij lld lmo ln lo lrc lt ltg lv lzh mad mai map-bms mdf mg mh mhr mi min mk ml "
    "mn mni mnw mo mos mr mrj ms mt mus mwl my myv mzn na nah nan nap nb nds nds-nl ne new "
    "ng nia nl nn no nov nqo nr nrm nso nup nv ny oc olo om or os pa pag pam pap pcd pcm "
    "pdc pfl pi pih pl pms pnb pnt ps pt pwn qu rm rmy rn ro roa-rup roa-tara rsk ru rue "
    "rup rw sa sah sat sc scn sco sd se sg sgs sh shi shn si simple sk skr sl sm smn sn so "
    "sq sr srn ss st stq su sv sw syl szl szy ta tay tcy tdd te tet tg th ti tig tk tl tly "
    "tn to tpi tr trv ts tt tum tw ty tyv udm ug uk ur uz ve vec vep vi vls vo vro wa war "
    "wo wuu xal xh xmf yi yo yue za zea zgh zh zh-classical zh-min-nan zh-yue zu "
)
LANGUAGES = frozenset(_LANGUAGE_CODES.split())


@dataclass(frozen=True, slots=True)
class WikiSite:
    """The names that a wiki gives to its namespaces.

    Attributes:
        namespaces: the number of each namespace by its name, in lower case and with blanks.
    """

    namespaces: Mapping[str, int] = field(default_factory=lambda: _ENGLISH)

    @classmethod
    def of(cls, names: Iterable[tuple[int, str]]) -> "WikiSite":
        """Builds the site of a wiki from the numbers and names in its siteinfo."""
        return cls({**_ENGLISH, **{plain_name(name): key for key, name in names if name}})

    def namespace_of(self, title: str) -> int:
        """Returns the number of the namespace in a page's title; 0 for an article."""
        prefix, colon, _ = title.partition(":")
        return self.namespaces.get(plain_name(prefix), 0) if colon else 0

    def shows_nothing(self, target: str) -> bool:
        """Returns whether a link to `target` shows no text: a file, a category or a translation.

        A colon before the target (`:Category:Birds`) makes it an ordinary link.
        """
        prefix, colon, _ = target.partition(":")
        if not colon or not (name := plain_name(prefix)):
            return False
        number = self.namespaces.get(name)
        if number is None:
            return name in LANGUAGES or _FILE_NAME.match(target) is not None
        return number in (FILE, CATEGORY)


def plain_name(name: str) -> str:
    """Normalises the name of a namespace, page or template as MediaWiki does, and to lower case."""
    if not name.isascii():
        name = _DIRECTIONS.sub("", unicodedata.normalize("NFC", name))
    return " ".join(name.replace("_", " ").split()).casefold()


UNKNOWN_SITE = WikiSite()
