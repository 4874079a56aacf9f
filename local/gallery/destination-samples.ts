/**
 * The notification destination in each of its steps.
 */
import type { Catalog } from '../../messages/catalog.ts'
import { renderCodeEntry } from '../../pages/members/code-entry-page.ts'
import {
  renderCenter,
  renderChanged,
  renderOverview,
  type DestinationModel,
  type Destinations,
  type RenderedPage,
} from '../../pages/members/destination-page.ts'
import {
  renderChoice,
  renderIdentity,
  renderNumber,
  renderNumberCode,
  type NumberForm,
} from '../../pages/members/destination-steps.ts'
import { sampleModel } from './code-entry-samples.ts'

const BACK = 'https://bank.example/'
const PENDING = '+819012345678'
const EMAIL = 'hanako@example.jp'
const NUMBER: NumberForm = { typed: '', mistake: undefined, request: 'example', first: 'h***@e***.jp' }
const OPTIONS = [
  { channel: 'sms', destination: PENDING },
  { channel: 'email', destination: EMAIL },
] as const

const modelOf = (catalog: Catalog, destinations: Partial<Destinations> = {}): DestinationModel => ({
  catalog,
  path: '/notification-destination/example',
  destinations: {
    email: EMAIL,
    phone: null,
    usable: { sms: false, email: true },
    channel: 'email',
    smsMandatory: false,
    ...destinations,
  },
  pending: null,
  back: BACK,
})
const registered = { phone: PENDING, usable: { sms: true, email: true }, channel: 'sms' } as const

const sample = (name: string, render: (catalog: Catalog) => RenderedPage) => ({ name: `destination-${name}`, render })

export const DESTINATION_SAMPLES = [
  sample('overview', (catalog) => renderOverview(modelOf(catalog))),
  sample('overview-mandatory', (catalog) => renderOverview(modelOf(catalog, { ...registered, smsMandatory: true }))),
  sample('overview-pending', (catalog) => renderOverview({ ...modelOf(catalog, registered), pending: PENDING })),
  sample('number', (catalog) => renderNumber(modelOf(catalog), NUMBER)),
  sample('number-mistake', (catalog) =>
    renderNumber(modelOf(catalog), { ...NUMBER, typed: '050-1234-5678', mistake: 'ip_phone' }),
  ),
  sample('identity', (catalog) =>
    renderIdentity(
      modelOf(catalog),
      renderCodeEntry(
        sampleModel(catalog, { challenge: { channel: 'email', destination: EMAIL }, otherChannel: undefined }),
      ),
      false,
    ),
  ),
  sample('identity-expired', (catalog) =>
    renderIdentity(modelOf(catalog), renderCodeEntry(sampleModel(catalog, undefined)), true),
  ),
  sample('code', (catalog) =>
    renderNumberCode(
      { ...modelOf(catalog), pending: PENDING },
      renderCodeEntry(sampleModel(catalog, { resendSeconds: 24, otherChannel: undefined })),
    ),
  ),
  sample('choice', (catalog) =>
    renderChoice(
      { ...modelOf(catalog), pending: PENDING },
      { version: 1, registered: '', options: OPTIONS, chosen: 'sms', smsOnly: false, notice: undefined },
    ),
  ),
  sample('choice-mandatory', (catalog) =>
    renderChoice(modelOf(catalog, { ...registered, smsMandatory: true }), {
      version: 1,
      registered: '',
      options: OPTIONS.slice(0, 1),
      chosen: 'sms',
      smsOnly: true,
      notice: 'refused',
    }),
  ),
  sample('changed', (catalog) => renderChanged(modelOf(catalog, registered))),
  sample('abroad', (catalog) => renderCenter({ catalog, back: BACK }, 'abroad', 'https://center.example/')),
]
