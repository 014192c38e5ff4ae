"""The words of the report, in each language that it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gounmal.files.records import Problem
from gounmal.report.queues import Kind
from gounmal.schema import Action, Label

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Words:
    """Every string of the page; `{…}` is filled in by the template."""

    report: str
    messages: str
    flagged: str
    share: str
    invalid: str
    duration: str
    hours: str
    minutes: str
    seconds: str
    source: str
    model: str
    mode: str
    timeline: str
    no_times: str
    untimed: str
    per_bucket: str
    messages_chart: str
    flagged_chart: str
    as_table: str
    offset: str
    clock: str
    begun: str
    peaks: str
    peaks_note: str
    labels: str
    labels_note: str
    label: str
    count: str
    expressions: str
    expressions_note: str
    expression: str
    variants: str
    exact: str
    at_most_low: str
    offenders: str
    offenders_note: str
    offender: str
    first: str
    last: str
    samples: str
    samples_note: str
    review: str
    row: str
    message: str
    action: str
    score: str
    threshold: str
    none_found: str
    problems: str
    problem: str
    compared: str
    compared_with: str
    other_judge: str
    figure: str
    before: str
    now: str
    change: str
    points: str
    new: str
    again: str
    drift: str
    drift_note: str
    distance: str
    unknown_share: str
    said: str
    review_csv: str
    verdicts: str
    verdicts_note: str
    precision: str
    missed: str
    missed_rows: str
    estimate: str
    nothing_yet: str
    judged: str
    abusive: str
    about: str
    about_text: str
    queues_by_name: Mapping[str, str]
    notes_by_queue: Mapping[str, str]
    labels_by_name: Mapping[str, str]
    actions_by_name: Mapping[str, str]
    problems_by_name: Mapping[str, str]


def _named(kind: type[Label | Action | Problem | Kind], names: str) -> dict[str, str]:
    return dict(zip([member.value for member in kind], names.split(" · "), strict=True))


KOREAN = Words(
    report="채팅 분석 보고서",
    messages="메시지",
    flagged="문제 메시지",
    share="전체의 {}",
    invalid="판정 불가 행",
    duration="길이",
    hours="{}시간",
    minutes="{}분",
    seconds="{}초",
    source="파일",
    model="모델",
    mode="모드",
    timeline="시간 흐름",
    no_times="읽을 수 있는 시간 열이 없어 시간 흐름을 그리지 않았습니다.",
    untimed="시간을 읽지 못해 빠진 행: {}개",
    per_bucket="{}분 단위",
    messages_chart="메시지 수",
    flagged_chart="문제 메시지 수",
    as_table="표로 보기",
    offset="시작 후",
    clock="시각",
    begun="시작",
    peaks="문제가 몰린 때",
    peaks_note="문제 메시지가 가장 많았던 구간입니다.",
    labels="유형",
    labels_note="한 메시지가 여러 유형에 들 수 있습니다.",
    label="유형",
    count="건수",
    expressions="자주 나온 표현",
    expressions_note="표기가 달라도 같은 표현은 한 줄로 묶었습니다. 펼치면 원래 표기가 보입니다.",
    expression="표현",
    variants="표기 {}가지",
    exact="건수는 정확한 값입니다.",
    at_most_low="건수는 실제보다 최대 {} 적을 수 있습니다.",
    offenders="반복 사용자",
    offenders_note=(
        "문제 메시지를 두 번 이상 보낸 사용자입니다. "
        "이름은 가명이며 판정 파일에만 원래 값이 있습니다."
    ),
    offender="가명",
    first="처음",
    last="마지막",
    samples="문제 메시지 예시",
    samples_note="조치별로 무작위로 고른 서로 다른 메시지이며 문제 부분은 가렸습니다.",
    review="다시 볼 메시지",
    row="행",
    message="메시지",
    action="조치",
    score="점수",
    threshold="기준",
    none_found="없습니다.",
    problems="판정하지 못한 행",
    problem="이유",
    compared="지난 방송과 비교",
    compared_with="비교 대상: {}",
    other_judge="모델, 모드 또는 정책이 지난번({})과 달라, 변화가 그 때문일 수 있습니다.",
    figure="항목",
    before="지난번",
    now="이번",
    change="변화",
    points="{}%p",
    new="새로 나옴",
    again="지난번에도",
    drift="모델이 본 것의 변화",
    drift_note=(
        "점수 분포가 지난번과 얼마나 다른지 나타냅니다. 0이면 같고 1이면 겹치지 않습니다. "
        "값이 크면 말투나 주제가 달라졌다는 뜻이니 다시 볼 메시지를 더 살펴보세요."
    ),
    distance="분포 거리",
    unknown_share="모델이 배우지 않은 글자의 비율",
    said="이때 나온 말 가운데 일부이며 문제 부분은 가렸습니다.",
    review_csv=(
        "review.csv의 abusive 열에 문제면 1, 아니면 0을 적어 "
        "gounmal report --verdicts review.csv로 돌려주면 정확도를 추정합니다."
    ),
    verdicts="검토 결과",
    verdicts_note="검토할 {}줄 가운데 {}줄에 답이 있습니다. 구간은 95% 윌슨 구간입니다.",
    precision="정밀도: 문제 메시지 가운데 정말 문제인 비율",
    missed="누락률: 문제로 잡지 않은 메시지 가운데 문제인 비율",
    missed_rows="놓친 메시지는 {}개로 추정합니다.",
    estimate="{} ({}–{}, 표본 {}행)",
    nothing_yet="아직 답이 없습니다.",
    judged="답한 줄",
    abusive="문제",
    about="이 보고서에 대하여",
    about_text=(
        "점수는 모델이 추정한 확률이며 틀릴 수 있습니다. "
        "제재하기 전에 판정 파일의 원문을 확인하세요. "
        "이 파일은 인터넷에 연결하지 않고 열리며 아무것도 전송하지 않습니다."
    ),
    queues_by_name=_named(Kind, "기준에 가까움 · 목록과 모델이 다름 · 잡지 않은 것 · 잡은 것"),
    notes_by_queue={
        Kind.NEAR: (
            "점수가 기준에 가장 가까운 메시지입니다. 허용된 메시지는 시청자에게 보인 그대로입니다."
        ),
        Kind.DISAGREEMENT: "차단 목록에는 있지만 모델은 문제로 보지 않은 메시지입니다.",
        Kind.UNFLAGGED: "문제로 잡지 않은 메시지에서 무작위로 뽑았습니다. 놓친 것이 있는지 보세요.",
    },
    labels_by_name=_named(
        Label,
        "욕설 · 모욕 · 혐오 · 성별 혐오 · 연령 혐오 · 출신 혐오 · 종교 혐오 · 정치 혐오 · "
        "외모 혐오",
    ),
    actions_by_name=_named(Action, "허용 · 가림 · 보류 · 차단"),
    problems_by_name=_named(
        Problem,
        "열 개수가 맞지 않음 · JSON이 아님 · 텍스트 없음 · 텍스트가 문자열이 아님 · "
        "너무 긴 텍스트 · 글자로 읽을 수 없음 · 모델 오류",
    ),
)

ENGLISH = Words(
    report="Chat report",
    messages="Messages",
    flagged="Flagged",
    share="{} of all",
    invalid="Rows not judged",
    duration="Duration",
    hours="{} h",
    minutes="{} min",
    seconds="{} s",
    source="File",
    model="Model",
    mode="Mode",
    timeline="Over time",
    no_times="No time column could be read, so there is no timeline.",
    untimed="Rows whose time could not be read, left out here: {}.",
    per_bucket="by {} min",
    messages_chart="Messages",
    flagged_chart="Flagged messages",
    as_table="As a table",
    offset="From start",
    clock="Clock",
    begun="Start",
    peaks="Peaks",
    peaks_note="Where most messages were flagged.",
    labels="Labels",
    labels_note="A message may have several.",
    label="Label",
    count="Count",
    expressions="Most frequent expressions",
    expressions_note="Spellings of one expression share a line. Open it to read them.",
    expression="Expression",
    variants="Spellings: {}",
    exact="Counts are exact.",
    at_most_low="Counts may be too low by at most {}.",
    offenders="Repeat offenders",
    offenders_note=(
        "Users with two or more flagged messages, under pseudonyms: "
        "who they are is in the decisions file only."
    ),
    offender="Pseudonym",
    first="First",
    last="Last",
    samples="Flagged messages",
    samples_note="A random sample of distinct messages for each action, masked.",
    review="For review",
    row="Row",
    message="Message",
    action="Action",
    score="Score",
    threshold="Threshold",
    none_found="None.",
    problems="Rows that were not judged",
    problem="Reason",
    compared="Compared with the broadcast before",
    compared_with="With: {}",
    other_judge="Model, mode or policy was another one ({}): changes may come from that.",
    figure="Figure",
    before="Before",
    now="Now",
    change="Change",
    points="{} points",
    new="new",
    again="again",
    drift="What the model saw",
    drift_note=(
        "How far the distribution of scores is from that before: 0 is the same, 1 has nothing in "
        "common. Where it is large, people speak differently or of something else: review more."
    ),
    distance="Distance",
    unknown_share="Characters that the model did not see in training",
    said="Some of what was said then, masked.",
    review_csv=(
        "Write 1 (abusive) or 0 into the column abusive of review.csv and give it back with "
        "gounmal report --verdicts review.csv: it estimates how often the model is right."
    ),
    verdicts="What the review says",
    verdicts_note="Of {} lines for review, {} have a verdict. Intervals are Wilson's, at 95 %.",
    precision="Precision: share of flagged messages that are abusive",
    missed="Miss rate: share of messages not flagged that are abusive",
    missed_rows="Estimated number of messages missed: {}.",
    estimate="{} ({}–{}, sample of {} rows)",
    nothing_yet="No verdicts yet.",
    judged="Judged",
    abusive="Abusive",
    about="About this report",
    about_text=(
        "Scores are a model's estimates of probabilities and can be wrong: read the original in "
        "the decisions file before you act against anyone. "
        "This file opens offline and sends nothing anywhere."
    ),
    queues_by_name=_named(
        Kind, "near a threshold · blocklist and model differ · not flagged · flagged"
    ),
    notes_by_queue={
        Kind.NEAR: (
            "The messages nearest to their threshold. "
            "Allowed ones are shown as the audience would see them."
        ),
        Kind.DISAGREEMENT: "On the blocklist, and yet the model sees nothing in them.",
        Kind.UNFLAGGED: "A random sample of what was not flagged: was anything missed?",
    },
    labels_by_name=_named(
        Label,
        "profanity · insult · hate · hate: gender · hate: age · hate: origin · hate: religion · "
        "hate: politics · hate: appearance",
    ),
    actions_by_name=_named(Action, "allow · mask · hold · block"),
    problems_by_name=_named(
        Problem,
        "wrong number of fields · not JSON · no text · text is no string · text too long · "
        "not readable as characters · model error",
    ),
)

LANGUAGES: Mapping[str, Words] = {"ko": KOREAN, "en": ENGLISH}
