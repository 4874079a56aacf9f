/**
 * P4: what the members' pages are made of tells nothing by colour alone, and shows whatever it is given as text.
 */
import { describe, expect, it } from 'vitest'
import { catalogFor } from '../messages/catalog.ts'
import { renderNotice, renderSteps, type NoticeKind } from '../pages/members/components.ts'
import { attributeOf, elementsOf, parseHtml, textsOf } from './support/html.ts'

const catalog = catalogFor('en')
const parsed = (content: unknown) => parseHtml(`<!doctype html><title>t</title>${String(content)}`)

describe('a notice', () => {
  it('shows what it is given as text', () => {
    const { document, errors } = parsed(renderNotice({ catalog, kind: 'info', content: '<script>alert(1)</script>' }))
    expect([errors, elementsOf(document, 'script')]).toEqual([[], []])
    expect(textsOf(document)).toContain('<script>alert(1)</script>')
  })

  it.each(['info', 'success', 'warning', 'error'] satisfies NoticeKind[])(
    'names its kind beside the picture: %s',
    (kind) => {
      const { document } = parsed(renderNotice({ catalog, kind, content: 'x' }))
      const [picture] = elementsOf(document, 'svg')
      expect(attributeOf(picture!, 'aria-label')).toBe(catalog.text(`pages.frame.kind.${kind}`))
      const [notice] = elementsOf(document, 'div')
      expect(attributeOf(notice!, 'role')).toBe(kind === 'error' ? 'alert' : undefined)
    },
  )
})

it('steps say which one is now, which are done, and how many there are', () => {
  const { document } = parsed(renderSteps(catalog, ['One', 'Two', 'Three'], 1))
  expect(textsOf(elementsOf(document, 'p')[0]!)).toEqual(['Step 2 of 3 ', 'Two'])
  const items = elementsOf(document, 'li').map((item) => [
    textsOf(item).join('').trim(),
    attributeOf(item, 'aria-current'),
  ])
  expect(items).toEqual([
    ['One (done)', undefined],
    ['Two', 'step'],
    ['Three', undefined],
  ])
})
