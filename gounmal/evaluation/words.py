"""The words of the evaluation's page, in each language that it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Words:
    """Every string of the page; `{}` is filled in by the template."""

    evaluation: str
    model: str
    policy: str
    rows: str
    judged: str
    left_out: str
    labels_left_out: str
    abusive: str
    any_label: str
    any_note: str
    mode: str
    rightly_flagged: str
    wrongly_flagged: str
    missed: str
    rightly_allowed: str
    precision: str
    recall: str
    harmless_flagged: str
    by_label: str
    by_label_note: str
    label: str
    true: str
    confusion: str
    confusion_note: str
    holds: str
    none: str
    calibration: str
    calibration_note: str
    slices: str
    slices_note: str
    lines: str
    slices_by_name: Mapping[str, str]
    worst: str
    worst_note: str
    row: str
    score: str
    about: str
    about_text: str


KOREAN = Words(
    evaluation="모델 평가",
    model="모델",
    policy="정책",
    rows="행",
    judged="판정한 행",
    left_out="제외한 행",
    labels_left_out="레이블을 읽을 수 없음",
    abusive="문제 있는 행",
    any_label="유형을 가리지 않고",
    any_note="어느 유형이든 문제가 있는지를 아는 행만 셌습니다.",
    mode="모드",
    rightly_flagged="옳게 표시",
    wrongly_flagged="잘못 표시",
    missed="놓침",
    rightly_allowed="옳게 허용",
    precision="정밀도",
    recall="재현율",
    harmless_flagged="무해한 행 중 표시",
    by_label="유형별",
    by_label_note="그 유형인지 아닌지를 아는 행만 셌습니다. AP: 평균 정밀도, ECE: 기대 보정 오차.",
    label="유형",
    true="해당",
    confusion="무엇을 무엇으로",
    confusion_note=(
        "balanced 모드. 실제 유형이 왼쪽인 행 가운데 위의 유형으로 표시한 행의 수입니다."
    ),
    holds="실제 유형",
    none="없음",
    calibration="보정",
    calibration_note=(
        "가로는 점수, 세로는 그 점수를 받은 행 가운데 실제로 해당하는 비율입니다. "
        "점선 위에 있으면 점수를 확률로 읽을 수 있습니다. 점이 클수록 행이 많습니다."
    ),
    slices="나누어 보기",
    slices_note="balanced 모드, 유형을 가리지 않고.",
    lines="행의 종류",
    slices_by_name={
        "length": "길이 {}자",
        "kind": "{}",
        "identity": "‘{}’이(가) 나오는 행",
    },
    worst="가장 크게 틀린 행",
    worst_note=(
        "balanced 모드. 무해한데 가장 높은 점수로 표시한 행과 문제가 있는데 가장 낮은 점수로 놓친 "
        "행입니다. 잘못 표시한 곳은 가렸고, 놓친 행은 단어의 첫 글자만 보입니다."
    ),
    row="행",
    score="점수",
    about="이 평가에 대하여",
    about_text=(
        "수치는 이 파일의 레이블이 옳다고 보고 잰 것입니다. 해당하는 행이 적으면 우연에 크게 "
        "흔들립니다. 이 파일은 인터넷에 연결하지 않고 열리며 아무것도 전송하지 않습니다."
    ),
)

ENGLISH = Words(
    evaluation="Evaluation of a model",
    model="Model",
    policy="Policy",
    rows="Rows",
    judged="Rows judged",
    left_out="Rows left out",
    labels_left_out="labels not understood",
    abusive="Abusive rows",
    any_label="Any label",
    any_note="Of the rows about which it is known whether any label holds.",
    mode="Mode",
    rightly_flagged="Rightly flagged",
    wrongly_flagged="Wrongly flagged",
    missed="Missed",
    rightly_allowed="Rightly allowed",
    precision="Precision",
    recall="Recall",
    harmless_flagged="Harmless flagged",
    by_label="By label",
    by_label_note=(
        "Of the rows about which a label is known. AP: average precision; ECE: expected "
        "calibration error."
    ),
    label="Label",
    true="True",
    confusion="What is taken for what",
    confusion_note="At balanced: of the rows that have the label on the left, how many were "
    "flagged for the one above.",
    holds="Has",
    none="none",
    calibration="Calibration",
    calibration_note=(
        "Across: the score. Up: of the rows with about that score, the share for which it is true. "
        "On the dashed line a score is a probability. The larger a dot, the more rows."
    ),
    slices="Slices",
    slices_note="Any label, at balanced.",
    lines="Rows",
    slices_by_name={
        "length": "{} characters",
        "kind": "{}",
        "identity": "with ‘{}’",
    },
    worst="Worst errors",
    worst_note=(
        "At balanced: harmless rows that were flagged with the highest scores, and abusive ones "
        "that were missed with the lowest. What was wrongly flagged is masked; of what was missed "
        "each word's first character is shown."
    ),
    row="Row",
    score="Score",
    about="About this evaluation",
    about_text=(
        "All numbers take the file's labels for the truth. Where few rows are true, they depend "
        "much on chance. This file opens offline and sends nothing anywhere."
    ),
)

LANGUAGES: Mapping[str, Words] = {"ko": KOREAN, "en": ENGLISH}
