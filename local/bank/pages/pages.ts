/**
 * The bank's pages: log in, My account, and a redemption from its beginning to its end.
 */
import { html, type SafeHtml } from '@remix-run/html-template'
import { AWARDS, isAwardId, type AwardId } from '../awards.ts'
import type { Account, AccountEntry, GaveUp, Redemption } from '../messages.ts'
import { MEMBERS, reasonIn, TEXTS, type BankMember, type Language } from '../texts.ts'
import type { Page } from './frame.ts'

/** While the workflow has something to do, and the member has not. */
const SOON_SECONDS = 1

export function logInPage(language: Language): Page {
  const texts = TEXTS[language]
  const members = (Object.keys(MEMBERS) as BankMember[]).map(
    (member) => html`<li><button name="member" value="${member}">${MEMBERS[member][language]}</button></li>\n`,
  )
  return {
    title: texts.logIn,
    content: html`<p class="lead">${texts.logInLead}</p>
<form method="post" action="/login"><ul class="members">${members}</ul></form>`,
  }
}

/** @param newRedemptionId names the redemption that a form begins, so that it begins once however often it is sent */
export function accountPage(
  language: Language,
  member: BankMember,
  account: Account,
  newRedemptionId: () => string,
): Page {
  const texts = TEXTS[language]
  const awards = (Object.keys(AWARDS) as AwardId[]).map(
    (awardId) => html`<li><form method="post" action="/redemptions">
<input type="hidden" name="redemptionId" value="${newRedemptionId()}">
<p><b>${AWARDS[awardId][language]}</b> <span class="miles">${milesOf(language, AWARDS[awardId].miles)}</span></p>
<button name="awardId" value="${awardId}" aria-label="${texts.redeem}: ${AWARDS[awardId][language]}">${texts.redeem}</button>
</form></li>
`,
  )
  return {
    title: texts.account,
    content: html`<p class="lead">${MEMBERS[member][language]}</p>
<p class="balance">${texts.miles} <b>${milesOf(language, account.miles)}</b></p>
<section><h2>${texts.awards}</h2><ul class="awards">${awards}</ul></section>
${account.entries.length === 0 ? null : renderEntries(language, account.entries)}
<section><h2>${texts.settings}</h2>
<form method="post" action="/notification-destination"><button class="second">${texts.changeDestination}</button></form>
</section>`,
  }
}

const renderEntries = (language: Language, entries: readonly AccountEntry[]): SafeHtml => html`<section>
<h2>${TEXTS[language].latest}</h2>
<ul class="entries">${entries.map(
  ({ redemptionId, awardId, status }) => html`<li class="${status}">
<a href="/redemptions/${redemptionId}">${nameOf(language, awardId)}</a> <span>${TEXTS[language][status]}</span>
</li>
`,
)}</ul></section>`

export function redemptionPage(language: Language, redemption: Redemption): Page {
  const texts = TEXTS[language]
  const { redemptionId, awardId, miles, status, gaveUp } = redemption
  const about = html`<p class="award"><b>${nameOf(language, awardId)}</b> <span class="miles">${milesOf(language, miles)}</span></p>`
  const account = html`<p><a href="/account">${texts.backToAccount}</a></p>`
  const post = (what: string, label: string, look: string) =>
    html`<form method="post" action="/redemptions/${redemptionId}/${what}"><button class="${look}">${label}</button></form>`
  if (status === 'begun' || status === 'proven') {
    const lead = status === 'begun' ? texts.begunLead : texts.provenLead
    return { title: texts.momentTitle, renewSeconds: SOON_SECONDS, content: html`${about}<p>${lead}</p>` }
  }
  if (status === 'unproven') {
    return {
      title: texts.unprovenTitle,
      content: html`${about}<p>${texts.unprovenLead}</p>
${post('code', texts.enterCode, 'first')}
${post('cancel', texts.cancel, 'second')}
${account}`,
    }
  }
  if (status === 'redeemed') {
    return {
      title: texts.redeemedTitle,
      content: html`<p class="notice good" role="status">${texts.redeemedLead}</p>${about}${account}`,
    }
  }
  return {
    title: texts.gaveUpTitle,
    content: html`<p class="notice bad" role="status">${whyNot(language, gaveUp)}</p>
${about}<p>${texts.milesBack}</p>${account}`,
  }
}

export type ProblemKind = 'notFound' | 'notProven' | 'unavailable'

export function problemPage(language: Language, kind: ProblemKind): Page {
  const texts = TEXTS[language]
  return {
    title: texts[`${kind}Title`],
    content: html`<p class="notice bad">${texts[`${kind}Lead`]}</p>
<p><a href="/account">${texts.backToAccount}</a></p>`,
  }
}

function whyNot(language: Language, { reason, retryAt }: GaveUp = { reason: 'unavailable' }): string {
  const why = reasonIn(language, reason)
  return retryAt === undefined ? why : `${why} ${TEXTS[language].tryAgainAt(timeOf(language, retryAt))}`
}

const timeOf = (language: Language, time: string) =>
  new Date(time).toLocaleTimeString(language, { timeZone: 'Asia/Tokyo', timeStyle: 'medium' })

const nameOf = (language: Language, awardId: string) => (isAwardId(awardId) ? AWARDS[awardId][language] : awardId)

const milesOf = (language: Language, miles: number) => `${miles.toLocaleString(language)} ${TEXTS[language].milesUnit}`
