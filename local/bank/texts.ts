/**
 * What the bank says, in its two languages.
 */
import type { SampleMember } from '../sample-members.ts'

export const LANGUAGES = ['ja', 'en'] as const
export type Language = (typeof LANGUAGES)[number]
export const isLanguage = (text: unknown): text is Language => LANGUAGES.some((language) => language === text)

/** The members that one can be here, and what to expect of each. */
export const MEMBERS = {
  sms: { ja: '幸子さん：SMSでワンタイムパスワードを受け取ります', en: 'Sachiko: gets one-time passwords by SMS' },
  email: { ja: '英二さん：Eメールで受け取ります', en: 'Eiji: gets them by e-mail' },
  softbank: { ja: '空さん：ソフトバンクのSMSで受け取ります', en: 'Sora: gets them by SMS, as a SoftBank subscriber' },
  abroad: { ja: 'アビゲイルさん：海外在住です', en: 'Abigail: lives abroad' },
  familyCard: { ja: '富美子さん：家族カード会員です', en: 'Fumiko: has a family card' },
  minor: { ja: '湊さん：未成年です', en: 'Minato: is a minor' },
  noPhone: { ja: '典子さん：携帯電話番号の登録がありません', en: 'Noriko: has registered no mobile phone' },
  undeliverableEmail: {
    ja: '明さん：届かない形式のEメールアドレスを登録しています',
    en: 'Akira: has an e-mail address that nothing can be delivered to',
  },
  unreachable: { ja: '玲さん：連絡先の登録がありません', en: 'Rei: has registered no destination at all' },
} as const satisfies Partial<Record<SampleMember, Record<Language, string>>>
export type BankMember = keyof typeof MEMBERS

const ja = {
  bank: 'デモ・マイレージバンク',
  demo: 'これは開発用のデモです。会員は架空の人物です。',
  outbox: '届いたSMSとEメールを見る（送信箱）',
  logIn: 'ログイン',
  logInLead: 'どの会員としてログインしますか。',
  logOut: 'ログアウト',
  account: 'マイアカウント',
  miles: 'ご利用可能マイル',
  milesUnit: 'マイル',
  awards: '特典に交換する',
  redeem: '交換する',
  settings: '設定',
  changeDestination: 'ワンタイムパスワード通知先の変更',
  latest: 'お手続きの状況',
  reserved: 'お手続き中',
  redeemed: '交換済み',
  released: '交換されませんでした',
  momentTitle: 'お待ちください',
  begunLead: 'ワンタイムパスワードをお送りしています。',
  provenLead: 'ご本人さまであることを確認しました。特典に交換しています。',
  unprovenTitle: 'ご本人さまの確認をお待ちしています',
  unprovenLead: 'お送りしたワンタイムパスワードを入力してください。確認でき次第、特典に交換します。',
  enterCode: 'ワンタイムパスワードを入力する',
  cancel: '交換をやめる',
  redeemedTitle: '特典に交換しました',
  redeemedLead: 'ご本人さまであることを確認し、交換を完了しました。',
  gaveUpTitle: '特典に交換しませんでした',
  milesBack: 'マイルは減っていません。',
  backToAccount: 'マイアカウントに戻る',
  tryAgainAt: (time: string) => `${time} 以降にもう一度お試しください。`,
  notFoundTitle: 'ページが見つかりません',
  notFoundLead: 'アドレスが正しくないか、別の会員のお手続きです。',
  notProvenTitle: 'ご本人さまの確認ができませんでした',
  notProvenLead: '受け取った証明は、このお手続きのものとして確かめられませんでした。特典には交換していません。',
  unavailableTitle: 'ただいまご利用いただけません',
  unavailableLead: 'しばらくしてからもう一度お試しください。お手続きはそのまま残っています。',
}
type Texts = typeof ja

