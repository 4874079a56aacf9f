import { Counter, type Registry } from 'prom-client'

/**
 * C9, D2, D7: what was refused, each in one word: `locked`, `cooldown`, `sms_prefix`, `phone_country_not_allowed` … `at`
 * says where: a start over HTTP (`http`), through Nexus (`nexus`), by a Temporal client (`workflow`), or a code on its way to
 * the other channel (`failover`).
 */
export const createRefusalCounter = (registry: Registry) =>
  new Counter({
    name: 'otp_refusals_total',
    help: 'Challenges, and failovers of challenges, that were refused',
    labelNames: ['at', 'reason'],
    registers: [registry],
  })
