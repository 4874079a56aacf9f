/**
 * Every page of members in every state, by models as the API would make them. The times are those of the moment.
 */
import type { SafeHtml } from '@remix-run/html-template'
import type { Catalog } from '../../messages/catalog.ts'
import { CODE_ENTRY_SAMPLES } from './code-entry-samples.ts'
import { DESTINATION_SAMPLES } from './destination-samples.ts'
import { renderEmailChange } from '../../pages/members/email-change-page.ts'
import { renderHelp } from '../../pages/members/help-page.ts'
import { renderLink } from '../../pages/members/link-page.ts'
import { renderProblem } from '../../pages/members/problem-page.ts'

export interface Sample {
  readonly name: string
  render(catalog: Catalog): { readonly title: string; readonly content: SafeHtml }
}

const HELP = {
  senders: { email: 'jmb_confirmation@jal.com', sms: '03-5460-0124', softbank: '22471' },
  ttlMinutes: 10,
  centerUrl: 'https://center.example/',
  emailChangeUrl: 'https://center.example/email',
  back: '/code-entry/example',
}

export const SAMPLES: readonly Sample[] = [
  ...CODE_ENTRY_SAMPLES,
  ...DESTINATION_SAMPLES,
  { name: 'link', render: (catalog) => renderLink(catalog, '#') },
  { name: 'help', render: (catalog) => renderHelp({ ...HELP, catalog }) },
  {
    name: 'help-check-refused',
    render: (catalog) => renderHelp({ ...HELP, catalog, check: { address: 'ab..cd@example.co.jp', verdict: 2 } }),
  },
  {
    name: 'email-change',
    render: (catalog) =>
      renderEmailChange({ ...HELP, catalog, check: { address: 'hanako@example.co.jp', verdict: 'deliverable' } }),
  },
  { name: 'problem-link-used', render: (catalog) => renderProblem(catalog, 'link_used') },
  { name: 'problem-unavailable', render: (catalog) => renderProblem(catalog, 'unavailable') },
]
