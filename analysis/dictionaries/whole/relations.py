"""Pairs of words that stand in one relation: facts and forms of everyday English, written for this project."""

RELATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "country to capital": (
        ("France", "Paris"), ("Germany", "Berlin"), ("Italy", "Rome"), ("Spain", "Madrid"), ("Japan", "Tokyo"),
        ("China", "Beijing"), ("Russia", "Moscow"), ("Egypt", "Cairo"), ("Greece", "Athens"), ("England", "London"),
        ("Ireland", "Dublin"), ("Portugal", "Lisbon"), ("Austria", "Vienna"), ("Poland", "Warsaw"), ("Cuba", "Havana"),
        ("Norway", "Oslo"),
    ),
    "country to people": (
        ("France", "French"), ("Germany", "German"), ("Italy", "Italian"), ("Spain", "Spanish"), ("Japan", "Japanese"),
        ("China", "Chinese"), ("Russia", "Russian"), ("Egypt", "Egyptian"), ("Greece", "Greek"), ("England", "English"),
        ("Ireland", "Irish"), ("Portugal", "Portuguese"), ("Austria", "Austrian"), ("Poland", "Polish"),
        ("Cuba", "Cuban"), ("Norway", "Norwegian"),
    ),
    "one to many": (
        ("cat", "cats"), ("dog", "dogs"), ("house", "houses"), ("tree", "trees"), ("river", "rivers"),
        ("book", "books"), ("child", "children"), ("man", "men"), ("woman", "women"), ("mouse", "mice"),
        ("city", "cities"), ("story", "stories"), ("hand", "hands"), ("year", "years"), ("car", "cars"),
        ("foot", "feet"),
    ),
    "male to female": (
        ("man", "woman"), ("boy", "girl"), ("king", "queen"), ("prince", "princess"), ("father", "mother"),
        ("brother", "sister"), ("uncle", "aunt"), ("son", "daughter"), ("husband", "wife"), ("actor", "actress"),
        ("nephew", "niece"), ("waiter", "waitress"), ("grandfather", "grandmother"), ("gentleman", "lady"),
        ("he", "she"), ("his", "her"),
    ),
    "now to past": (
        ("go", "went"), ("see", "saw"), ("take", "took"), ("give", "gave"), ("write", "wrote"), ("sing", "sang"),
        ("run", "ran"), ("come", "came"), ("walk", "walked"), ("play", "played"), ("open", "opened"),
        ("call", "called"), ("want", "wanted"), ("help", "helped"), ("live", "lived"), ("work", "worked"),
    ),
    "more": (
        ("big", "bigger"), ("small", "smaller"), ("tall", "taller"), ("short", "shorter"), ("fast", "faster"),
        ("slow", "slower"), ("old", "older"), ("young", "younger"), ("strong", "stronger"), ("weak", "weaker"),
        ("warm", "warmer"), ("cold", "colder"), ("good", "better"), ("bad", "worse"), ("cheap", "cheaper"),
        ("dark", "darker"),
    ),
    "opposite": (
        ("hot", "cold"), ("up", "down"), ("left", "right"), ("rich", "poor"), ("early", "late"), ("hard", "soft"),
        ("high", "low"), ("full", "empty"), ("clean", "dirty"), ("light", "heavy"), ("wet", "dry"), ("near", "far"),
        ("loud", "quiet"), ("open", "closed"), ("happy", "sad"), ("true", "false"),
    ),
    "deed to doer": (
        ("teach", "teacher"), ("write", "writer"), ("sing", "singer"), ("work", "worker"), ("drive", "driver"),
        ("lead", "leader"), ("farm", "farmer"), ("paint", "painter"), ("build", "builder"), ("play", "player"),
        ("speak", "speaker"), ("read", "reader"), ("run", "runner"), ("dance", "dancer"), ("bake", "baker"),
        ("hunt", "hunter"),
    ),
}  # fmt: skip
"""Name of the relation, and its pairs."""
FRAMES = ("The word is {}", "They said {}", "Now I will write the word {}")
"""Sentences that each word ends; its state is the mean over them."""
