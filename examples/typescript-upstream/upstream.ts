/**
 * Asks a member to prove who they are, and tells the outcome, with a plain Temporal client:
 *
 *     node upstream.ts <memberId> <purpose>
 *
 * Writes a line of JSON for each thing that happens, and reads the codes that the member types, a line each.
 */
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Client, Connection, WorkflowUpdateFailedError } from '@temporalio/client'
import { otpCodec } from 'one-time-password/codec'
import {
  challengeOptions,
  challengeStatusQuery,
  OTP_CHALLENGE,
  verifyCodeUpdate,
  type OtpChallenge,
} from 'one-time-password/temporal'

const { TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE = 'default', OTP_CODEC_KEYS = '' } = process.env
const [memberId = '', purpose = ''] = process.argv.slice(2)
const tell = (what: object) => console.log(JSON.stringify(what))

const connection = await Connection.connect(TEMPORAL_ADDRESS === undefined ? {} : { address: TEMPORAL_ADDRESS })
const client = new Client({ connection, namespace: TEMPORAL_NAMESPACE, plugins: [otpCodec(OTP_CODEC_KEYS)] })

const challengeId = randomUUID()
const handle = await client.workflow.start<OtpChallenge>(
  OTP_CHALLENGE,
  challengeOptions({ challengeId, memberId, purpose }),
)
tell({ asked: challengeId })

const lines = createInterface({ input: process.stdin })
const ended = handle
  .result()
  .then(
    ({ outcome }) => ({ outcome }),
    (error: Error) => ({ failed: error.cause instanceof Error ? error.cause.message : error.message }),
  )
  .finally(() => lines.close())

for await (const typed of lines) {
  if (typed === 'status') {
    tell({ status: await handle.query(challengeStatusQuery) })
    continue
  }
  try {
    tell({ verdict: await handle.executeUpdate(verifyCodeUpdate, { args: [{ challengeId, code: typed }] }) })
  } catch (error) {
    if (!(error instanceof WorkflowUpdateFailedError)) throw error
    tell({ refused: error.cause?.message })
  }
}

tell(await ended)
process.stdin.destroy()
await connection.close()
