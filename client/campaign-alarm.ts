/**
 * Wakes the campaign that stands when members have changed (M4).
 */
import { Client, WorkflowNotFoundError } from '@temporalio/client'
import type { Logger } from 'pino'
import { standingCampaign } from '../postgres/campaigns.ts'
import type { Sql } from '../postgres/connect.ts'
import { campaignChangedSignal } from '../workflows/campaign-messages.ts'
import { campaignWorkflowId } from '../workflows/ids.ts'
import { lazyConnection, temporalAddress } from '../temporal/connect.ts'

/** At most one signal in this time, however many members change. */
const EVERY_MS = 1_000

export interface CampaignAlarm {
  /** By which it wakes campaigns. */
  readonly temporal: Client
  /** Members changed. Returns at once; what is lost costs a minute, after which the campaign looks by itself. */
  ring(): void
  stop(): Promise<void>
}

export function createCampaignAlarm({ sql, log }: { sql: Sql; log: Logger }): CampaignAlarm {
  const { connectionOptions, namespace } = temporalAddress()
  const temporal = new Client({
    connection: lazyConnection(connectionOptions),
    ...(namespace !== undefined && { namespace }),
  })
  let timer: NodeJS.Timeout | undefined

  const wake = async () => {
    timer = undefined
    try {
      const campaignId = await standingCampaign(sql)
      if (campaignId === undefined) return
      await temporal.withDeadline(Date.now() + EVERY_MS, () =>
        temporal.workflow.getHandle(campaignWorkflowId(campaignId)).signal(campaignChangedSignal),
      )
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return
      log.info({ error: error instanceof Error ? error.name : undefined }, 'the campaign could not be woken')
    }
  }

  return {
    temporal,
    ring() {
      timer ??= setTimeout(() => void wake(), EVERY_MS).unref()
    },
    async stop() {
      clearTimeout(timer)
      await temporal.connection.close()
    },
  }
}
