import type { Registry } from 'prom-client'
import { registerLookedUp, type Figure } from '../metrics/looked-up.ts'
import { newestCampaigns } from '../postgres/campaign-reports.ts'
import type { Sql } from '../postgres/connect.ts'

/** O4: of the newest campaigns, the state of each, and its members by state as they were last counted for the page. */
export function registerCampaignFigures(registry: Registry, sql: Sql): void {
  registerLookedUp(
    registry,
    [
      {
        name: 'otp_campaign_state',
        help: '1 for the state that a campaign is in: running, paused, completed, aborted',
        labelNames: ['campaign', 'state'],
      },
      {
        name: 'otp_campaign_members',
        help: 'Members of a campaign by state, as last counted',
        labelNames: ['campaign', 'state'],
      },
    ],
    async () => {
      const figures = await newestCampaigns(sql)
      return [
        figures.map(({ campaign, state }): Figure => [{ campaign, state }, 1]),
        figures.flatMap(({ campaign, counts }) =>
          Object.entries(counts).map(([state, members]): Figure => [{ campaign, state }, members]),
        ),
      ]
    },
  )
}
