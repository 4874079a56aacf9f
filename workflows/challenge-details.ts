/**
 * What the Web UI shows of a challenge (O1), in Markdown. Nothing secret, and no destination.
 */
import type { ChallengeStatusResult } from '../domain/challenge.ts'

const words = (name: string) => name.replaceAll('_', ' ')

export function challengeDetails(status: ChallengeStatusResult): string {
  const { challengeId, purpose, status: stands, channel, expiresAt, attemptsLeft } = status
  return [
    `**${words(stands)}**: ${words(purpose)}${channel === undefined ? '' : `, by ${channel}`}`,
    '',
    `- challenge: \`${challengeId}\` (\`npx otp challenge show\` tells more)`,
    ...(expiresAt === undefined ? [] : [`- the code lives until ${expiresAt}`]),
    ...(attemptsLeft === undefined ? [] : [`- attempts left: ${attemptsLeft}`]),
  ].join('\n')
}
