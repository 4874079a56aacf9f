/**
 * P1: a member goes back to the URL that the upstream gave, its query byte for byte, with proof and state appended.
 */
import { describe, expect, it } from 'vitest'
import { allowedReturnUrl, returnTo } from '../api/return-url.ts'

const RULES = [{ caller: 'bank', origin: 'https://bank.example', anyPort: false, path: '/back' }]
const back = (
  given: string,
  values: { proof?: string; state: string | null } = { proof: 'p.r-o_f', state: 's 1&=é' },
) => {
  const allowed = allowedReturnUrl(RULES, 'bank', given)
  return allowed && returnTo(allowed, values)
}
const OURS = 'proof=p.r-o_f&state=s%201%26%3D%C3%A9'

describe('the query of a return URL', () => {
  it.each([
    // Latin-1, Shift_JIS and EUC-JP: what is no UTF-8 is none of ours to decode.
    '?q=caf%E9',
    '?q=%93%FA%96%7B',
    '?q=%C6%FC%CB%DC',
    '?sig=a~b%20c/d&flag',
    "?a=(1)*'2'!&b=%7e&c=1+2&d==&e=;",
    '?a=1&a=2&=x&%zz=1',
  ])('%s stays byte for byte', (query) => {
    expect(back(`https://bank.example/back${query}`)).toBe(`https://bank.example/back${query}&${OURS}`)
  })

  it('that is empty gets ours alone', () => {
    expect(back('https://bank.example/back')).toBe(`https://bank.example/back?${OURS}`)
    expect(back('https://bank.example/back?')).toBe(`https://bank.example/back?${OURS}`)
    expect(back('https://bank.example/back', { state: null })).toBe('https://bank.example/back')
  })

  it('has no proof and no state but ours, however theirs are written', () => {
    const given = 'https://bank.example/back?proof=forged&%70roof=forged&state=theirs&step=2'
    expect(back(given)).toBe(`https://bank.example/back?step=2&${OURS}`)
    expect(back(given, { state: null })).toBe('https://bank.example/back?state=theirs&step=2')
  })

  it('is written so that a header can hold it, and refused where nothing can', () => {
    expect(back('https://bank.example/back?q=日本', { state: null })).toBe(
      'https://bank.example/back?q=%E6%97%A5%E6%9C%AC',
    )
    expect(back('https://bank.example/back?q=\ud800')).toBeUndefined()
    expect(back('https://bank.example/back?q=a\r\nx:y')).toBeUndefined()
  })
})
