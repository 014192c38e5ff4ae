"""What people put in place of Hangul: look-alike glyphs, Hanja, emoji, Latin letters. Only data.

Keys are in canonical form (NFKC, lower case), as the steps of the skeleton see them.
"""

from __future__ import annotations


def _table(lines: str) -> dict[str, str]:
    """Lines of `meaning glyphs` → glyph to meaning; the first line that has a glyph counts."""
    table: dict[str, str] = {}
    for line in lines.strip().splitlines():
        meaning, glyphs = line.split()
        for glyph in glyphs:
            table.setdefault(glyph, meaning)
    return table


VOWEL_GLYPHS = _table("""
ㅏ łŀ†トとよさぁ┣├ビ下г卜
ㅑ ゃヤŧ
ㅓ ┫┤亻丬
ㅕ ⊣ょ
ㅗ 丄⊥山凸上┻┴
ㅛ 业
ㅜ 丌丁┳┬т
ㅠ πп
ㅡ 一─━ー―
ㅣ 丨┃│ı亅ǀ
ㅐ ħий升卄
ㅔ ¶エ刂
""")
"""Read as this vowel right after a consonant."""

LATIN_VOWEL_GLYPHS = _table("ㅏ kr\nㅑ f\nㅓ j\nㅜ t\nㅐ h\nㅣ li")
"""The same, for a single Latin letter."""

CONSONANT_GLYPHS = _table("""
ㄱ コフ¬
ㄴ し乚レ∟
ㄷ ⊂匚匸⊏こ
ㄹ 己弓乙
ㅁ 口ロ□■▢
ㅂ 廿日凵⊔
ㅅ 人入∧λ^ムㅿ厶
ㅆ 从
ㅇ 〇○◯◎●o0⊙ø
ㅈ ス
ㅊ えネ
ㅋ ヲ∃刁彐ヨ
ㅌ 巨∈є
ㅍ 立∏兀
ㅎ ôㆆ
""")
"""Read as this consonant right before a vowel."""

LATIN_LEADS = {
    "kk": "ㄲ", "gg": "ㄲ", "tt": "ㄸ", "dd": "ㄸ", "pp": "ㅃ", "bb": "ㅃ", "ss": "ㅆ", "jj": "ㅉ",
    "ch": "ㅊ", "sh": "ㅅ", "kh": "ㅋ", "th": "ㅌ", "ph": "ㅍ", "g": "ㄱ", "k": "ㅋ", "c": "ㅋ",
    "n": "ㄴ", "d": "ㄷ", "t": "ㅌ", "r": "ㄹ", "l": "ㄹ", "m": "ㅁ", "b": "ㅂ", "p": "ㅍ",
    "s": "ㅅ", "j": "ㅈ", "z": "ㅈ", "h": "ㅎ", "77": "ㄲ", "7": "ㄱ",
}  # fmt: skip
"""Romanised initial consonants, longest first, and the digit that looks like one."""

LATIN_VOWELS = {
    "yeo": "ㅕ", "yae": "ㅒ", "wae": "ㅙ", "eui": "ㅢ", "yeu": "ㅠ", "ya": "ㅑ", "yo": "ㅛ",
    "yu": "ㅠ", "ye": "ㅖ", "wa": "ㅘ", "wo": "ㅝ", "we": "ㅞ", "wi": "ㅟ", "ae": "ㅐ", "ai": "ㅐ",
    "eo": "ㅓ", "eu": "ㅡ", "ee": "ㅣ", "ea": "ㅣ", "oo": "ㅜ", "oe": "ㅚ", "ou": "ㅜ", "ui": "ㅢ",
    "a": "ㅏ", "e": "ㅔ", "i": "ㅣ", "o": "ㅗ", "u": "ㅜ", "y": "ㅣ",
}  # fmt: skip

LATIN_TAILS = {
    "ng": "ㅇ", "ck": "ㄱ", "g": "ㄱ", "k": "ㄱ", "n": "ㄴ", "l": "ㄹ", "m": "ㅁ", "b": "ㅂ",
    "p": "ㅂ", "s": "ㅅ", "d": "ㅅ", "t": "ㅅ", "j": "ㅈ",
}  # fmt: skip

SYLLABLE_GLYPHS = {
    "ユ": "그", "⊆": "드", "卟": "마", "呫": "맘", "奀": "좆", "仆": "사", "㐃": "수", "夬": "곳",
    "刀": "도",
}  # fmt: skip
"""Single glyphs drawn like a whole syllable."""

WORD_GLYPHS = {"甘신": "빙신", "口친": "미친", "7h": "개", "フh": "개"}
"""Glyphs that only these neighbours explain."""