const en: Texts = {
  bank: 'Demo Mileage Bank',
  demo: 'This is a demo for developers. Its members are made up.',
  outbox: 'Read the SMS and e-mail that arrived (outbox)',
  logIn: 'Log in',
  logInLead: 'Which member would you like to be?',
  logOut: 'Log out',
  account: 'My account',
  miles: 'Available miles',
  milesUnit: 'miles',
  awards: 'Redeem an award',
  redeem: 'Redeem',
  settings: 'Settings',
  changeDestination: 'Change One-time Password notification destination',
  latest: 'Your redemptions',
  reserved: 'Under way',
  redeemed: 'Redeemed',
  released: 'Not redeemed',
  momentTitle: 'One moment',
  begunLead: 'We are having a one-time password sent to you.',
  provenLead: 'You have confirmed that it is you. The award is being redeemed.',
  unprovenTitle: 'Please confirm that it is you',
  unprovenLead: 'Enter the one-time password that was sent to you. The award is redeemed as soon as you have.',
  enterCode: 'Enter the one-time password',
  cancel: 'Do not redeem',
  redeemedTitle: 'Your award is redeemed',
  redeemedLead: 'You have confirmed that it is you, and the award is yours.',
  gaveUpTitle: 'The award was not redeemed',
  milesBack: 'No miles were spent.',
  backToAccount: 'Back to My account',
  tryAgainAt: (time) => `Please try again after ${time}.`,
  notFoundTitle: 'There is no such page',
  notFoundLead: 'The address is not right, or it belongs to another member.',
  notProvenTitle: 'We could not confirm that it was you',
  notProvenLead: 'What came back does not prove anything for this redemption. The award was not redeemed.',
  unavailableTitle: 'We cannot do that right now',
  unavailableLead: 'Please try again in a moment. Nothing of your redemption is lost.',
}
export const TEXTS: Readonly<Record<Language, Texts>> = { ja, en }

/** Why a redemption was given up: outcomes of the challenge, problem codes of its service, and our own reasons. */
const REASONS: Readonly<Record<string, Record<Language, string>>> = {
  expired: {
    ja: 'ワンタイムパスワードの有効期限内にご入力がありませんでした。',
    en: 'The one-time password expired before it was entered.',
  },
  attempts_exhausted: {
    ja: '正しくないワンタイムパスワードが続けて入力されました。',
    en: 'A wrong one-time password was entered too often.',
  },
  superseded: {
    ja: '別のお手続きで新しいワンタイムパスワードが発行されました。',
    en: 'A newer one-time password was asked for elsewhere.',
  },
  cancelled: { ja: 'ワンタイムパスワードが取り消されました。', en: 'The one-time password was cancelled.' },
  cancelled_by_member: { ja: 'お客さまが取りやめました。', en: 'You decided not to redeem it.' },
  undeliverable: {
    ja: 'ワンタイムパスワードをお届けできませんでした。ご登録の連絡先をご確認ください。',
    en: 'The one-time password could not be delivered. Please check your registered phone number and e-mail address.',
  },
  locked: {
    ja: '正しくない入力が続いたため、ワンタイムパスワードのご利用を停止しています。',
    en: 'One-time passwords are locked for you after too many wrong entries.',
  },
  too_many_challenges: {
    ja: 'ワンタイムパスワードの発行が続いたため、すぐには発行できません。',
    en: 'Too many one-time passwords were asked for in a short time.',
  },
  unknown_member: {
    ja: 'ワンタイムパスワードのサービスに、お客さまの会員情報がまだ届いていません。',
    en: 'The one-time password service does not know you yet.',
  },
  not_enough_miles: { ja: 'マイルが不足しています。', en: 'You do not have enough miles.' },
}
const OTHER_REASON = {
  ja: 'ワンタイムパスワードによる確認ができませんでした。',
  en: 'We could not confirm it by a one-time password.',
}

export const reasonIn = (language: Language, reason: string): string => (REASONS[reason] ?? OTHER_REASON)[language]
