/**
 * A member's account: the bank's only store. It is as durable as Temporal, and its Updates come one after the other, so no
 * mile is spent twice. A bank would have its ledger here.
 */
import { allHandlersFinished, condition, continueAsNew, setHandler, workflowInfo } from '@temporalio/workflow'
import { accountQuery, reserveUpdate, settleUpdate, type Account } from '../messages.ts'

const GIFT: Account = { miles: 50_000, entries: [] }
/** Entries that are kept once they are settled. */
const KEPT = 20

export async function mileageAccount(memberId: string, account: Account = GIFT): Promise<void> {
  let { miles, entries } = account
  setHandler(accountQuery, () => ({ miles, entries }))

  setHandler(reserveUpdate, ({ redemptionId, awardId, miles: price }) => {
    if (entries.some((entry) => entry.redemptionId === redemptionId)) return true
    if (price > miles) return false
    miles -= price
    entries = [{ redemptionId, awardId, miles: price, status: 'reserved' }, ...entries]
    return true
  })

  setHandler(settleUpdate, ({ redemptionId, as }) => {
    const reserved = entries.find((entry) => entry.redemptionId === redemptionId && entry.status === 'reserved')
    if (reserved === undefined) return
    if (as === 'released') miles += reserved.miles
    entries = entries
      .map((entry) => (entry === reserved ? { ...entry, status: as } : entry))
      .filter((entry, index) => index < KEPT || entry.status === 'reserved')
  })

  await condition(() => workflowInfo().continueAsNewSuggested && allHandlersFinished())
  await continueAsNew<typeof mileageAccount>(memberId, { miles, entries })
}