EMOJI_PREFIXES = _table("""
개 🐶🐕🐩🦮🐺
돼지 🐷🐖🐽
닭 🐔🐓
쥐 🐭🐀🐁
소 🐮🐄
똥 💩
고추 🌶
십팔 🔞
쓰레기 🗑🚮
""")
"""Emoji read by name before Hangul."""

EMOJI_SUFFIXES = _table("""
충 🐛🪲🐞🪳🐜
녀 👩
""")
"""Emoji read by name after Hangul."""

NUMBERS = {"18": "시팔", "10": "십", "8": "팔", "2": "이", "1": "일"}
"""Numbers by sound."""

_HANJA_GROUPS = """
가家加可歌價街假佳 각各角刻覺 간間干看肝 감感監減 갑甲 강强江康講 개開個介改犬皆蓋
거去巨擧居車 건建件健乾 걸傑乞 검檢劍 게揭 격格激 견見堅 결結決 경京經景慶輕 계界計季系
고高古苦告故考 곡曲谷 공工公空共功 과果科過課 관觀關官館 광光廣狂 교校敎交橋 구九口求久舊
국國局菊 군軍君郡 권權券 귀貴鬼歸 규規 금金今禁 급急級給 기氣己記期基機起 길吉 김金
나奈那拿 남男南 내內耐 녀女 년年 념念 노老怒奴努 농農 뇌腦 능能 니尼泥 다多茶
단單短團段斷 달達月 담談 당當黨堂 대大代對待帶臺 덕德 도道度都刀島圖 독獨毒讀
동東同冬動洞童 두頭斗豆 득得 등等登燈 라羅裸 락樂落 란亂卵 래來 량量良 력力歷 련練連
령令領 로路勞 록綠錄 료料 류流類 리理利里 림林 마馬魔麻磨 막幕莫 만萬滿晩 말末
망亡望忘 매每買賣妹 맹盲孟 면面免 명名明命 모母毛模 목木目 몽夢 무無武舞 문文門問聞
물物 미美米未味尾 민民 밀密蜜 박朴博薄 반半反班 발發髮拔 방方房放防 배配背倍 백白百
번番繁 벌罰伐 범犯凡 법法 변變便辯 별別 병病兵甁 보步保寶報普 복福服復腹 본本
부父夫部不富副 북北 분分粉憤 불不佛弗 비非比費悲飛鼻 빈貧 사四死事社思士史寺 산山産算
살殺 삼三 상上相商常想 색色 생生 서西書序 석石夕席 선先線善船 설雪說 섬蟾
성性成姓聖聲城 세世歲洗稅 소小少所消笑 속速俗束 손孫損 송送松 수水手數受首 숙宿 순順純
술術 숭崇 습習 승勝乘 시時市始詩是視侍屍 식食式識 신神身新信申臣辛 실室失實 심心深 십十
씨氏 아兒我亞牙 악惡岳 안安眼案 암暗岩 압壓 애愛哀 야夜野也 약藥約弱 양羊陽洋 어魚語
억億 언言 업業 여餘 역驛易逆 연然演煙 열熱 영永英零營 예藝例 오五午誤 옥玉屋 온溫
와瓦 완完 왕王 외外 요要 욕欲辱慾 용用勇龍 우右友牛雨宇 운雲運 원元原願圓 월月
위位危胃 유有油由遊 육六肉 은恩銀隱 을乙 음音飮陰 의義意衣醫 이二伊異耳 인人仁引因
일一日 입入 자子自字者 작作昨 장長場章將 재財再才 적赤敵的 전前全電戰 절節 점點店
정正情定政 제第題祭 조祖朝鳥造 족族足 존存尊 종種終 좌左 죄罪 주主住酒 죽竹 중中重
쥐鼠 지地知止紙智池 직直 진眞進 질質 집集 차車茶次 착着 찰察 창窓娼倉 채菜 책冊
처妻處 천千天川 철鐵 청靑淸 체體 초草初 촌村 총銃 최最崔 추秋醜 축祝 출出 충蟲忠
취取醉 치齒治恥痴 친親 칠七 침針 쾌快 타他打 탈脫 탐貪 태太泰 토土 통通 투投 특特
파波破 판判 팔八 패敗 페吠 편片 평平 폐弊 포抱 폭暴 표表 품品 풍風 피皮被 필必
하下河夏何 학學 한韓漢恨寒 함含 합合 항港 해海害解 행行幸 향香 허虛 험險 혁革 현現
혈血 형兄形刑 혜惠 호好虎湖 혼魂婚 홍紅 화火花話和 환換 황黃 회會回 효孝 후後 훈訓
휴休 흉凶 흑黑 흥興 희喜希
"""
HANJA = {hanja: group[0] for group in _HANJA_GROUPS.split() for hanja in group[1:]}
"""Hanja by sound: groups of a syllable and the Hanja that are read so and stand in for it."""

