"""Names, towns and mail hosts of the demo's people. The hosts are reserved: no mail gets out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Locale:
    """People of one language.

    :ivar share: how many of a hundred people speak it
    :ivar given: first names; pairs (as written, as spelled in an address) where the two differ
    :ivar countries: {country code: towns}
    :ivar company: how a company is called after its founder
    """

    lang: str
    share: int
    given: tuple
    family: tuple
    countries: dict
    hosts: tuple
    company: str
    family_first: bool = False


LOCALES = (
    Locale(
        "en_US",
        34,
        tuple(
            "Olivia Liam Emma Noah Amelia Oliver Ava Elijah Sophia James Isabella Lucas Mia"
            " Henry Charlotte Theodore Priya Kwame Siobhán Tomás Aaliyah Mateo Grace Ethan"
            " Zoë Chloé Fatima Hiroshi".split()
        ),
        tuple(
            "Smith Johnson O'Brien Williams Brown Jones García Miller Davis Rodríguez"
            " Wilson Okafor Taylor D'Souza Thomas Moore Lee McAllister Clarke Patel Nguyen"
            " Novák Campbell Wright".split()
        ),
        {
            "US": ("Portland", "Austin", "Brooklyn"),
            "GB": ("Leeds", "Bristol", "Edinburgh"),
            "AU": ("Melbourne", "Hobart"),
            "IE": ("Cork", "Galway"),
            "SG": ("Singapore",),
        },
        ("mail.example.com", "post.example.net", "inbox.example.org"),
        "{} & Sons Ltd.",
    ),
    Locale(
        "de_DE",
        26,
        tuple(
            "Jürgen Anneliese Björn Käthe Lukas Mia Jörg Hannah Günther Leonie Max Sören"
            " Greta Felix Frieda Matthias Ünal Lotte Rüdiger Marlene Till Svenja".split()
        ),
        tuple(
            "Müller Schmidt Schäfer Weiß Köhler Groß Fischer Wagner Bäcker Schröder Krüger"
            " Hofmann Lange Vogel Jäger Busch Möller Yıldız Strauß Huber".split()
        ),
        {
            "DE": ("München", "Köln", "Leipzig", "Lübeck"),
            "AT": ("Wien", "Graz"),
            "CH": ("Zürich", "Bern"),
        },
        ("post.example.org", "brief.example.com", "kunde.example.net"),
        "{} & Söhne GmbH",
    ),
    Locale(
        "zh_CN",
        24,
        (
            ("伟", "wei"),
            ("芳", "fang"),
            ("娜", "na"),
            ("秀英", "xiuying"),
            ("敏", "min"),
            ("静", "jing"),
            ("丽", "li"),
            ("强", "qiang"),
            ("磊", "lei"),
            ("洋", "yang"),
            ("艳", "yan"),
            ("勇", "yong"),
            ("子涵", "zihan"),
            ("欣怡", "xinyi"),
            ("浩然", "haoran"),
            ("雨桐", "yutong"),
            ("梓轩", "zixuan"),
        ),
        (
            ("王", "wang"),
            ("李", "li"),
            ("张", "zhang"),
            ("刘", "liu"),
            ("陈", "chen"),
            ("杨", "yang"),
            ("赵", "zhao"),
            ("黄", "huang"),
            ("周", "zhou"),
            ("吴", "wu"),
            ("徐", "xu"),
            ("欧阳", "ouyang"),
        ),
        {
            "CN": ("杭州", "上海", "深圳", "成都"),
            "SG": ("新加坡",),
            "HK": ("香港",),
            "MY": ("吉隆坡",),
        },
        ("邮箱.example.com", "mail.cn.example.com", "xin.example.net"),
        "{} Tea Trading 茶业有限公司",
        family_first=True,
    ),
    Locale(
        "fr_FR",
        16,
        tuple(
            "Élodie Jérôme Chloé François Zoé Gaël Manon Théo Inès Raphaël Noémie Loïc"
            " Agnès Étienne Maëlle Benoît Anaïs Cédric".split()
        ),
        tuple(
            "Lefèvre Dubois Moreau Garçon Benoît L'Hermitte Côté Fontaine Rousseau Bégin"
            " Gauthier Hébert Lemaître Noël Perrin".split()
        ),
        {
            "FR": ("Lyon", "Nîmes", "Besançon", "Paris"),
            "BE": ("Liège", "Namur"),
            "CA": ("Montréal", "Québec"),
        },
        ("courrier.example.org", "boite.example.net", "lettre.example.com"),
        "Maison {} SARL",
    ),
)

#: how letters are written in addresses where simply dropping the accent would be unusual
WRITTEN = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ı": "i"}

#: what people really type into a name field, and what breaks careless programs
UNUSUAL = (
    "🍵 Tea Lover 🫖",
    'Annabel "Bell" Whitfield',
    "<script>alert('tea')</script>",
    "Robert'); DROP TABLE students;--",
    "Max {Name} Muster",
    "Ana <b>Bold</b> & Co",
    "李雷 & 韩梅梅 💌",
    "{{ object.name }}",
    "مريم الهاشمي",
    "Zoë\tTab  Spaces",
    "Siân 100% o'Neill \\ Jr.",
    "👩‍👩‍👧‍👦 Family Hübner",
)


def person(chance, locale):
    """Return (name as written, the same as spelled in an address)."""
    given, family = chance.choice(locale.given), chance.choice(locale.family)
    if locale.family_first:
        return family[0] + given[0], f"{given[1]} {family[1]}"
    return f"{given} {family}", f"{given} {family}"
