"""Words for sizes by split: verbs, nouns, references to the normal level, adverbs and adjectives.

Entries are separated by bars. No word of validation or test occurs in training.
"""

RISE = {
    "train": (
        "rise|increase|grow|jump|go higher|expand|escalate|shoot up|spring up|mount|pick up|balloon"
        "|intensify|strengthen|improve|be raised|be increased|move up|inflate|accumulate|advance"
    ),
    "val": "climb|go up|widen|step up",
    "test": "surge|swell|soar|be boosted|leap|ascend|burgeon",
}
FALL = {
    "train": (
        "fall|drop|decrease|decline|go lower|lessen|diminish|weaken|sag|slide|slip|recede|subside"
        "|be reduced|be lowered|crash|dive|ease off|thin out|be decreased|retreat"
    ),
    "val": "dip|go down|fade|step down",
    "test": "plunge|shrink|slump|tumble|contract|be slashed|sink",
}
A_RISE = {
    "train": "increase|rise|growth|jump|expansion|escalation|hike|addition|improvement|increment",
    "val": "climb|gain",
    "test": "surge|uplift|upswing|boost|leap",
}
A_FALL = {
    "train": "decrease|drop|decline|fall|reduction|decrement|slide|weakening|deficit|shortfall",
    "val": "dip|loss",
    "test": "slump|contraction|cut|plunge|downturn",
}
HIGHER = {
    "train": "higher than|more than|above|greater than|in excess of|beyond",
    "val": "up on|larger than",
    "test": "over|stronger than|bigger than",
}
LOWER = {
    "train": "lower than|less than|below|smaller than|beneath|fewer than",
    "val": "short of|down on",
    "test": "under|weaker than|inferior to",
}
NORMAL = {
    "train": (
        "usual|normal|the usual level|the normal level|its normal value|the ordinary level"
        "|its usual value|a regular day|the long-term mean|the baseline|the expected level"
    ),
    "val": "the average|other days",
    "test": "the typical figure|the standard figure|what is typical|what we customarily see",
}
# log factor of each class of adverbs and adjectives; chosen by hand, the same for all words of it
SIZES_UP = {"slight": 1.1, "clear": 1.3, "strong": 1.75, "extreme": 3.0}
SIZES_DOWN = {"slight": 0.9, "clear": 0.75, "strong": 0.5, "extreme": 0.15}
ADVERBS = {
    "slight": {
        "train": "slightly|a little|a bit|mildly|minimally|by a small amount|a tiny bit",
        "val": "marginally",
        "test": "a touch|faintly|modestly",
    },
    "clear": {
        "train": "noticeably|clearly|moderately|somewhat|to some extent|perceptibly|quite",
        "val": "visibly",
        "test": "appreciably|markedly|discernibly",
    },
    "strong": {
        "train": "sharply|strongly|a lot|considerably|heavily|much|significantly|greatly",
        "val": "steeply",
        "test": "substantially|powerfully|vigorously",
    },
    "extreme": {
        "train": "enormously|extremely|massively|dramatically|immensely|incredibly|drastically",
        "val": "hugely",
        "test": "astronomically|gigantically|vastly",
    },
}
ADJECTIVES = {
    "slight": {
        "train": "slight|small|minor|mild|minimal|tiny|little",
        "val": "marginal",
        "test": "faint|modest|negligible",
    },
    "clear": {
        "train": "noticeable|clear|moderate|perceptible|medium|fair",
        "val": "visible",
        "test": "appreciable|marked|discernible",
    },
    "strong": {
        "train": "sharp|strong|considerable|heavy|big|significant|great",
        "val": "steep",
        "test": "substantial|powerful|vigorous",
    },
    "extreme": {
        "train": "enormous|extreme|massive|dramatic|immense|incredible|drastic",
        "val": "huge",
        "test": "astronomical|gigantic|vast",
    },
}
# wordings without a gap, by factor, split and grammatical place
FIXED: list[tuple[float, str, str, str]] = [
    (
        2,
        "train",
        "P",
        "double the usual level|twice as high as usual|twice the normal value|doubled",
    ),
    (2, "train", "V", "double|rise to twice the normal level|reach double the normal value"),
    (
        2,
        "train",
        "N",
        "a doubling|twice the usual level|a twofold increase|double the normal value",
    ),
    (3, "train", "P", "triple the normal level|threefold|tripled|three times as high as usual"),
    (3, "train", "V", "triple|increase threefold|rise to triple the usual level"),
    (3, "train", "N", "a tripling|a threefold increase|triple the usual level"),
    (4, "train", "V", "quadruple|rise fourfold"),
    (4, "train", "P", "quadruple the normal level"),
    (5, "train", "N", "a fivefold increase|a quintupling"),
    (5, "train", "V", "quintuple"),
    (0.5, "train", "P", "half as high as usual|halved|half the normal value|one half of normal"),
    (0.5, "train", "V", "halve|fall by half|be halved|decrease to one half of normal"),
    (0.5, "train", "N", "a halving|half the usual level|a drop to one half"),
    (1.5, "train", "P", "half as much again as usual|half as high again as normal"),
    (1 / 3, "train", "P", "three times lower than usual"),
    (0.25, "train", "V", "fall by a factor of four"),
    (0.15, "train", "P", "close to nothing|nearly zero|hardly anything|very near to zero"),
    (0.15, "train", "V", "collapse|almost vanish|nearly disappear|drop to almost nothing"),
    (0.15, "train", "N", "a collapse|next to nothing|hardly any activity"),
    (3, "train", "V", "explode|rocket to extreme values|multiply|run wild"),
    (3, "train", "N", "an explosion|record values far above anything normal"),
    (2, "val", "P", "two times the norm"),
    (4, "val", "P", "fourfold"),
    (3, "val", "N", "three times as much"),
    (0.5, "val", "V", "shrivel to half of what it was"),
    (3, "val", "V", "go through the roof"),
    (0.15, "val", "P", "almost down to zero"),
    (2, "test", "V", "grow to twice its size"),
    (2, "test", "P", "two times as strong as it normally is"),
    (3, "test", "V", "treble"),
    (3, "test", "P", "trebled"),
    (4, "test", "N", "a fourfold surge"),
    (4, "test", "V", "quadruplicate"),
    (5, "test", "P", "five times bigger than it normally is"),
    (0.5, "test", "V", "be cut in half"),
    (0.5, "test", "P", "half of what is typical"),
    (0.5, "test", "N", "a cut by one half"),
    (3, "test", "V", "skyrocket"),
    (0.5, "test", "V", "plummet"),
    (0.15, "test", "V", "dwindle to a trickle"),
    (0.15, "test", "P", "minuscule"),
]