ROMANISED = {
    "시발": r"s{1,2}h?[iy]+b+[aou]l+|x[iy]bal|s{1,2}ibbal",
    "씹": r"s{1,2}h?ip(?=s[ae])",
    "병신": r"by(?:eo|u|o|eu)n?g+\s?s+h?i+n",
    "개새끼": r"g(?:ae|e|ay|ea)\s?s{1,2}(?:ae|e|a|ay)k*[gkq]+(?:i+|ya)",
    "새끼": r"s{1,2}(?:ae|e)(?:kk|gg|kg|q)(?:i+|ya)",
    "존나": r"[jz]o+n+(?:na|ra|la)|jolla",
    "좆같": r"jot+\s?gat?",
    "지랄": r"[jz]i+r{1,2}al+",
    "미친": r"mi+ch+i+n",
    "쌍년": r"ss?y?ang\s?ny(?:eo|u|o)n",
    "창녀": r"chang\s?ny(?:eo|u)",
    "꺼져": r"(?:kk|gg)[eu]?o?[jz]y?e?o+",
    "닥쳐": r"da[ck]k?ch?y?[eu]o?",
    "느금마": r"neug(?:eu|u)mm?a",
    "니애미": r"ni\s?(?:ae|e)mi",
    "찐따": r"[jz]{2}in(?:d|t){2}a",
    "또라이": r"(?:dd|tt)ora+i",
    "호구": r"hogu",
    "병맛": r"by(?:eo|u)ngmat",
    "쓰레기": r"s{2}(?:eu|u)?r[ae]+gi",
    "개소리": r"g(?:ae|e)sori",
    "뒤져": r"d(?:wi|ui|we|i)[jz]y?eo",
}
"""Abusive words as they are romanised in chat: whole words, one after the other."""

ROMANISED_ENDINGS = {"놈": "nom", "년": "ny(?:eo|u|o)n", "아": "a+h?", "야": "ya", "들": "deul"}
"""What follows them without a space."""

LETTER_NAMES = {
    "씨": r"[cx](?=[발팔8벌빨])",
    "지": r"[gz](?=랄)",
    "병": r"b(?=신)",
    "엠": r"m(?=창)",
    "디": r"d(?=져|질|진)",
}
"""Single Latin letters read by name before these syllables."""

_ENGLISH_WORDS = """
all alone also always anchor andy angle auth author auto bag band best big bike black blue body bon
book box boy boys brand bts bus can car chan chanel change check chic chip chris city clan class
clean click club coat coco coin cola cold color come cool core cork corp coupon crop cute cycle
dance day deal deep denim dick digit digital dirty disco dish disk disney dodo dog door down dress
drop dual duck dude duty entry event fan fans fifth fight fire fish fit flash flavor focus foreign
forgot fork form forms fuck full fun game gel gift girl girls give given glen goal gogo good got
gray gucci gym hair hello high hip home hot ice item jam jean jeans joke keep kill kim kind king
kit knit lace land last late lee life like line lip list live logo long look loss lot love low made
make man mask maybe mba mbti meme men menu midi mini mix mode mom money moon more move msg name
neat need neo new nice night nike nope not note now off okay one only open order out own pad page
pants part party pass pay peach pen pick pin pink play plus point pop post power pro pure push
queen query rain red rich ride right risk road rock rocket room rose run rush sale same sample sea
season see sell send serum set shadow shape ship shirt shoe shoes shop shown sick sigma sign signal
simple site size ski skin sky slack slash sleep slim slow small society sock socks soda sofa soft
sold some song soon sorry soso sound spa span special spoon sport spring star stay step stick still
stop style such suck summer sun super sushi table take tall tan team tee tell than thank thanks
that the their them theme then theory they thick thin thing this throw tick tight time tint title
toda todo tofu tone toner tony top torch torn total tour toy trend turkey turn two ugly use very
video view vip virtual visa visit visual vogue wait walk want war wash way wear week well when wide
width wifi win wine wing winter wish with woman women wood word work works world worth wow yes you
young zip zone zoom
"""
ENGLISH = frozenset(_ENGLISH_WORDS.split())
"""Words that a Korean keyboard or a romanised syllable might be mistaken for."""
